package asyncio

import (
	"context"
	"errors"
)

// ErrChannelClosed is the error of a future of [WrapChan] whose channel was
// closed.
var ErrChannelClosed = errors.New("asyncio: the channel was closed")

// WrapFuture calls wait on a goroutine of its own and returns a future for what
// it returns: the door by which results of other goroutines come into the loop.
// Its context ends when the future is cancelled or the loop is closed; wait
// should return then. Unlike jobs of an executor such goroutines are not
// bounded in number, and the loop does not wait for them when it ends. A
// virtual clock stands still while one is under way. For the loop's goroutine.
// Python: wrap_future.
func WrapFuture[T any](l *Loop, wait func(ctx context.Context) (T, error)) *Future[T] {
	if l.closing {
		return failedFuture[T](l, ErrLoopClosed)
	}
	if err := l.escape("the goroutine of a WrapFuture"); err != nil {
		return failedFuture[T](l, err)
	}
	j := newJob(l, context.Background(), wait)
	go j.work(j)
	go func() {
		select {
		case <-l.gone:
			j.cancel(ErrLoopClosed)
		case <-j.Done():
		}
	}()
	return &j.f
}

// WrapChan returns a future for the next value that comes from c, and takes none
// once the future is cancelled. When c is closed, it fails with
// [ErrChannelClosed]. It costs a goroutine while it waits. A virtual clock
// stands still meanwhile: what comes from c must not hang on its timers. For
// the loop's goroutine. Python: wrap_future.
func WrapChan[T any](l *Loop, c <-chan T) *Future[T] {
	if l.closing {
		return failedFuture[T](l, ErrLoopClosed)
	}
	if err := l.escape("the goroutine of a WrapChan"); err != nil {
		return failedFuture[T](l, err)
	}
	j := newJob(l, context.Background(), func(ctx context.Context) (v T, err error) {
		select {
		case v, ok := <-c:
			if !ok {
				return v, ErrChannelClosed
			}
			return v, nil
		case <-ctx.Done():
			return v, context.Cause(ctx)
		case <-l.gone:
			return v, ErrLoopClosed
		}
	})
	go j.work(j)
	return &j.f
}

// NewThreadsafeFuture makes a future of the loop that any goroutine may settle:
// with a value, or with an error that is not nil. settle says [ErrLoopClosed]
// when the loop is closed. The first settling counts, and one that comes after
// the future was cancelled is dropped. For any goroutine; the future itself is
// for the loop's. Python: wrap_future of a concurrent.futures.Future.
func NewThreadsafeFuture[T any](l *Loop) (f *Future[T], settle func(v T, err error) error) {
	f = NewFuture[T](l)
	return f, func(v T, err error) error {
		_, e := l.CallSoonThreadsafe(func() {
			switch {
			case f.state != pending:
			case err != nil:
				f.setError(err)
			default:
				f.value = v
				f.setResult()
			}
		})
		return e
	}
}
