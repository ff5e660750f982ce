package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// A JobOption is an option of a job.
type JobOption interface{ applyJob(*jobConfig) }

type jobOption func(*jobConfig)

func (f jobOption) applyJob(c *jobConfig) { f(c) }

type jobConfig struct {
	key         string
	timeout     time.Duration
	attempts    int
	first, most time.Duration
	progress    func(Progress)
	err         error
}

// WithKey names what the job is for: all jobs of the same function with the same
// key have one result. When there is one, it is given at once; when such a job is
// under way, its result is waited for; the argument is then not looked at. The
// function may still run more than once, but only the result of the run that ended
// first is kept, for as long as [WithResultTTL] says, and is given to everybody.
// A failure is not kept: the next job with the key is run. It costs about as much
// again as a job without.
func WithKey(key string) JobOption {
	return jobOption(func(c *jobConfig) {
		c.key = key
		if key == "" {
			c.err = errors.New("cluster: WithKey: the key is empty")
		}
	})
}

// WithTimeout bounds how long the function may run, each time that it does: its
// context ends then. The job fails with [ErrTimeout], or is tried again.
func WithTimeout(d time.Duration) JobOption {
	return jobOption(func(c *jobConfig) {
		c.timeout = d
		if d <= 0 || d > maxWait {
			c.err = fmt.Errorf("cluster: WithTimeout(%v): it must be above 0, and %v at most", d, maxWait)
		}
	})
}

// WithRetry has a function that fails, panics or takes too long called again, until
// it was called so many times: first after the first pause, and then after twice as
// long each time, up to the longest pause. Without it, it is called once. What has
// failed the last time becomes a dead letter.
func WithRetry(attempts int, first, most time.Duration) JobOption {
	return jobOption(func(c *jobConfig) {
		c.attempts, c.first, c.most = attempts, first, most
		switch {
		case attempts < 1:
			c.err = fmt.Errorf("cluster: WithRetry: %d attempts are none", attempts)
		case first < 0 || most < first || most > maxWait:
			c.err = fmt.Errorf("cluster: WithRetry: pauses of %v to %v: the first must not be below 0 or above the longest, which is %v at most", first, most, maxWait)
		}
	})
}

// WithProgress has fn called, on the loop, with what the function says by [Report].
// Reports may be lost, and do not come after the result.
func WithProgress(fn func(Progress)) JobOption {
	return jobOption(func(c *jobConfig) { c.progress = fn })
}

// Submit has a registered function run by a worker of the cluster, and returns a
// future for its result. While [WithMaxPending] jobs are under way, it suspends the
// running task until there is room. The argument is encoded at once.
//
// Cancelling the future cancels the job, wherever it is: the context that the
// function was given ends. Its error is a [*JobError], or [ErrClosed].
//
// A job is run at least once. When its worker dies, or is not heard of for as long
// as [WithLease] says, another runs it, and a worker that was only held up may run
// it beside that one. So a function must bear to be called twice. The future gets
// one result. See [WithKey]. Python: Executor.submit.
func Submit[In, Out any](ctx context.Context, c *Client, fn *asyncio.WorkerFunc[In, Out], in In, opts ...JobOption) (*asyncio.Future[Out], error) {
	k, err := newCall(c, fn.Name(), in, opts)
	if err != nil {
		return nil, err
	}
	if err := c.room.Acquire(ctx); err != nil {
		return nil, err
	}
	if c.closing {
		c.room.Release()
		return nil, ErrClosed
	}
	t := &typedTarget[Out]{f: asyncio.NewFuture[Out](c.loop)}
	k.target = t
	t.f.AddDoneCallback(func() {
		if t.f.Cancelled() && !k.ended {
			c.cancelled(k)
		}
	})
	c.start(k)
	return t.f, nil
}

// Call is [Submit] that waits for the result. When the wait is cancelled, the job
// is too.
func Call[In, Out any](ctx context.Context, c *Client, fn *asyncio.WorkerFunc[In, Out], in In, opts ...JobOption) (Out, error) {
	f, err := Submit(ctx, c, fn, in, opts...)
	if err != nil {
		var zero Out
		return zero, err
	}
	out, err := f.Await(ctx)
	if err != nil {
		f.Cancel()
	}
	return out, err
}

// newCall makes the job of a call.
func newCall[In any](c *Client, function string, in In, opts []JobOption) (*call, error) {
	o := jobConfig{attempts: 1}
	for _, opt := range opts {
		opt.applyJob(&o)
	}
	if o.err != nil {
		return nil, o.err
	}
	if c.closing {
		return nil, ErrClosed
	}
	arg, err := workerproc.Encode(in)
	if err == nil && len(arg) > c.config.maxMessage {
		err = fmt.Errorf("%w: %d bytes", asyncio.ErrMessageTooLarge, len(arg))
	}
	if err == nil && len(function)+len(o.key) > maxNames {
		err = fmt.Errorf("the function's name and the key have %d bytes, %d are allowed", len(function)+len(o.key), maxNames)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: the argument of %s: %w", function, err)
	}
	return &call{progress: o.progress, job: job{
		function: function, key: o.key, timeout: o.timeout,
		attempts: uint64(o.attempts), first: o.first, most: o.most, arg: arg,
	}}, nil
}

// maxNames bounds what a job's message has beside its argument.
const maxNames = 64 << 10

// typedTarget is the future of a call.
type typedTarget[Out any] struct {
	f *asyncio.Future[Out]
	v Out
}

func (t *typedTarget[Out]) decode(p []byte) (err error) {
	if t.v, err = workerproc.Decode[Out](p); err != nil {
		return fmt.Errorf("cluster: the result of a job: %w", err)
	}
	return nil
}

func (t *typedTarget[Out]) done() {
	if !t.f.Done() {
		_ = t.f.SetResult(t.v)
	}
}

func (t *typedTarget[Out]) fail(err error) {
	if !t.f.Done() {
		_ = t.f.SetError(err)
	}
}
