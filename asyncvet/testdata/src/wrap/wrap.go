// Package wrap has what other packages call: its facts are the test.
package wrap

import (
	"context"
	"iter"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// Spawn starts tasks that log their errors.
func Spawn(ctx context.Context, fn func(context.Context) error) {
	asyncio.Go(ctx, func(ctx context.Context) error { return fn(ctx) })
}

func Twice(ctx context.Context, fn func() error) error {
	if err := fn(); err != nil {
		return err
	}
	return fn()
}

func Later(loop *asyncio.Loop, fn func()) {
	loop.CallLater(time.Second, fn)
}

func Background(fn func()) {
	go fn()
}

func Offload(ctx context.Context, fn func() error) error {
	_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, fn() })
	return err
}

func Serve(ctx context.Context, handler http.Handler) error {
	srv := &asynchttp.Server{Handler: handler}
	return srv.Serve(ctx, "tcp", "127.0.0.1:0")
}

func Pause(ctx context.Context) error {
	return asyncio.Sleep(ctx, time.Second)
}

func PauseTwice(ctx context.Context) error {
	return Twice(ctx, func() error { return Pause(ctx) })
}

func Greet(s *asyncio.Stream) {
	s.Write([]byte("hello"))
}

func Nap() {
	time.Sleep(time.Second)
}

func LongNap() {
	Nap()
}

func Load(name string) []byte {
	data, _ := os.ReadFile(name)
	if data == nil {
		net.Dial("tcp", name)
	}
	return data
}

// Anywhere knows where it is.
func Anywhere(ctx context.Context, d time.Duration) error {
	if _, err := asyncio.RunningLoop(ctx); err != nil {
		time.Sleep(d)
		return nil
	}
	return asyncio.Sleep(ctx, d)
}

// Meant blocks, and says why.
func Meant() {
	time.Sleep(time.Millisecond) //asyncvet:ignore blocking it is short
}

// Ticks is an iterator that waits.
func Ticks(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := 0; Pause(ctx) == nil && yield(n); n++ {
		}
	}
}

func Receive(c chan int) int { return <-c }

// Handlers calls what it is given by name.
func Handlers(ctx context.Context, name string) {
	table := map[string]func(context.Context) error{"pause": Pause}
	if handle, ok := table[name]; ok {
		Spawn(ctx, handle)
	}
}

// A Conn is what other packages embed.
type Conn struct{}

func (Conn) Flush(context.Context) error { return nil }
