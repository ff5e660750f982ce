package natslink

import (
	"sync"

	"github.com/asyncio-go/asyncio"
)

// maxSpare is how many items a buffer may have room for that is kept.
const maxSpare = 8192

// An Inbox brings to a loop what other goroutines have: in batches, for an item by
// itself would cost a wake-up.
type Inbox[T any] struct {
	loop   *asyncio.Loop
	handle func(T) // on the loop
	lost   func()

	mu    sync.Mutex
	items []T
	spare []T
}

// NewInbox returns an inbox whose items handle gets, on the loop and in order. When
// the loop is closed, lost is called instead, on any goroutine.
func NewInbox[T any](loop *asyncio.Loop, handle func(T), lost func()) *Inbox[T] {
	return &Inbox[T]{loop: loop, handle: handle, lost: lost}
}

// Put is for any goroutine but the loop's.
func (b *Inbox[T]) Put(item T) {
	b.mu.Lock()
	b.items = append(b.items, item)
	first := len(b.items) == 1
	b.mu.Unlock()
	if !first {
		return
	}
	if _, err := b.loop.CallSoonThreadsafe(b.drain); err != nil {
		b.lost() // nobody wants anything any more
	}
}

// drain runs on the loop.
func (b *Inbox[T]) drain() {
	b.mu.Lock()
	items := b.items
	b.items = b.spare[:0]
	b.mu.Unlock()
	for i, item := range items {
		var none T
		items[i] = none
		b.handle(item)
	}
	b.mu.Lock()
	if cap(items) <= maxSpare {
		b.spare = items[:0]
	} else {
		b.spare = nil
	}
	b.mu.Unlock()
}
