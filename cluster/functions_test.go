package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

// The functions of the tests. Those that tell the test something print it: it reads
// what a worker process prints. Files count calls where processes die.

var square = asyncio.RegisterWorker("square", func(_ context.Context, n int) (int, error) { return n * n, nil })

var fail = asyncio.RegisterWorker("fail", func(_ context.Context, message string) (string, error) {
	return "", errors.New(message)
})

var explode = asyncio.RegisterWorker("explode", func(context.Context, struct{}) (struct{}, error) { panic("boom") })

var echo = asyncio.RegisterWorker("echo", func(_ context.Context, p []byte) ([]byte, error) { return p, nil })

// hang tells that it has begun, and when its context ended, and why.
var hang = asyncio.RegisterWorker("hang", func(ctx context.Context, name string) (string, error) {
	fmt.Printf("begun %s\n", name)
	<-ctx.Done()
	fmt.Printf("ended %s at %d: %v\n", name, time.Now().UnixNano(), context.Cause(ctx))
	return "", ctx.Err()
})

var count = asyncio.RegisterWorker("count", func(ctx context.Context, to int64) (int64, error) {
	for i := range to {
		if err := cluster.Report(ctx, cluster.Progress{Done: i + 1, Total: to, Note: "counting"}); err != nil {
			return 0, err
		}
	}
	return to, nil
})

// called appends a line to a file, and returns how many it has.
func called(file string) (int, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	if _, err := f.Write([]byte{'x'}); err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	s, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return int(s.Size()), nil
}

func calls(file string) int {
	s, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return int(s.Size())
}

// An errand is what a function that fails or dies is asked.
type errand struct {
	File  string // counts the calls
	Times int    // how often it goes wrong
}

var failSometimes = asyncio.RegisterWorker("failSometimes", func(_ context.Context, e errand) (int, error) {
	n, err := called(e.File)
	if err == nil && n <= e.Times {
		err = fmt.Errorf("attempt %d", n)
	}
	return n, err
})

var dieSometimes = asyncio.RegisterWorker("dieSometimes", func(_ context.Context, e errand) (int, error) {
	n, err := called(e.File)
	if err == nil && n <= e.Times {
		os.Exit(3)
	}
	return n, err
})

// untilFile waits until a file is there.
var untilFile = asyncio.RegisterWorker("untilFile", func(ctx context.Context, file string) (int, error) {
	fmt.Println("waiting")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return 1, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
})

var reportAndHang = asyncio.RegisterWorker("reportAndHang", func(ctx context.Context, _ int) (int, error) {
	if err := cluster.Report(ctx, cluster.Progress{Done: 1}); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 0, context.Cause(ctx)
})
