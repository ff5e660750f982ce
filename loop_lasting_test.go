//go:build linux || darwin

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// TestALoopThatRunsForLongTakesNoMoreMemory does very many things on one loop,
// kind after kind, and looks whether memory and goroutines after the last of a
// kind are more than after the first tenth, and grow whenever more follow. How many is small, but very many with
// ASYNCIO_TEST_LONG=1 in the environment; that takes some five minutes.
func TestALoopThatRunsForLongTakesNoMoreMemory(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			unseen := 0
			opts := append(optionList(driver), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				if c.Err != errBoom {
					t.Errorf("the loop's exception handler: %s: %v", c.Message, c.Err)
				}
				unseen++
			}))
			failed := 0
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				for _, k := range kinds(t, ctx, &failed) {
					if err := lasts(t, ctx, k); err != nil {
						return fmt.Errorf("%s: %w", k.name, err)
					}
				}
				return nil
			}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if unseen != failed {
				t.Errorf("%d tasks failed, %d were reported", failed, unseen)
			}
		})
	}
}

// A kind is something of which a loop does very many.
type kind struct {
	name      string
	few, many int
	do        func(n int) error
}

func kinds(t *testing.T, ctx context.Context, failed *int) []kind {
	return []kind{
		{"tasks that succeed", 100_000, 10_000_000, func(n int) error { return succeed(ctx, n) }},
		{"tasks that are cancelled", 100_000, 10_000_000, func(n int) error { return cancelled(ctx, n) }},
		{"tasks that fail, and nobody looks", 100_000, 10_000_000, func(n int) error {
			*failed += n
			return fail(ctx, n)
		}},
		{"timers that fire", 100_000, 10_000_000, func(n int) error { return fire(ctx, n) }},
		{"timers that are cancelled", 100_000, 10_000_000, func(n int) error { return cancelTimers(ctx, n) }},
		{"streams over TCP, one after another", 1000, 1_000_000, func(n int) error { return connectInTurn(ctx, n) }},
		{"transports over a unix socket, fifty at a time", 2000, 1_000_000, func(n int) error { return connectAtOnce(t, ctx, n) }},
	}
}

func lasts(t *testing.T, ctx context.Context, k kind) error {
	n := k.few
	if os.Getenv("ASYNCIO_TEST_LONG") != "" {
		n = k.many
	}
	began := time.Now()
	if err := k.do(n / 10); err != nil {
		return err
	}
	settle(ctx, 0)
	first := measure()
	for round := 1; ; round++ {
		if err := k.do(n - n/10); err != nil {
			return err
		}
		settle(ctx, first.goroutines)
		last := measure()
		t.Logf("%d %s: heap %d and then %d bytes, goroutines %d and %d; %v",
			n, k.name, first.heap, last.heap, first.goroutines, last.goroutines, time.Since(began).Round(time.Millisecond))
		if last.heap <= first.heap+64<<10 && last.goroutines <= first.goroutines && last.descriptors <= first.descriptors {
			return nil
		}
		// On a busy machine more may be there at once than ever before, and what is
		// kept for that grows. What is lost grows with each round.
		if round == 4 {
			t.Errorf("%s: before the last %d %+v, after them %+v", k.name, n-n/10, first, last)
			return nil
		}
		first = last
	}
}

// settle waits until the calling task is the only one, and until there are no
// more goroutines than so many, if that is known: those of a connection end some
// time after it. Where there are more for long, it returns all the same.
func settle(ctx context.Context, goroutines int) {
	for i := 0; len(asyncio.AllTasks(ctx)) > 1 || i < 5 || runtime.NumGoroutine() > goroutines && goroutines > 0 && i < 1000; i++ {
		asyncio.Sleep(ctx, time.Millisecond)
	}
}

