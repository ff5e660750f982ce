package flow

import (
	"context"

	"github.com/asyncio-go/asyncio"
)

// A Watch is a value that changes, and those who want to know when: a configuration, the
// state of a connection. Who is slow sees the last change only. The zero value has no value
// that a watcher would see before Set.
type Watch[T any] struct {
	value   T
	version uint64
	news    news
}

// NewWatch makes a watch of a value.
func NewWatch[T any](v T) *Watch[T] { return &Watch[T]{value: v, version: 1} }

// Get returns the value.
func (w *Watch[T]) Get() T { return w.value }

// Set changes the value, and wakes all who wait for that; also when it is equal to the one
// before.
func (w *Watch[T]) Set(v T) {
	w.value = v
	w.version++
	w.news.tell()
}

// Watcher returns one that has not seen the value yet.
func (w *Watch[T]) Watcher() *Watcher[T] { return &Watcher[T]{w: w} }

// A Watcher sees the changes of a [Watch]. It is for one task at a time.
type Watcher[T any] struct {
	w    *Watch[T]
	seen uint64
}

// Next returns the value as soon as it is one that this watcher has not seen, and suspends
// the running task until then.
func (r *Watcher[T]) Next(ctx context.Context) (T, error) {
	for r.seen == r.w.version {
		if err := r.w.news.wait(ctx); err != nil {
			var none T
			return none, err
		}
	}
	r.seen = r.w.version
	return r.w.value, nil
}

// OnNews is the case, for [asyncio.Select], that Next need not wait. Only Next makes the value
// one that was seen. Make the case anew for each call of Select.
func (r *Watcher[T]) OnNews() asyncio.SelectCase { return r.w.news.on(r.Changed()) }

// Changed reports whether there is a value that this watcher has not seen.
func (r *Watcher[T]) Changed() bool { return r.seen != r.w.version }
