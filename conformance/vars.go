package conformance

import (
	"context"
	"errors"
	"time"

	"github.com/asyncio-go/asyncio"
)

// errUnbound says that a variable or handle was not bound yet. The op is skipped.
var errUnbound = errors.New("conformance: unbound")

// A waitable is what a variable holds: a task or a future of any type. It does
// what the typed functions of the asyncio package do, with results of type any.
type waitable interface {
	awaitable() asyncio.Awaitable
	await(context.Context) (any, error)
	result() (any, error)
	waitFor(context.Context, time.Duration) (any, error)
	shield(context.Context) (any, error)
	shieldFuture() waitable
}

func wrap[T any](a asyncio.Awaiter[T]) waitable { return wrapped[T]{a} }

type wrapped[T any] struct{ a asyncio.Awaiter[T] }

func (w wrapped[T]) awaitable() asyncio.Awaitable           { return w.a }
func (w wrapped[T]) await(ctx context.Context) (any, error) { return w.a.Await(ctx) }
func (w wrapped[T]) result() (any, error)                   { return w.a.Result() }

func (w wrapped[T]) waitFor(ctx context.Context, d time.Duration) (any, error) {
	return asyncio.WaitFor(ctx, d, w.a)
}

func (w wrapped[T]) shield(ctx context.Context) (any, error) { return asyncio.Shield(ctx, w.a) }
func (w wrapped[T]) shieldFuture() waitable                  { return wrap(asyncio.ShieldFuture(w.a)) }

// variable makes an op of f, whose first argument is a variable.
func variable(f func(*call, waitable) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		w, err := c.variable(c.text(0))
		if err != nil {
			return nil, err
		}
		return f(c, w)
	}
}

// settable is variable for what only plain futures can do: the results of
// tasks and of gathered futures are not for others to set.
func settable(f func(*call, *asyncio.Future[any]) (any, error)) func(*call) (any, error) {
	return variable(func(c *call, w waitable) (any, error) {
		future, ok := w.awaitable().(*asyncio.Future[any])
		if !ok {
			return nil, errKind
		}
		return f(c, future)
	})
}

// errKind says that a variable or an object cannot do what an op asks of it.
var errKind = errors.New("conformance: not of the right kind")

func (m *machine) variable(name string) (waitable, error) {
	if w, ok := m.vars[name]; ok {
		return w, nil
	}
	return nil, errUnbound
}

// variables returns what the variables hold, or errUnbound.
func (m *machine) variables(names []string) ([]waitable, error) {
	ws := make([]waitable, len(names))
	for i, name := range names {
		w, err := m.variable(name)
		if err != nil {
			return nil, err
		}
		ws[i] = w
	}
	return ws, nil
}

func awaitables(ws []waitable) []asyncio.Awaitable {
	as := make([]asyncio.Awaitable, len(ws))
	for i, w := range ws {
		as[i] = w.awaitable()
	}
	return as
}

// alike returns what ws hold as awaiters of one type, where they are that: most
// variables are tasks, and only gathered futures are of another type.
func alike(ws []waitable) ([]asyncio.Awaiter[any], bool) {
	as := make([]asyncio.Awaiter[any], len(ws))
	for i, w := range ws {
		a, ok := w.(wrapped[any])
		if !ok {
			return nil, false
		}
		as[i] = a.a
	}
	return as, true
}

// state is what the op of that name and the end of a trace say.
func state(w waitable) string {
	a := w.awaitable()
	switch {
	case !a.Done():
		return "pending"
	case a.Cancelled():
		return "cancelled"
	}
	v, err := w.result()
	if err != nil {
		return "exception " + showError(err)
	}
	return "result " + show(v)
}
