package asyncio

import (
	"context"
	"errors"
	"iter"

	"github.com/asyncio-go/asyncio/internal/ring"
)

var (
	// ErrQueueEmpty is returned by [Queue.GetNowait] when there is no item.
	// Python: QueueEmpty.
	ErrQueueEmpty = errors.New("asyncio: the queue is empty")

	// ErrQueueFull is returned by [Queue.PutNowait] when there is no room.
	// Python: QueueFull.
	ErrQueueFull = errors.New("asyncio: the queue is full")

	// ErrQueueShutdown is returned by a queue that was shut down. Python:
	// QueueShutDown.
	ErrQueueShutdown = errors.New("asyncio: the queue is shut down")

	// ErrTaskDoneTooOften says that [Queue.TaskDone] was called more often
	// than items were put. Python: ValueError.
	ErrTaskDoneTooOften = errors.New("asyncio: called more often than there were items")
)

// A Queue hands items from tasks that make them to tasks that use them. Python:
// Queue, LifoQueue, PriorityQueue.
//
// An item is in the queue until the moment when a Get returns it, so a Get that
// is cancelled, or timed out, loses none. Tasks are served in the order in
// which they came.
//
// The zero value is a queue without a limit, first in, first out. All methods
// are for the loop's goroutine. Put and Get cost no turn of the loop when they
// need not wait.
type Queue[T any] struct {
	items            items[T]
	max              int
	getters, putters parkingLot
	unfinished       int
	takers           holders    // of items that were not worked on yet
	finished         parkingLot // those in Join
	shut             bool
}

// items is the order in which a queue gives back what was put in.
type items[T any] interface {
	Len() int
	Push(T)
	Pop() T
}

// NewQueue makes a queue that holds at most max items, or any number when max
// is not positive, first in, first out. Python: Queue(maxsize).
func NewQueue[T any](max int) *Queue[T] {
	return &Queue[T]{max: max, items: new(ring.Queue[T])}
}

// NewLIFOQueue makes a queue that returns the item put last first. Python:
// LifoQueue(maxsize).
func NewLIFOQueue[T any](max int) *Queue[T] {
	return &Queue[T]{max: max, items: new(stack[T])}
}

// NewPriorityQueue makes a queue that returns the least item first, and of equal
// ones the one put first. Python: PriorityQueue(maxsize).
func NewPriorityQueue[T any](max int, less func(a, b T) bool) *Queue[T] {
	return &Queue[T]{max: max, items: &priorities[T]{less: less}}
}

// Len returns the number of items in the queue. Python: Queue.qsize.
func (q *Queue[T]) Len() int {
	if q.items == nil {
		return 0
	}
	return q.items.Len()
}

// Max returns the most items that the queue holds; not positive, when it has no
// limit. Python: Queue.maxsize.
func (q *Queue[T]) Max() int { return q.max }

// Empty reports whether there are no items. Python: Queue.empty.
func (q *Queue[T]) Empty() bool { return q.Len() == 0 }

// Full reports whether there is no room. Python: Queue.full.
func (q *Queue[T]) Full() bool { return q.max > 0 && q.Len() >= q.max }

// Put puts v into the queue, and suspends the running task until there is room.
// It returns [ErrQueueShutdown] when the queue is, or while it waits gets, shut
// down. When it returns an error v is not in the queue. Python: Queue.put.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	for q.Full() {
		if q.shut {
			return ErrQueueShutdown
		}
		if woken, err := q.putters.park(t, level, (*queuePutter[T])(q)); err != nil {
			if woken && !q.Full() {
				q.putters.wake() // the room is for another
			}
			return err
		}
	}
	return q.PutNowait(v)
}

// PutNowait puts v into the queue, or returns [ErrQueueFull] or
// [ErrQueueShutdown]. Python: Queue.put_nowait.
func (q *Queue[T]) PutNowait(v T) error {
	q.getters.mustBeHere()
	switch {
	case q.shut:
		return ErrQueueShutdown
	case q.Full():
		return ErrQueueFull
	}
	if q.items == nil {
		q.items = new(ring.Queue[T])
	}
	q.items.Push(v)
	q.unfinished++
	q.getters.wake()
	return nil
}

