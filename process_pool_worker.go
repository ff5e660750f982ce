package asyncio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// How many calls are sent ahead to a worker: as many as it does within aheadTime. One
// that is at a call for longer than holdUp has to give back the others.
const (
	aheadTime     = 2 * time.Millisecond
	maxAhead      = 32
	maxAheadBytes = 64 << 10
	holdUp        = 10 * time.Millisecond
	// dropTime is how long a worker has to hear that the call at which it is was
	// cancelled, and to end.
	dropTime = time.Second
)

// A poolWorker is a worker process. Its fields are used with the pool's lock.
type poolWorker struct {
	pool    *ProcessPoolExecutor
	process *workerproc.Process // nil while it starts
	calls   []*poolCall         // that were given to it; it runs the first
	unsent  []poolOrder
	filled  sync.Cond // unsent has grown, or the worker has ended
	tasks   int       // calls that it has done
	last    uint64    // how many the pool had done when it did the last of them
	average time.Duration
	heldUp  bool // it is at a long call
	doomed  bool // it gets no more calls
	ended   bool
}

// A poolOrder is something to tell a worker: a call, or what to do with those that it
// has.
type poolOrder struct {
	call *poolCall
	drop bool // the call
	back bool // all calls that it has not begun
}

// room reports whether the worker may be given a call.
func (w *poolWorker) room(c *poolCall) bool {
	n, cfg := len(w.calls), &w.pool.config
	switch {
	case w.doomed, w.process == nil, cfg.maxTasks > 0 && w.tasks+n >= cfg.maxTasks:
		return false
	case n == 0:
		return true
	case w.heldUp, w.average == 0, cfg.workers.MaxMemory > 0, len(c.request) > maxAheadBytes:
		return false
	}
	return n <= int(min(aheadTime/w.average, maxAhead))
}

// before reports whether a call is rather given to this worker than to another: to the
// one with less to do, and to the one that worked last.
func (w *poolWorker) before(other *poolWorker) bool {
	if len(w.calls) != len(other.calls) {
		return len(w.calls) < len(other.calls)
	}
	return w.last > other.last
}

// give gives a call to the worker.
func (w *poolWorker) give(c *poolCall) {
	c.worker = w
	if w.calls = append(w.calls, c); len(w.calls) == 1 {
		c.began = time.Now()
	} else if w.pool.watch == nil {
		w.pool.watch = time.AfterFunc(holdUp, w.pool.look)
	}
	c.stop = context.AfterFunc(c.ctx, func() { w.cancelled(c) })
	w.tell(poolOrder{call: c})
}

func (w *poolWorker) tell(o poolOrder) {
	w.unsent = append(w.unsent, o)
	w.filled.Signal()
}

// cancelled ends a call whose context has ended. The worker is killed for it, if it
// has begun it; where there are other calls it does that itself, or one of them could
// begin before it dies.
func (w *poolWorker) cancelled(c *poolCall) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	switch {
	case c.worker != w, w.process == nil: // it is done, or given back; or its start is given up
	case len(w.calls) == 1:
		w.kill()
	default:
		w.tell(poolOrder{call: c, drop: true})
		time.AfterFunc(dropTime, func() {
			w.pool.mu.Lock()
			defer w.pool.mu.Unlock()
			if c.worker == w {
				w.kill()
			}
		})
	}
}

func (w *poolWorker) kill() {
	w.doomed = true
	w.process.Kill()
}

// retire lets a worker end that has no calls.
func (w *poolWorker) retire() {
	if !w.doomed {
		w.doomed = true
		w.process.HangUp()
	}
}

// look has workers give back calls that are held up by a long one.
func (p *ProcessPoolExecutor) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = nil
	for w := range p.all {
		if len(w.calls) < 2 {
			continue
		}
		if !w.heldUp && time.Since(w.calls[0].began) > holdUp {
			w.heldUp = true
			w.tell(poolOrder{back: true})
		}
		if p.watch == nil {
			p.watch = time.AfterFunc(holdUp, p.look)
		}
	}
}

