package blocking

import (
	"context"
	"iter"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
	"github.com/asyncio-go/asyncio/flow"
)

// A range over an iterator that waits is a wait.

func overAnIterator(ctx context.Context) {
	for range wrap.Ticks(ctx) {
		time.Sleep(1) // want `time.Sleep blocks`
	}
}

func overMine(ctx context.Context) {
	for range mine(ctx) {
		time.Sleep(1) // want `time.Sleep blocks`
	}
}

func mine(ctx context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) { yield(0, asyncio.Sleep(ctx, 0)) }
}

func every(ctx context.Context) {
	for range flow.Every(ctx, time.Second) {
		time.Sleep(1) // want `time.Sleep blocks`
	}
}

func lines(ctx context.Context, f *asyncfile.File) {
	for range f.Lines(ctx) {
		time.Sleep(1) // want `time.Sleep blocks`
	}
}

func closes(ctx context.Context, f *asyncfile.File) {
	time.Sleep(1) // want `time.Sleep blocks`
	f.Close(ctx)
}

// It need not be on a loop yet.
func makesAnIterator(ctx context.Context) iter.Seq[int] {
	time.Sleep(1)
	return wrap.Ticks(ctx)
}

func overPlain(yield iter.Seq[int]) {
	for range yield {
		time.Sleep(1)
	}
}
