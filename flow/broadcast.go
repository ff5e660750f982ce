package flow

import (
	"context"
	"errors"
	"iter"

	"github.com/asyncio-go/asyncio"
)

// ErrClosed is returned for what is closed, once all that was sent before has been
// received.
var ErrClosed = errors.New("flow: closed")

// A Broadcast sends each value to all who have subscribed. Sending never waits: it keeps so
// many values, and who is slower than that loses the oldest, and is told how many. The
// values of all receivers are kept once. The zero value keeps the last one.
type Broadcast[T any] struct {
	ring   []T
	next   uint64 // the number of the value that is sent next
	news   news
	closed bool
}

// NewBroadcast makes a broadcast that keeps the last n values for those who have not
// received them. It panics when n is not positive.
func NewBroadcast[T any](n int) *Broadcast[T] {
	if n <= 0 {
		panic("flow: NewBroadcast: it must keep a value at least")
	}
	return &Broadcast[T]{ring: make([]T, n)}
}

// Send sends v to all who have subscribed. It returns [ErrClosed] after Close. It costs a
// few nanoseconds, and for each that waits a wake-up.
func (b *Broadcast[T]) Send(v T) error {
	if b.closed {
		return ErrClosed
	}
	if b.ring == nil {
		b.ring = make([]T, 1)
	}
	b.ring[b.next%uint64(len(b.ring))] = v
	b.next++
	b.news.tell()
	return nil
}

// Close ends the broadcast: who has received all gets [ErrClosed]. Closing twice does
// nothing.
func (b *Broadcast[T]) Close() {
	b.closed = true
	b.news.tell()
}

// Subscribe returns a receiver of what is sent from now on. One that is not used any more
// needs no end: it holds nothing of the broadcast.
func (b *Broadcast[T]) Subscribe() *Receiver[T] { return &Receiver[T]{b: b, next: b.next} }

// A Receiver receives the values of a [Broadcast]. It is for one task at a time.
type Receiver[T any] struct {
	b    *Broadcast[T]
	next uint64
}

// Receive returns the next value, and suspends the running task until there is one. missed
// is how many before it this receiver was too slow for. It returns [ErrClosed] when the
// broadcast is closed and nothing is left.
func (r *Receiver[T]) Receive(ctx context.Context) (v T, missed int, err error) {
	for r.next == r.b.next {
		if r.b.closed {
			return v, 0, ErrClosed
		}
		if err := r.b.news.wait(ctx); err != nil {
			return v, 0, err
		}
	}
	v, missed = r.take()
	return v, missed, nil
}

// take takes a value that is there.
func (r *Receiver[T]) take() (v T, missed int) {
	if kept := uint64(len(r.b.ring)); r.b.next-r.next > kept {
		missed = int(r.b.next - r.next - kept)
		r.next = r.b.next - kept
	}
	v = r.b.ring[r.next%uint64(len(r.b.ring))]
	r.next++
	return v, missed
}

// OnNews is the case, for [asyncio.Select], that Receive need not wait. Only Receive takes the
// value. Make the case anew for each call of Select.
func (r *Receiver[T]) OnNews() asyncio.SelectCase {
	return r.b.news.on(r.next != r.b.next || r.b.closed)
}

// Len returns how many values are there to be received.
func (r *Receiver[T]) Len() int { return int(min(r.b.next-r.next, uint64(len(r.b.ring)))) }

// All yields the values as they come, until the broadcast is closed. Any other error is
// yielded, and ends it. How many were missed it does not tell.
func (r *Receiver[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, _, err := r.Receive(ctx)
			if errors.Is(err, ErrClosed) || !yield(v, err) || err != nil {
				return
			}
		}
	}
}
