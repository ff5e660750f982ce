package asyncio

import (
	"sync"
	"sync/atomic"
)

// inbox is the one way into a loop from outside its goroutine.
type inbox struct {
	mu     sync.Mutex
	items  []runnable
	spare  []runnable // the slice that was drained last, for reuse
	n      atomic.Int32
	closed bool

	isFilled func() bool // filled, made once: each park needs it

	outside atomic.Int32 // jobs of executors under way: each will come in here
}

// CallSoonThreadsafe is [Loop.CallSoon] for any goroutine, and wakes the loop
// up. The handle is for the loop's goroutine. Python: loop.call_soon_threadsafe.
//
// Calls of one goroutine run in their order, in a later turn of the loop. That is a
// promise only while the loop runs: fn does not run when the loop is stopped before
// that turn and never run again, or closed. Close drops what it finds, although
// CallSoonThreadsafe has returned no error for it, because nobody can know at that
// moment whether a turn is still to come. After Close has begun, it returns
// [ErrLoopClosed], and fn does not run. Who has to know that fn has run lets fn say
// so, or uses [RunCoroutineThreadsafe], which returns when the loop is closed.
func (l *Loop) CallSoonThreadsafe(fn func()) (*Handle, error) {
	h := newHandle(fn)
	if !l.post(h) {
		return nil, ErrLoopClosed
	}
	return h, nil
}

// post gives the loop something to run, from any goroutine, and wakes it up. It
// reports whether the loop has taken it: a loop that closes takes nothing.
func (l *Loop) post(r runnable) bool {
	if !l.inbox.put(r) {
		return false
	}
	l.driver.Wake()
	return true
}

// deliver posts the result of a job that was counted in inbox.outside. The
// virtual clock waits for such jobs, so at each moment it must see the job or
// its result; and it must be woken when it has seen the last job.
func (l *Loop) deliver(r runnable) {
	l.inbox.put(r) // a loop that was closed meanwhile does not want it any more
	l.inbox.outside.Add(-1)
	l.driver.Wake()
}

func (b *inbox) put(r runnable) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.items = append(b.items, r)
	b.n.Store(int32(len(b.items)))
	return true
}

func (b *inbox) outsideAtWork() bool { return b.outside.Load() > 0 }

func (b *inbox) filled() bool { return b.n.Load() > 0 }

// drain moves what has come in to the ready queue.
func (l *Loop) drain() {
	b := &l.inbox
	if !b.filled() {
		return
	}
	b.mu.Lock()
	items := b.items
	b.items = b.spare[:0]
	b.n.Store(0)
	b.mu.Unlock()
	for i, r := range items {
		l.ready.Push(r)
		items[i] = nil
	}
	if cap(items) > 1024 {
		items = nil // after a burst, give memory back
	}
	b.spare = items
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.items = nil
	b.n.Store(0)
}
