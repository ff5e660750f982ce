package asyncio

import (
	"container/list"
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/ring"
)

// A ThreadQueue is a queue between the tasks of a loop and other goroutines:
// tasks use one side of it, [ThreadQueue.Async], and are suspended where they
// have to wait, goroutines the other, [ThreadQueue.Sync], and block. Both put
// and both get, in one order. Python: janus.Queue, which is not of the standard
// library.
//
// Its own methods never wait and may be called in any goroutine. What waits when
// the loop is closed ends with [ErrLoopClosed].
//
// On the virtual clock, run the goroutine by [RunInExecutor] or [WrapFuture] and
// give its methods the context that it gets: so the clock waits for it while it
// works, and not while it waits for the queue.
type ThreadQueue[T any] struct {
	loop *Loop
	max  int

	mu               sync.Mutex
	items            ring.Queue[T]
	getters, putters threadWaiters
	joiners          threadWaiters
	unfinished       int
	shut             bool
}

// NewThreadQueue makes a queue for tasks of l, with room for max items; 0 means
// without a bound.
func NewThreadQueue[T any](l *Loop, max int) *ThreadQueue[T] {
	return &ThreadQueue[T]{loop: l, max: max}
}

// Len returns the number of items. Python: qsize.
func (q *ThreadQueue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items.Len()
}

// Max returns the most items that there is room for; 0: no bound. Python: maxsize.
func (q *ThreadQueue[T]) Max() int { return q.max }

// PutNowait puts v, or returns [ErrQueueFull], or [ErrQueueShutdown].
func (q *ThreadQueue[T]) PutNowait(v T) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.put(v)
}

func (q *ThreadQueue[T]) put(v T) error {
	switch {
	case q.shut:
		return ErrQueueShutdown
	case q.full():
		return ErrQueueFull
	}
	q.items.Push(v)
	q.unfinished++
	q.getters.wake()
	return nil
}

func (q *ThreadQueue[T]) full() bool { return q.max > 0 && q.items.Len() >= q.max }

// GetNowait takes an item, or returns [ErrQueueEmpty], or [ErrQueueShutdown].
func (q *ThreadQueue[T]) GetNowait() (T, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.get()
}

func (q *ThreadQueue[T]) get() (v T, err error) {
	if q.items.Len() == 0 {
		if q.shut {
			return v, ErrQueueShutdown
		}
		return v, ErrQueueEmpty
	}
	v = q.items.Pop()
	q.putters.wake()
	return v, nil
}

// TaskDone says that the work on an item is done. It panics with a
// [*MisuseError] when it is called more often than items were put. Python:
// task_done.
func (q *ThreadQueue[T]) TaskDone() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.unfinished == 0 {
		panic(&MisuseError{Op: "ThreadQueue.TaskDone", Err: ErrTaskDoneTooOften})
	}
	q.finish(1)
}

func (q *ThreadQueue[T]) finish(n int) {
	if q.unfinished = max(q.unfinished-n, 0); q.unfinished == 0 {
		q.joiners.wakeAll()
	}
}

// Shutdown ends the queue: what puts gets [ErrQueueShutdown] from now on, and
// what gets, too, once it is empty, or at once when it is immediate, which drops
// the items. Python: shutdown.
func (q *ThreadQueue[T]) Shutdown(immediate bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = true
	if immediate {
		n := q.items.Len()
		for range n {
			q.items.Pop()
		}
		q.finish(n)
	}
	q.getters.wakeAll()
	q.putters.wakeAll()
}

// Async returns the side for tasks.
func (q *ThreadQueue[T]) Async() AsyncSide[T] { return AsyncSide[T]{q} }

// Sync returns the side for other goroutines.
func (q *ThreadQueue[T]) Sync() SyncSide[T] { return SyncSide[T]{q} }

// An AsyncSide is a [ThreadQueue] for tasks of its loop, which its methods
// suspend. Python: janus.AsyncQueue.
type AsyncSide[T any] struct{ q *ThreadQueue[T] }