// Get takes an item out of the queue, and suspends the running task until there
// is one. It returns [ErrQueueShutdown] when the queue is shut down and has no
// more. When it returns an error nothing was taken. Python: Queue.get.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	var zero T
	t, level, err := enter(ctx)
	if err != nil {
		return zero, err
	}
	for q.Empty() {
		if q.shut {
			return zero, ErrQueueShutdown
		}
		if woken, err := q.getters.park(t, level, (*queueGetter[T])(q)); err != nil {
			if woken && !q.Empty() {
				q.getters.wake() // the item is for another
			}
			return zero, err
		}
	}
	q.takers.add(t)
	return q.GetNowait()
}

// GetNowait takes an item out of the queue, or returns [ErrQueueEmpty] or
// [ErrQueueShutdown]. Python: Queue.get_nowait.
func (q *Queue[T]) GetNowait() (T, error) {
	q.putters.mustBeHere()
	if q.Empty() {
		var zero T
		if q.shut {
			return zero, ErrQueueShutdown
		}
		return zero, ErrQueueEmpty
	}
	v := q.items.Pop()
	q.putters.wake()
	return v, nil
}

// All returns the items as they come, until the queue is shut down and empty.
// Any other error is yielded, and ends it. Python: a loop around Queue.get.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if err == ErrQueueShutdown {
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// TaskDone says that an item which was taken out has been worked on. It panics
// with a [*MisuseError] of [ErrTaskDoneTooOften] when it was called for each item
// before. Python: Queue.task_done.
func (q *Queue[T]) TaskDone() {
	q.finished.mustBeHere()
	if q.unfinished <= 0 {
		panic(&MisuseError{Op: "Queue.TaskDone", Err: ErrTaskDoneTooOften})
	}
	q.unfinished--
	q.takers.drop()
	if q.unfinished == 0 {
		q.finished.wakeAll()
	}
}

// Unfinished returns how many items were put in of which [Queue.TaskDone] was not
// said yet.
func (q *Queue[T]) Unfinished() int { return q.unfinished }

// Join suspends the running task until [Queue.TaskDone] was said of all items.
// Python: Queue.join.
func (q *Queue[T]) Join(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil || q.unfinished == 0 {
		return err
	}
	_, err = q.finished.park(t, level, (*queueJoiner[T])(q))
	return err
}

// Shutdown makes Put give [ErrQueueShutdown] from now on, and Get too once the
// queue is empty. If immediate, what is in the queue is dropped and counts as
// done. All that wait are woken. Python: Queue.shutdown.
func (q *Queue[T]) Shutdown(immediate bool) {
	q.getters.mustBeHere()
	q.shut = true
	if immediate {
		for !q.Empty() {
			q.items.Pop()
			if q.unfinished > 0 {
				q.unfinished--
			}
		}
		if q.unfinished == 0 {
			q.finished.wakeAll()
		}
	}
	q.getters.wakeAll()
	q.putters.wakeAll()
}

// stack is last in, first out.
type stack[T any] struct{ s []T }

func (s *stack[T]) Len() int { return len(s.s) }
func (s *stack[T]) Push(v T) { s.s = append(s.s, v) }

func (s *stack[T]) Pop() T {
	var zero T
	last := len(s.s) - 1
	v := s.s[last]
	s.s[last] = zero
	s.s = s.s[:last]
	return v
}

// priorities is a binary heap of items and of when they came.
type priorities[T any] struct {
	less func(a, b T) bool
	s    []ranked[T]
	seq  uint64
}

type ranked[T any] struct {
	value T
	seq   uint64
}

func (p *priorities[T]) Len() int { return len(p.s) }

func (p *priorities[T]) Push(v T) {
	p.seq++
	p.s = append(p.s, ranked[T]{v, p.seq})
	for i := len(p.s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !p.before(i, parent) {
			break
		}
		p.s[i], p.s[parent] = p.s[parent], p.s[i]
		i = parent
	}
}

func (p *priorities[T]) Pop() T {
	last := len(p.s) - 1
	v := p.s[0].value
	p.s[0] = p.s[last]
	p.s[last] = ranked[T]{}
	p.s = p.s[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c < min(2*i+3, last); c++ {
			if p.before(c, least) {
				least = c
			}
		}
		if least == i {
			return v
		}
		p.s[i], p.s[least] = p.s[least], p.s[i]
		i = least
	}
}

func (p *priorities[T]) before(i, j int) bool {
	a, b := &p.s[i], &p.s[j]
	if p.less(a.value, b.value) {
		return true
	}
	return !p.less(b.value, a.value) && a.seq < b.seq
}