// run is the life of a worker, which is started for its first call.
func (w *poolWorker) run(first *poolCall) {
	p := w.pool
	process, err := workerproc.Start(first.ctx, &p.config.workers)
	p.mu.Lock()
	if err == nil {
		w.process = process
		p.started++
		if first.worker == w && first.ctx.Err() != nil {
			w.kill() // nobody has, while it started
		}
		p.mu.Unlock()
		go w.write()
		err = w.read()
		p.mu.Lock()
	}
	w.doomed, w.ended = true, true
	w.filled.Signal()
	// Only the first call may have begun.
	lost := w.calls
	if w.calls = nil; len(lost) > 0 && (lost[0].sent || w.process == nil) {
		first, lost = lost[0], lost[1:]
		first.release()
	} else {
		first = nil
	}
	p.requeue(lost)
	p.dispatch()
	p.mu.Unlock()

	if w.process != nil {
		w.process.End()
	}
	p.mu.Lock()
	delete(p.all, w)
	if first != nil {
		p.done++
		first.err = w.failure(first, err)
	}
	p.dispatch()
	p.mu.Unlock()
	if first != nil {
		first.finish()
	}
}

// failure is the error of the call at which a worker has ended.
func (w *poolWorker) failure(c *poolCall, err error) error {
	crash, died := err.(*workerproc.Crash)
	switch {
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case errors.Is(err, ErrMessageTooLarge):
		return err
	case w.process != nil:
		w.pool.crashed++
		return crashError(c.name, w.process.Crash())
	case died:
		err = crashError("", crash)
	}
	return fmt.Errorf("asyncio: start a worker process: %w", err)
}

// read takes replies until there are no more.
func (w *poolWorker) read() error {
	p := w.pool
	for {
		r, err := w.process.Receive()
		if err != nil {
			return err
		}
		p.mu.Lock()
		c := w.replied(r)
		if c != nil && w.worn(r) {
			w.retire()
		}
		p.dispatch()
		p.mu.Unlock()
		if c != nil {
			c.finish()
		}
	}
}

// replied takes a reply, and returns the call that is done with it.
func (w *poolWorker) replied(r workerproc.Reply) *poolCall {
	i := slices.IndexFunc(w.calls, func(c *poolCall) bool { return c.n == r.Number() })
	if i < 0 {
		return nil
	}
	c := w.calls[i]
	w.calls = slices.Delete(w.calls, i, i+1)
	if r.Dropped() {
		w.pool.requeue([]*poolCall{c})
		return nil
	}
	now := time.Now()
	w.learn(now.Sub(c.began))
	if len(w.calls) > 0 {
		w.calls[0].began = now
	}
	c.release()
	w.tasks++
	w.heldUp = false
	w.pool.done++
	w.last = w.pool.done
	out, err := r.Result()
	c.result, c.err = out, replyError(c.name, err)
	return c
}

// learn takes note of how long a call took.
func (w *poolWorker) learn(d time.Duration) {
	if w.average == 0 {
		w.average = d
	}
	w.average = max(1, w.average+(d-w.average)/8)
}

// worn reports whether a worker, which has given that reply, is to be replaced.
func (w *poolWorker) worn(r workerproc.Reply) bool {
	tasks, memory := w.pool.config.maxTasks, w.pool.config.workers.MaxMemory
	return tasks > 0 && w.tasks >= tasks || memory > 0 && r.Memory() > memory
}

// write tells the worker what there is to tell, until it has ended.
func (w *poolWorker) write() {
	p := w.pool
	var orders []poolOrder
	for failed := false; ; {
		p.mu.Lock()
		for len(w.unsent) == 0 && !w.ended {
			w.filled.Wait()
		}
		orders, w.unsent = w.unsent, orders[:0]
		for _, o := range orders {
			o.markSent(w)
		}
		ended := w.ended
		p.mu.Unlock()
		if ended {
			return
		}
		if failed { // it is dying
			continue
		}
		for i, o := range orders {
			failed = failed || o.send(w.process) != nil
			orders[i] = poolOrder{}
		}
		if failed = failed || w.process.Flush() != nil; failed {
			w.process.EndSoon() // one that does not die by itself is of no use
		}
	}
}

// markSent takes note that the worker may begin the call.
func (o poolOrder) markSent(w *poolWorker) {
	if o.call != nil && o.call.worker == w {
		o.call.sent = true
	}
}

func (o poolOrder) send(to *workerproc.Process) error {
	switch {
	case o.back:
		return to.TakeBack()
	case o.drop:
		return to.Drop(o.call.n)
	}
	return to.Send(o.call.n, o.call.request)
}
