// Package ring is a first-in, first-out queue in a growing ring of memory.
// It is the loop's ready queue, so Push and Pop are a few nanoseconds and
// never allocate once the ring has its size.
//
// A ring does not grow for ever: one that is full and has its greatest size is
// put aside as it is, to be emptied first, and a new one takes its place. So a
// burst copies little, and its memory is let go of while it is taken out.
package ring

const (
	minimum = 64
	maximum = 1024
)

// A Queue is a FIFO queue. The zero value is empty and ready for use. It is
// not safe for use by several goroutines. An empty one holds memory for at most
// 2048 elements, however many there were.
type Queue[T any] struct {
	buf  []T // the ring: its length is zero or a power of two, at most maximum
	head int
	n    int // elements in the ring
	peak int // the most elements in it since the queue was last empty

	aside  []full[T] // older elements, the oldest first
	nAside int
	spare  []T // for the next ring: all zero, of the greatest size; or nil
}

// full is a ring that was full when it was put aside.
type full[T any] struct {
	buf  []T
	head int
	n    int
}

// Len returns the number of elements.
func (q *Queue[T]) Len() int { return q.nAside + q.n }

// First returns the oldest element. There must be one.
func (q *Queue[T]) First() T {
	if q.nAside > 0 {
		return q.aside[0].buf[q.aside[0].head]
	}
	return q.buf[q.head]
}

// Push appends v.
func (q *Queue[T]) Push(v T) {
	if q.n == len(q.buf) {
		q.makeRoom()
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = v
	q.n++
}

// Pop removes and returns the oldest element. It panics when there is none.
func (q *Queue[T]) Pop() T {
	if q.nAside > 0 {
		return q.popAside()
	}
	if q.n == 0 {
		panic("ring: Pop from an empty queue")
	}
	if q.n > q.peak {
		q.peak = q.n // only pops look: between two pops the length only grows
	}
	var zero T
	v := q.buf[q.head]
	q.buf[q.head] = zero
	q.head = (q.head + 1) & (len(q.buf) - 1)
	q.n--
	if q.n == 0 {
		q.emptied()
	}
	return v
}

func (q *Queue[T]) popAside() T {
	var zero T
	r := &q.aside[0]
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (maximum - 1)
	r.n--
	q.nAside--
	if r.n == 0 {
		q.spare = r.buf
		q.aside[0] = full[T]{}
		if q.aside = q.aside[1:]; len(q.aside) == 0 {
			q.aside = nil
		}
	}
	return v
}

// emptied returns memory back after a burst, half at a time, so that a queue
// that is filled again and again does not pay for growing each time.
func (q *Queue[T]) emptied() {
	if len(q.buf) > minimum && q.peak < len(q.buf)/8 {
		q.resize(len(q.buf) / 2)
		q.spare = nil
	}
	q.peak = 0
}

// makeRoom makes the full ring larger, or puts it aside.
func (q *Queue[T]) makeRoom() {
	if len(q.buf) < maximum {
		q.resize(max(minimum, 2*len(q.buf)))
		return
	}
	q.aside = append(q.aside, full[T]{q.buf, q.head, q.n})
	q.nAside += q.n
	if q.spare == nil {
		q.spare = make([]T, maximum)
	}
	q.buf, q.head, q.n = q.spare, 0, 0
	q.spare = nil
	q.peak = maximum
}

func (q *Queue[T]) resize(size int) {
	buf := make([]T, size)
	for i := range q.n {
		buf[i] = q.buf[(q.head+i)&(len(q.buf)-1)]
	}
	q.buf, q.head = buf, 0
}
