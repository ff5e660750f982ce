package asyncfile

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/offload"
)

// threads run the calls. Those that have nothing to do end, so nobody has to shut them
// down.
var threads = asyncio.NewThreadPoolExecutor(0)

type executorKey struct{}

// WithExecutor returns a context with which the functions of this package run in e, and
// not on the threads of the package; reads from memory, too.
func WithExecutor(ctx context.Context, e asyncio.Executor) context.Context {
	return context.WithValue(ctx, executorKey{}, e)
}

func executorOf(ctx context.Context) asyncio.Executor {
	if e, ok := filerOf(ctx).(asyncio.Executor); ok { // also what it does behind a call's back is for the world
		return e
	}
	if e := givenExecutor(ctx); e != nil {
		return e
	}
	return threads
}

// givenExecutor returns that of WithExecutor, or nil.
func givenExecutor(ctx context.Context) asyncio.Executor {
	e, _ := ctx.Value(executorKey{}).(asyncio.Executor)
	return e
}

// Do runs fn on a thread and waits for it: for what this package has no function for.
// When the wait is cut off, the context of fn ends, and what fn returns is dropped.
func Do[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	return do(ctx, fn, nil)
}

// do is Do; a value that comes too late is given to dispose. On a simulated disk it takes
// as long as that says, before or after fn.
func do[T any](ctx context.Context, fn func(context.Context) (T, error), dispose func(T)) (T, error) {
	f := filerOf(ctx)
	if f == nil {
		return offload.Do(ctx, executorOf(ctx), fn, dispose)
	}
	before, after := f.FileLatency()
	if err := pause(ctx, before); err != nil {
		var none T
		return none, err
	}
	v, err := offload.Do(ctx, executorOf(ctx), fn, dispose)
	if cut := pause(ctx, after); cut != nil {
		if err == nil && dispose != nil {
			dispose(v)
		}
		var none T
		return none, cut
	}
	return v, err
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return asyncio.Sleep(ctx, d)
}

// call is Do of a function that knows no context; a value that comes too late is given to
// dispose.
func call[T any](ctx context.Context, fn func() (T, error), dispose func(T)) (T, error) {
	return do(ctx, func(context.Context) (T, error) { return fn() }, dispose)
}

// callOn is call of a method of an open file.
func callOn[T any](ctx context.Context, f *File, fn func() (T, error), dispose func(T)) (T, error) {
	if err := f.foreign(ctx); err != nil {
		var none T
		return none, err
	}
	return call(ctx, fn, dispose)
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
