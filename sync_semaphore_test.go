package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

func TestSemaphoreLetsSoManyIn(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		s := asyncio.NewSemaphore(3)
		inside, most := 0, 0
		var all []asyncio.Awaiter[struct{}]
		for range 10 {
			all = append(all, asyncio.Go(ctx, func(ctx context.Context) error {
				return s.With(ctx, func(ctx context.Context) error {
					inside++
					most = max(most, inside)
					defer func() { inside-- }()
					return asyncio.Sleep(ctx, time.Second)
				})
			}))
		}
		if _, err := asyncio.Gather(ctx, all...); err != nil || most != 3 || now(ctx) != 4*time.Second || s.Value() != 3 {
			t.Errorf("%v; at most %d, at %v, value %d", err, most, now(ctx), s.Value())
		}
	})
}

// CPython: bpo-45997, gh-90155.
func TestSemaphoreIsFair(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		s := asyncio.NewSemaphore(1)
		var got []string
		task := func(name string) *asyncio.Task[struct{}] {
			return asyncio.Go(ctx, func(ctx context.Context) error {
				return s.With(ctx, func(context.Context) error { got = append(got, name); return nil })
			})
		}
		_ = s.Acquire(ctx)
		task("first")
		turns(ctx, 1)
		s.Release()
		last := task("second")
		if !s.Locked() {
			t.Error("open to others while a task that was woken has not run")
		}
		_, _ = last.Await(ctx)
		if !slices.Equal(got, []string{"first", "second"}) {
			t.Error(got)
		}
	})
}

// CPython: gh-90155, gh-97545.
func TestCancelledWaiterDoesNotEatTheSemaphoresWakeUp(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		s := asyncio.NewSemaphore(0)
		first := asyncio.Go(ctx, s.Acquire)
		second := asyncio.Go(ctx, s.Acquire)
		turns(ctx, 1)
		s.Release()
		first.CancelCause(errors.New("stop"))
		_, err := first.Await(ctx)
		wantCancelled(t, err, "stop")
		if _, err := second.Await(ctx); err != nil || s.Value() != 0 {
			t.Errorf("second: %v, value %d", err, s.Value())
		}
	})
}

func TestNobodyGetsASemaphoreAheadOfOneThatWasWoken(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		s := asyncio.NewSemaphore(0)
		waiter := asyncio.Go(ctx, s.Acquire)
		turns(ctx, 1)
		s.Release()
		s.Release()
		if s.Value() != 1 || !s.Locked() {
			t.Error("open to others while a task that was woken has not run")
		}
		if err := s.Acquire(ctx); err != nil || !waiter.Done() {
			t.Error(err)
		}
	})
}

func TestSeveralReleasesWakeSeveral(t *testing.T) {
	inVirtualTime(t, func(ctx context.Context) {
		s := asyncio.NewSemaphore(0)
		var all []asyncio.Awaiter[struct{}]
		for range 3 {
			all = append(all, asyncio.Go(ctx, s.Acquire))
		}
		turns(ctx, 1)
		for range 4 {
			s.Release()
		}
		if _, err := asyncio.Gather(ctx, all...); err != nil || s.Value() != 1 {
			t.Errorf("%v, value %d", err, s.Value())
		}
	})
}

func TestReleasingABoundedSemaphoreTooOftenIsMisuse(t *testing.T) {
	s := asyncio.NewBoundedSemaphore(1)
	wantMisuse(t, asyncio.ErrReleasedTooOften, s.Release)
	inVirtualTime(t, func(ctx context.Context) {
		err := s.With(ctx, func(context.Context) error { s.Release(); return nil })
		wantErr(t, err, asyncio.ErrReleasedTooOften)
	})
	defer func() {
		if recover() == nil {
			t.Error("a negative value was taken")
		}
	}()
	asyncio.NewSemaphore(-1)
}

func TestSemaphoreLosesNoTokenUnderRandomCancels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := random{rt}
		n := 1 + r.upTo(2)
		holds(rt, func(ctx context.Context) error {
			s := asyncio.NewBoundedSemaphore(n)
			inside := 0
			err := cancelRandomly(ctx, r, func(ctx context.Context) error {
				return s.With(ctx, func(ctx context.Context) error {
					inside++
					defer func() { inside-- }()
					if inside > n {
						return fmt.Errorf("%d are inside", inside)
					}
					return asyncio.Sleep(ctx, r.delay())
				})
			})
			if err == nil && (s.Value() != n || s.Locked()) {
				err = fmt.Errorf("the value is %d in the end, not %d", s.Value(), n)
			}
			return err
		})
	})
}
