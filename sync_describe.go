package asyncio

import "fmt"

// What waits for locks and queues are for, for who looks into a loop. Each method is
// of the lock, or of a queue in one of its roles, whose waiter a task is.

func (l *Lock) describeWait(w *WaitLook) {
	w.Kind, w.Object = "lock", objectName(l)
	if !l.locked {
		w.Detail = "open, others come first"
		return
	}
	w.Tasks = []uint64{l.holder}
	w.Detail = fmt.Sprintf("held by Task-%d", l.holder)
}

func (s *Semaphore) describeWait(w *WaitLook) {
	w.Kind, w.Object = "semaphore", objectName(s)
	w.Detail = fmt.Sprintf("%d of %d left", s.value, s.bound)
	if ids := s.holders.tasks(); len(ids) > 0 {
		w.Tasks, w.Any = ids, true
	}
}

func (e *Event) describeWait(w *WaitLook) {
	w.Kind, w.Object = "event", objectName(e)
}

func (c *Condition) describeWait(w *WaitLook) {
	w.Kind, w.Object = "condition", objectName(c)
}

// A queueGetter is a queue for who waits for an item.
type queueGetter[T any] Queue[T]

func (g *queueGetter[T]) describeWait(w *WaitLook) {
	w.Kind, w.Object, w.Detail = "queue", objectName(g), "get: empty"
}

// A queuePutter is a queue for who waits for room.
type queuePutter[T any] Queue[T]

func (p *queuePutter[T]) describeWait(w *WaitLook) {
	w.Kind, w.Object = "queue", objectName(p)
	w.Detail = fmt.Sprintf("put: full, %d items", (*Queue[T])(p).Len())
}

// A queueJoiner is a queue for who waits until all was worked on.
type queueJoiner[T any] Queue[T]

func (j *queueJoiner[T]) describeWait(w *WaitLook) {
	w.Kind, w.Object = "queue", objectName(j)
	q := (*Queue[T])(j)
	w.Detail = fmt.Sprintf("join: %d unfinished, %d of them in the queue", q.unfinished, q.Len())
	if ids := q.takers.tasks(); len(ids) > 0 && q.Len() == 0 {
		w.Tasks = ids
	}
}