func succeed(ctx context.Context, n int) error {
	turn := func(ctx context.Context) (int, error) { return 1, asyncio.Sleep(ctx, 0) }
	return inBatches(n, 100, func(n int) error {
		tasks := make([]*asyncio.Task[int], n)
		for i := range tasks {
			tasks[i] = asyncio.CreateTask(ctx, turn)
		}
		_, err := asyncio.Gather(ctx, tasks...)
		return err
	})
}

func cancelled(ctx context.Context, n int) error {
	hour := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
	return inBatches(n, 100, func(n int) error {
		tasks := make([]*asyncio.Task[struct{}], n)
		for i := range tasks {
			tasks[i] = asyncio.Go(ctx, hour)
		}
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		for _, task := range tasks {
			task.CancelCause(errors.New("enough"))
		}
		outcomes, err := asyncio.GatherSettled(ctx, tasks...)
		for _, o := range outcomes {
			if !asyncio.IsCancelled(o.Err) {
				return fmt.Errorf("a cancelled task ended with %w", o.Err)
			}
		}
		return err
	})
}

func fail(ctx context.Context, n int) error {
	boom := func(context.Context) error { return errBoom }
	return inBatches(n, 100, func(n int) error {
		for range n {
			asyncio.Go(ctx, boom)
		}
		return asyncio.Sleep(ctx, 0)
	})
}

func fire(ctx context.Context, n int) error {
	l := loopOf(ctx)
	return inBatches(n, 10_000, func(n int) error {
		done, left := asyncio.NewFuture[struct{}](l), n
		fired := func() {
			if left--; left == 0 {
				_ = done.SetResult(struct{}{})
			}
		}
		for i := range n {
			l.CallLater(time.Duration(i*7919%1000)*time.Microsecond, fired)
		}
		_, err := done.Await(ctx)
		return err
	})
}

func cancelTimers(ctx context.Context, n int) error {
	l := loopOf(ctx)
	timers := make([]*asyncio.TimerHandle, 0, 10_000)
	return inBatches(n, cap(timers), func(n int) error {
		timers = timers[:0]
		for i := range n {
			timers = append(timers, l.CallLater(someDelay(i), func() { panic("a cancelled timer fired") }))
		}
		for _, h := range timers {
			h.Cancel()
		}
		return asyncio.Sleep(ctx, 0)
	})
}

func connectInTurn(ctx context.Context, n int) error {
	srv, err := asyncio.StartServer(ctx, "tcp4", ":0", func(_ context.Context, s *asyncio.Stream) error { return echoPieces(s) })
	if err != nil {
		return err
	}
	port := srv.Addr().(*net.TCPAddr).Port
	for i := range n {
		// The client closes first, and its port is taken for a minute after
		// that: so there are several addresses, of which Linux has 127/8.
		s, err := asyncio.OpenConnection(ctx, "tcp4", fmt.Sprintf("127.0.0.%d:%d", 1+i/10_000, port))
		if err == nil {
			err = askEcho(s, 1)
		}
		if err == nil {
			err = errors.Join(s.Close(), s.WaitClosed(ctx))
		}
		if err != nil {
			return err
		}
	}
	return srv.Shutdown(ctx)
}

func connectAtOnce(t *testing.T, ctx context.Context, n int) error {
	l := loopOf(ctx)
	srv, err := l.CreateServer(ctx, "unix", filepath.Join(t.TempDir(), "s"), newEcho)
	if err != nil {
		return err
	}
	one := func(ctx context.Context) error {
		c := &counting{left: 1, each: make([]byte, echoed), done: asyncio.NewFuture[struct{}](l)}
		_, _, err := l.CreateConnection(ctx, "unix", srv.Addr().String(), func() asyncio.Protocol { return c })
		if err != nil {
			return err
		}
		_, err = c.done.Await(ctx)
		c.transport.Close()
		return err
	}
	err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for range 50 {
			g.Go(func(ctx context.Context) error {
				for range n / 50 {
					if err := one(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return nil
	})
	return errors.Join(err, srv.Shutdown(ctx))
}
