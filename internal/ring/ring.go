// Package ring is a first-in, first-out queue in a growing ring of memory.
// It is the loop's ready queue, so Push and Pop are a few nanoseconds and
// never allocate once the ring has its size.
package ring

const minimum = 64

// A Queue is a FIFO queue. The zero value is empty and ready for use. It is
// not safe for use by several goroutines.
type Queue[T any] struct {
	buf  []T // its length is zero or a power of two
	head int
	n    int
	peak int // the most elements since the queue was last empty
}

// Len gives the number of elements.
func (q *Queue[T]) Len() int { return q.n }

// First gives the oldest element. There must be one.
func (q *Queue[T]) First() T { return q.buf[q.head] }

// Push appends v.
func (q *Queue[T]) Push(v T) {
	if q.n == len(q.buf) {
		q.resize(max(minimum, 2*len(q.buf)))
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = v
	q.n++
}

// Pop removes and returns the oldest element. It panics when there is none.
func (q *Queue[T]) Pop() T {
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

// emptied gives memory back after a burst, half at a time, so that a queue
// that is filled again and again does not pay for growing each time.
func (q *Queue[T]) emptied() {
	if len(q.buf) > minimum && q.peak < len(q.buf)/8 {
		q.resize(len(q.buf) / 2)
	}
	q.peak = 0
}

func (q *Queue[T]) resize(size int) {
	buf := make([]T, size)
	for i := range q.n {
		buf[i] = q.buf[(q.head+i)&(len(q.buf)-1)]
	}
	q.buf, q.head = buf, 0
}
