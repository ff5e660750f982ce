package asyncio

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// A poolCall is a call of a function in a worker process, from its submission to
// its end. It is an [Executor] for itself: what it is given to run is to be run
// when its result is there.
type poolCall struct {
	pool    *ProcessPoolExecutor
	name    string
	request workerproc.Request
	ctx     context.Context
	fn      func(context.Context)
	result  []byte // or
	err     error

	// With the pool's lock.
	n      uint64
	worker *poolWorker // while it was given to one
	stop   func() bool // no more kills the worker when ctx ends
	sent   bool        // the worker may have begun it
	began  time.Time   // not before that
}

// Submit implements [Executor].
func (c *poolCall) Submit(ctx context.Context, fn func(context.Context)) error {
	c.ctx, c.fn = ctx, fn
	p := c.pool
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrExecutorShutdown
	}
	p.n++
	c.n = p.n
	p.queue = append(p.queue, c)
	if len(p.queue) >= p.sweepAt { // behind calls that never end, cancelled ones would pile up
		p.dropCancelled()
		p.sweepAt = max(minSweep, 2*len(p.queue))
	}
	p.dispatch()
	p.mu.Unlock()
	return nil
}

// Shutdown implements [Executor]. It is that of the pool.
func (c *poolCall) Shutdown(ctx context.Context) error { return c.pool.Shutdown(ctx) }

// finish brings the result to the loop. It decodes it, so it is called without the
// lock, unless the context has ended.
func (c *poolCall) finish() { c.fn(c.ctx) }

// dropIfCancelled ends a call that was given to no worker if its context has ended.
func (p *ProcessPoolExecutor) dropIfCancelled(c *poolCall) bool {
	if c.ctx.Err() == nil {
		return false
	}
	c.err = context.Cause(c.ctx)
	p.done++
	c.finish()
	return true
}

// dropCancelled does so with all in the queue.
func (p *ProcessPoolExecutor) dropCancelled() {
	p.queue = slices.DeleteFunc(p.queue, p.dropIfCancelled)
}

// requeue puts calls back that have not begun.
func (p *ProcessPoolExecutor) requeue(calls []*poolCall) {
	for _, c := range calls {
		c.release()
		c.sent = false
		at, _ := slices.BinarySearchFunc(p.queue, c, func(a, b *poolCall) int { return cmp.Compare(a.n, b.n) })
		p.queue = slices.Insert(p.queue, at, c)
	}
}

// release takes a call from its worker.
func (c *poolCall) release() {
	c.worker = nil
	c.stop()
}

// dispatch gives calls to workers: to those that have nothing to do, then to new ones,
// then ahead to those that are at work. Called with the lock.
func (p *ProcessPoolExecutor) dispatch() {
	given := 0
	for _, c := range p.queue {
		if !p.dropIfCancelled(c) {
			w := p.choose(c)
			if w == nil {
				break
			}
			w.give(c)
		}
		given++
	}
	clear(p.queue[:given])
	if p.queue = p.queue[given:]; len(p.queue) == 0 {
		p.queue = nil
	}
	p.settle()
}

// choose returns the worker for a call, or nil when all have enough to do.
func (p *ProcessPoolExecutor) choose(c *poolCall) *poolWorker {
	var best *poolWorker
	for w := range p.all {
		if w.room(c) && (best == nil || w.before(best)) {
			best = w
		}
	}
	if (best == nil || len(best.calls) > 0) && len(p.all) < p.max {
		best = &poolWorker{pool: p}
		best.filled.L = &p.mu
		p.all[best] = struct{}{}
		go best.run(c)
	}
	return best
}

// settle ends workers when no more calls come, and says when all are gone. Called
// with the lock.
func (p *ProcessPoolExecutor) settle() {
	if !p.closed || len(p.queue) > 0 {
		return
	}
	for w := range p.all {
		if len(w.calls) == 0 {
			w.retire()
		}
	}
	if len(p.all) == 0 {
		select {
		case <-p.idle:
		default:
			close(p.idle)
		}
	}
}

// abandon drops the queue and ends the calls under way.
func (p *ProcessPoolExecutor) abandon(cause error) error {
	p.mu.Lock()
	for _, c := range p.queue {
		c.ctx.(loopJob).drop(ErrExecutorShutdown)
	}
	p.dropCancelled()
	var left []Job
	var under []*poolCall
	for w := range p.all {
		for i, c := range w.calls {
			if i == 0 {
				left = append(left, Job{Function: c.name, Running: time.Since(c.began), Cancelled: c.ctx.Err() != nil})
			}
			under = append(under, c)
		}
	}
	p.settle()
	p.mu.Unlock()
	for _, c := range under {
		c.ctx.(loopJob).drop(ErrExecutorShutdown)
	}
	if len(left) == 0 {
		return nil
	}
	slices.SortFunc(left, func(a, b Job) int { return cmp.Compare(b.Running, a.Running) })
	return &JobsLeftError{Jobs: left, Err: cause}
}
