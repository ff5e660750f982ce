package asyncio

import (
	"context"
	"fmt"
)

// Shield awaits aw, but when the running task is cancelled, or the wait's
// context ends, aw is not: it goes on, and the loop keeps it. If it then fails
// and nobody looks at it, that is reported when the loop closes. Python: await
// shield.
func Shield[T any](ctx context.Context, aw Awaiter[T]) (T, error) {
	t, level, err := enter(ctx)
	if err == nil {
		err = t.shielded(aw.base(), level)
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return aw.Result()
}

// shielded waits for inner by way of a future that can be cancelled instead.
func (t *task) shielded(inner *future, level context.Context) error {
	if inner.state != pending {
		return inner.outcome()
	}
	if inner.loop != t.loop {
		return fmt.Errorf("shield: %w", ErrWrongLoop)
	}
	s := &shield{inner: inner}
	s.outer.loop = inner.loop
	s.begin(&s.outer)
	err := t.wait(&s.outer, level)
	if err != nil && s.outer.state == pending {
		s.outer.cancelPlain(nil) // the wait is over by the end of level
	}
	return err
}

// ShieldFuture returns a future that ends as aw does, but cancelling it does not
// cancel aw. If aw has ended, it is aw itself. Python: shield.
func ShieldFuture[T any](aw Awaiter[T]) Awaiter[T] {
	inner := aw.base()
	if inner.state != pending {
		return aw
	}
	out := NewFuture[T](inner.loop)
	s := &shield{inner: inner, fill: func() { out.value, _ = aw.Result() }}
	s.begin(&out.future)
	return out
}

// A shield makes a future end as another does.
type shield struct {
	inner *future
	outer future // where no other was given to begin
	fill  func() // sets the outer future's value
}

func (s *shield) begin(outer *future) {
	inner := s.inner
	onInner := &shieldInner{s, outer}
	inner.add(onInner)
	outer.add(&doneCallback{fn: func() {
		if inner.state == pending {
			inner.remove(onInner)
		}
	}})
}

// shieldInner is the callback of the one that is shielded.
type shieldInner struct {
	s     *shield
	outer *future
}

func (c *shieldInner) run() {
	if c.outer.state != pending {
		return // and what became of inner is for others to see
	}
	inner := c.s.inner
	if err := inner.outcome(); err != nil {
		c.outer.settle(inner.state, err)
		return
	}
	if c.s.fill != nil {
		c.s.fill()
	}
	c.outer.setResult()
}

func (s *shieldInner) dependent() *future { return s.outer }
