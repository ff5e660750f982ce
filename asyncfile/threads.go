package asyncfile

import (
	"context"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/offload"
)

// threads run the calls. Those that have nothing to do end, so nobody has to shut them
// down.
var threads = asyncio.NewThreadPoolExecutor(0)

type executorKey struct{}

// WithExecutor returns a context with which the functions of this package run in e, and
// not on the threads of the package.
func WithExecutor(ctx context.Context, e asyncio.Executor) context.Context {
	return context.WithValue(ctx, executorKey{}, e)
}

func executorOf(ctx context.Context) asyncio.Executor {
	if e, ok := ctx.Value(executorKey{}).(asyncio.Executor); ok {
		return e
	}
	return threads
}

// Do runs fn on a thread and waits for it: for what this package has no function for.
// When the wait is cut off, the context of fn ends, and what fn returns is dropped.
func Do[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	return offload.Do(ctx, executorOf(ctx), fn, nil)
}

// call is Do of a function that knows no context; a value that comes too late is given to
// dispose.
func call[T any](ctx context.Context, fn func() (T, error), dispose func(T)) (T, error) {
	return offload.Do(ctx, executorOf(ctx), func(context.Context) (T, error) { return fn() }, dispose)
}

// run is call of a function that returns an error only.
func run(ctx context.Context, fn func() error) error {
	_, err := call(ctx, func() (struct{}, error) { return struct{}{}, fn() }, nil)
	return err
}

// always is run of what must be done whatever becomes of the wait.
func always(ctx context.Context, fn func() error) error {
	return offload.Always(ctx, executorOf(ctx), fn)
}