// Put puts v, and waits while there is no room.
func (s AsyncSide[T]) Put(ctx context.Context, v T) error {
	t, level, err := s.q.loop.enter(ctx)
	if err != nil {
		return err
	}
	return s.q.putOr(v, func(w *threadWaiter) error { return w.suspend(t, level) })
}

// Get takes the oldest item, and waits while there is none.
func (s AsyncSide[T]) Get(ctx context.Context) (v T, err error) {
	t, level, err := s.q.loop.enter(ctx)
	if err != nil {
		return v, err
	}
	return s.q.getOr(func(w *threadWaiter) error { return w.suspend(t, level) })
}

// Join waits until [ThreadQueue.TaskDone] was called for each item.
func (s AsyncSide[T]) Join(ctx context.Context) error {
	t, level, err := s.q.loop.enter(ctx)
	if err != nil {
		return err
	}
	return s.q.joinOr(func(w *threadWaiter) error { return w.suspend(t, level) })
}

// All gets items until the queue is shut down and empty. An error is the last.
func (s AsyncSide[T]) All(ctx context.Context) iter.Seq2[T, error] { return itemsOf(ctx, s.Get) }

// A SyncSide is a [ThreadQueue] for goroutines other than the loop's, which its
// methods block. They end with ctx. On a loop's goroutine they give
// [ErrLoopRunning]. Python: janus.SyncQueue.
type SyncSide[T any] struct{ q *ThreadQueue[T] }

// Put puts v, and waits while there is no room.
func (s SyncSide[T]) Put(ctx context.Context, v T) error {
	if coro.OnMarkedGoroutine() {
		return fmt.Errorf("put: %w", ErrLoopRunning)
	}
	return s.q.putOr(v, func(w *threadWaiter) error { return w.block(ctx) })
}

// Get takes the oldest item, and waits while there is none.
func (s SyncSide[T]) Get(ctx context.Context) (v T, err error) {
	if coro.OnMarkedGoroutine() {
		return v, fmt.Errorf("get: %w", ErrLoopRunning)
	}
	return s.q.getOr(func(w *threadWaiter) error { return w.block(ctx) })
}

// Join waits until [ThreadQueue.TaskDone] was called for each item.
func (s SyncSide[T]) Join(ctx context.Context) error {
	if coro.OnMarkedGoroutine() {
		return fmt.Errorf("join: %w", ErrLoopRunning)
	}
	return s.q.joinOr(func(w *threadWaiter) error { return w.block(ctx) })
}

// All gets items until the queue is shut down and empty. An error is the last.
func (s SyncSide[T]) All(ctx context.Context) iter.Seq2[T, error] { return itemsOf(ctx, s.Get) }

