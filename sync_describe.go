package asyncio

import "fmt"

// What waits for locks and queues are for, for who looks into a loop. Each method is
// of the lock, or of a queue in one of its roles, whose waiter a task is.

func (l *Lock) describeWait(w *WaitLook) any {
	w.Kind = "lock"
	if !l.locked {
		w.Detail = "open, others come first"
		return l
	}
	w.Tasks = []uint64{l.holder}
	w.Detail = fmt.Sprintf("held by Task-%d", l.holder)
	return l
}

func (s *Semaphore) describeWait(w *WaitLook) any {
	w.Kind = "semaphore"
	w.Detail = fmt.Sprintf("%d of %d left", s.value, s.bound)
	if ids := s.holders.tasks(); len(ids) > 0 {
		w.Tasks, w.Any = ids, true
	}
	return s
}

func (e *Event) describeWait(w *WaitLook) any {
	w.Kind = "event"
	return e
}

func (c *Condition) describeWait(w *WaitLook) any {
	w.Kind = "condition"
	return c
}

// A queueGetter is a queue for who waits for an item.
type queueGetter[T any] Queue[T]

func (g *queueGetter[T]) describeWait(w *WaitLook) any {
	w.Kind, w.Detail = "queue", "get: empty"
	return g
}

// A queuePutter is a queue for who waits for room.
type queuePutter[T any] Queue[T]

func (p *queuePutter[T]) describeWait(w *WaitLook) any {
	w.Kind = "queue"
	w.Detail = fmt.Sprintf("put: full, %d items", (*Queue[T])(p).Len())
	return p
}

// A queueJoiner is a queue for who waits until all was worked on.
type queueJoiner[T any] Queue[T]

func (j *queueJoiner[T]) describeWait(w *WaitLook) any {
	w.Kind = "queue"
	q := (*Queue[T])(j)
	w.Detail = fmt.Sprintf("join: %d unfinished, %d of them in the queue", q.unfinished, q.Len())
	if ids := q.takers.tasks(); len(ids) > 0 && q.Len() == 0 {
		w.Tasks = ids
	}
	return j
}
