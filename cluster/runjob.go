package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/workerproc"
)

const (
	// maxStarts is how often a job is begun whose workers die: it may be what
	// kills them.
	maxStarts = 5
	// maxUnknown is how often a job is delivered to workers that do not know its
	// function, which takes some five seconds. Another may be about to come.
	maxUnknown = 15

	firstBack = 20 * time.Millisecond // pauses until a job is delivered again
	lastBack  = 500 * time.Millisecond
)

// runJobs runs jobs, one after another, until the worker leaves.
func (w *worker) runJobs() {
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && !w.leaving {
			w.arrived.Wait()
		}
		if len(w.queue) == 0 {
			w.mu.Unlock()
			return
		}
		h := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		h.state, h.started = running, time.Now()
		ctx, cancel := context.WithCancelCause(w.base)
		h.cancel = cancel
		w.running++
		w.mu.Unlock()
		w.runJob(ctx, h)
	}
}

// runJob runs a job, whatever its function does.
func (w *worker) runJob(ctx context.Context, h *held) {
	returned := false
	defer func() {
		h.cancel(nil)
		w.mu.Lock()
		w.running--
		w.average += (time.Since(h.started) - w.average) / 8
		if w.running == 0 {
			w.idle.Broadcast()
		}
		w.mu.Unlock()
		if !returned { // by runtime.Goexit, and this goroutine ends
			w.failure(h, reply{kind: replyFailed, message: asyncio.ErrGoexit.Error()})
			w.runners.Go(w.runJobs)
		}
		w.pull()
	}()
	w.run(ctx, h)
	returned = true
}

// jobContext is the context that a job's function is given.
type jobContext struct {
	context.Context
	h *held
}

// Value implements [context.Context].
func (c *jobContext) Value(key any) any {
	if key == (jobKey{}) {
		return c.h
	}
	return c.Context.Value(key)
}

func (w *worker) run(ctx context.Context, h *held) {
	fn := workerproc.Find(h.job.function)
	if fn == nil {
		w.unknown(h)
		return
	}
	if has, err := w.hasResult(ctx, h); err != nil {
		w.putBack(h, backoff(firstBack, lastBack, h.delivered))
		return
	} else if has {
		return
	}
	if h.delivered > 1 {
		if wanted, err := w.again(ctx, h); err != nil {
			w.putBack(h, backoff(firstBack, lastBack, h.delivered))
			return
		} else if !wanted {
			return
		}
	}
	arg := h.job.arg
	if h.job.object {
		var err error
		if arg, err = w.streams.getObject(ctx, string(arg)); err != nil {
			w.lostArgument(h, err)
			return
		}
	}
	if h.job.timeout > 0 {
		defer w.place.after(h.job.timeout, func() {
			h.cancel(ErrTimeout)
			w.failure(h, reply{kind: replyTimedOut})
		})()
	}
	out, err := fn(&jobContext{ctx, h}, arg)
	var panicked *workerproc.Panic
	switch {
	case err == nil:
		w.value(h, out)
	case errors.As(err, &panicked):
		w.failure(h, reply{kind: replyPanicked, message: fmt.Sprint(panicked.Value), body: panicked.Stack})
	case w.base.Err() != nil:
		w.interrupted(h)
	default:
		w.failure(h, reply{kind: replyFailed, message: err.Error()})
	}
}

// claim reports whether what becomes of a job is the caller's to decide. It is that
// of the first who asks.
func (w *worker) claim(h *held) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.state >= claimed {
		return false
	}
	h.state = claimed
	return true
}

// answer tells NATS what has become of a claimed job, and lets go of it.
func (w *worker) answer(h *held, what []byte) {
	w.mu.Lock()
	w.release(h)
	ack := h.ack
	if what[0] == '+' {
		w.done.add(h.message)
		w.finished++
	}
	w.mu.Unlock()
	_ = w.nc.Publish(ack, what)
}

// putBack lets another worker have a job, after a pause.
func (w *worker) putBack(h *held, pause time.Duration) {
	if !w.claim(h) {
		return
	}
	w.answer(h, back(pause))
}

// interrupted gives back a job that was told to end, since this worker leaves. That
// does not count as a death.
func (w *worker) interrupted(h *held) {
	if !w.claim(h) {
		return
	}
	if h.tries.starts > 0 {
		h.tries.starts--
		_ = w.remember(h) // else it counts
	}
	w.answer(h, ackBack)
}