func itemsOf[T any](ctx context.Context, get func(context.Context) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := get(ctx)
			if err == ErrQueueShutdown || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// putOr puts v, and waits by way of wait while there is no room.
//
// Who is woken has nothing yet: it looks again, and others may have been
// faster. Who was woken and will not look, because its wait was cut off in the
// same moment, wakes another; so nothing is lost.
func (q *ThreadQueue[T]) putOr(v T, wait func(*threadWaiter) error) error {
	for {
		q.mu.Lock()
		err := q.put(v)
		if err != ErrQueueFull {
			q.mu.Unlock()
			return err
		}
		w := q.putters.add(q.loop)
		q.mu.Unlock()
		if err := wait(w); err != nil {
			q.mu.Lock()
			defer q.mu.Unlock()
			if q.putters.leave(w) && !q.full() {
				q.putters.wake()
			}
			return err
		}
	}
}

// getOr takes an item, and waits by way of wait while there is none.
func (q *ThreadQueue[T]) getOr(wait func(*threadWaiter) error) (v T, err error) {
	for {
		q.mu.Lock()
		v, err = q.get()
		if err != ErrQueueEmpty {
			q.mu.Unlock()
			return v, err
		}
		w := q.getters.add(q.loop)
		q.mu.Unlock()
		if err := wait(w); err != nil {
			q.mu.Lock()
			defer q.mu.Unlock()
			if q.getters.leave(w) && q.items.Len() > 0 {
				q.getters.wake()
			}
			return v, err
		}
	}
}

func (q *ThreadQueue[T]) joinOr(wait func(*threadWaiter) error) error {
	for {
		q.mu.Lock()
		if q.unfinished == 0 {
			q.mu.Unlock()
			return nil
		}
		w := q.joiners.add(q.loop)
		q.mu.Unlock()
		if err := wait(w); err != nil {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.joiners.leave(w)
			return err
		}
	}
}

// threadWaiters are the tasks and goroutines that wait for the same, in the
// order in which they came. The queue's lock guards them.
type threadWaiters struct{ l list.List }

// A threadWaiter is woken once, by closing woken or settling f.
type threadWaiter struct {
	loop  *Loop
	place *list.Element // nil once it was woken
	woken chan struct{} // of a goroutine
	f     future        // of a task, on the loop's goroutine
	mu    sync.Mutex    // guards what follows
	state threadWaiterState
}

type threadWaiterState uint8

const (
	notWaiting threadWaiterState = iota
	blocking                     // a goroutine
	atWork                       // a job that the loop counts, and does not while it blocks
	suspended                    // a task
	awoken
)

func (s *threadWaiters) add(l *Loop) *threadWaiter {
	w := &threadWaiter{loop: l, woken: make(chan struct{})}
	w.f.loop, w.f.canceller = l, w
	w.place = s.l.PushBack(w)
	return w
}

// leave takes w out, and reports whether it was woken before.
func (s *threadWaiters) leave(w *threadWaiter) (woken bool) {
	if w.place == nil {
		return true
	}
	s.l.Remove(w.place)
	w.place = nil
	return false
}

func (s *threadWaiters) wake() {
	for s.l.Len() > 0 {
		w := s.l.Remove(s.l.Front()).(*threadWaiter)
		w.place = nil
		if w.wake() {
			return
		}
	}
}

func (s *threadWaiters) wakeAll() {
	for s.l.Len() > 0 {
		s.wake()
	}
}

// wake ends the wait, or says that nobody is there any more: a task of a loop
// that was closed.
func (w *threadWaiter) wake() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.state
	w.state = awoken
	switch before {
	case atWork:
		w.loop.inbox.outside.Add(1) // before the virtual clock could go on
	case suspended:
		_, err := w.loop.CallSoonThreadsafe(w.settle)
		return err == nil
	}
	close(w.woken)
	return true
}

// describeWait implements waitDescriber, as the canceller of w.f.
func (w *threadWaiter) describeWait(k *WaitLook) any {
	k.Kind = "thread queue"
	return w
}

// cancelWith implements canceller.
func (w *threadWaiter) cancelWith(cause error) bool { return w.f.cancelPlain(cause) }

func (w *threadWaiter) settle() {
	if w.f.state == pending {
		w.f.setResult()
	}
}

// begin notes what kind of waiter it is; false when it was woken already.
func (w *threadWaiter) begin(s threadWaiterState) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == awoken {
		return false
	}
	w.state = s
	return true
}

// suspend waits in a task.
func (w *threadWaiter) suspend(t *task, level context.Context) error {
	if !w.begin(suspended) {
		return nil
	}
	err := t.wait(&w.f, level)
	if w.f.state == pending {
		w.f.cancelPlain(nil)
	}
	return err
}

// block waits in a goroutine.
func (w *threadWaiter) block(ctx context.Context) error {
	kind := blocking
	if l, _ := ctx.Value(jobKey{}).(*Loop); l == w.loop {
		kind = atWork
	}
	if !w.begin(kind) {
		return nil
	}
	if kind == atWork {
		w.loop.inbox.outside.Add(-1)
		w.loop.driver.Wake()
	}
	var err error
	select {
	case <-w.woken:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-w.loop.gone:
		err = ErrLoopClosed
	}
	if kind == atWork && w.begin(blocking) { // else who woke it has counted it again
		w.loop.inbox.outside.Add(1)
	}
	return err
}
