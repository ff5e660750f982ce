package flow

import (
	"context"

	"github.com/asyncio-go/asyncio"
)

// A Singleflight calls a function once for all who want the same at the same time. The zero
// value is ready for use.
type Singleflight[K comparable, V any] struct{ flights map[K]*flight[V] }

// A flight is a call under way.
type flight[V any] struct {
	task    *asyncio.Task[V]
	waiting int
}

// Do returns what fn returns. While fn is under way for a key, all who call Do with that key
// wait for the same call. It is made in a task of its own, with the values of the first
// caller's context: a caller that is cancelled leaves the others alone, and when the last
// has gone, the call is cancelled. shared is whether there were others.
func (s *Singleflight[K, V]) Do(ctx context.Context, key K, fn func(ctx context.Context) (V, error)) (v V, shared bool, err error) {
	if _, err := asyncio.RunningLoop(ctx); err != nil {
		return v, false, err
	}
	f := s.flights[key]
	if f == nil {
		f = &flight[V]{task: asyncio.CreateTask(ctx, fn)}
		if s.flights == nil {
			s.flights = make(map[K]*flight[V])
		}
		s.flights[key] = f
		f.task.AddDoneCallback(func() { s.forget(key, f) })
	} else {
		shared = true
	}
	f.waiting++
	defer func() {
		if f.waiting--; f.waiting == 0 && !f.task.Done() {
			f.task.Cancel()
			s.forget(key, f) // who comes now wants one that is not cancelled
		}
	}()
	v, err = asyncio.Shield(ctx, f.task)
	return v, shared || f.waiting > 1, err
}

func (s *Singleflight[K, V]) forget(key K, f *flight[V]) {
	if s.flights[key] == f {
		delete(s.flights, key)
	}
}