func back(pause time.Duration) []byte {
	if pause <= 0 {
		return ackBack
	}
	return fmt.Appendf(nil, `-NAK {"delay":%d}`, pause)
}

// backoff returns the pause before the attempt after so many.
func backoff(first, most time.Duration, attempts uint64) time.Duration {
	pause := first
	for i := uint64(1); i < attempts && 0 < pause && pause < most; i++ {
		pause *= 2
	}
	return min(pause, most)
}

// unknown puts off a job whose function is not registered here.
func (w *worker) unknown(h *held) {
	if h.delivered < maxUnknown {
		w.putBack(h, backoff(firstBack, lastBack, h.delivered))
		return
	}
	if w.claim(h) {
		w.end(h, reply{kind: replyUnknown}, true)
	}
}

// lostArgument deals with a job whose argument could not be fetched. One that is
// gone for good only its client can give again.
func (w *worker) lostArgument(h *held, err error) {
	if !errors.Is(err, jetstream.ErrObjectNotFound) {
		w.putBack(h, backoff(firstBack, lastBack, h.delivered))
		return
	}
	if w.claim(h) {
		w.tellAll(h, reply{kind: replyCancelled})
		w.answer(h, ackDone)
	}
}

// again looks at a job that was delivered before: whether it kills its workers. It
// reports whether the job is to be run.
func (w *worker) again(ctx context.Context, h *held) (wanted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	m, err := w.streams.last(ctx, w.streams.tries, w.streams.triesOf(h.job.id))
	if err != nil {
		return false, err
	}
	h.tries = tries{starts: 1} // nothing is written the first time
	if m != nil {
		if h.tries, err = decodeTries(m.Data); err != nil {
			return false, err
		}
	}
	if h.tries.starts >= maxStarts {
		if w.claim(h) {
			w.end(h, reply{kind: replyCrashed, attempts: h.tries.starts + h.tries.failures}, true)
		}
		return false, nil
	}
	h.tries.starts++
	return true, w.remember(h)
}

// remember writes down what the next worker is to know of a job.
func (w *worker) remember(h *held) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, err := w.streams.js.Publish(ctx, w.streams.triesOf(h.job.id), h.tries.encode())
	return err
}

// failure decides what becomes of a job whose function has failed.
func (w *worker) failure(h *held, r reply) {
	if !w.claim(h) {
		return
	}
	w.mu.Lock()
	w.failed++
	w.mu.Unlock()
	h.tries.failures++
	r.attempts = h.tries.failures
	if h.tries.failures < h.job.attempts {
		h.tries.starts = 0
		_ = w.remember(h) // else it is only tried once more than it should
		w.answer(h, back(backoff(h.job.first, h.job.most, h.tries.failures)))
		return
	}
	w.end(h, r, h.job.attempts > 1 || h.job.key != "")
}

// end tells that a claimed job has failed for good. It is buried where its client
// may not be waiting for it any more, or has asked for it by its tries.
func (w *worker) end(h *held, r reply, bury bool) {
	r.id = h.job.id
	if bury {
		r.buried = true
		l := letter{job: h.raw, reply: r.encode()}
		ctx, cancel := context.WithTimeout(context.Background(), answerTime)
		defer cancel()
		if _, err := w.streams.js.Publish(ctx, w.streams.deadSubject(h.job.id), l.encode()); err != nil {
			w.config.log.Warn("cluster: write a dead letter", "function", h.job.function, "error", err)
			w.answer(h, back(lastBack))
			return
		}
	} else if h.job.object {
		defer w.dropObject(string(h.job.arg))
	}
	w.tellAll(h, r)
	w.answer(h, ackDone)
}

// tell sends a reply to who submitted the job.
func (w *worker) tell(h *held, r reply) {
	r.id = h.job.id
	if h.job.reply != "" {
		_ = w.nc.Publish(h.job.reply, r.encode())
	}
	if r.kind == replyProgress && h.job.key != "" {
		_ = w.nc.Publish(w.streams.newsOf(hashOf(h.job.function, h.job.key)), r.encode())
	}
}

// tellAll sends it to those too who wait for the job of the key.
func (w *worker) tellAll(h *held, r reply) {
	w.tell(h, r)
	if h.job.key != "" {
		r.id = h.job.id
		_ = w.nc.Publish(w.streams.newsOf(hashOf(h.job.function, h.job.key)), r.encode())
	}
}
