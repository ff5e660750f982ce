package asyncio_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func errorOf[T any](_ T, err error) error          { return err }
func errorOf3[A, B any](_ A, _ B, err error) error { return err }

func noWork(context.Context) error { return errors.New("it was called") }

// waiting are all functions that wait, by name, each with what it needs. None of
// them may do anything with a context on which it cannot wait.
func waiting(t *testing.T, ctx context.Context, stream *asyncio.Stream) map[string]func(context.Context) error {
	l := loopOf(ctx)
	queue, full := asyncio.NewQueue[int](0), asyncio.NewQueue[int](1)
	full.PutNowait(1)
	threads, crowded := asyncio.NewThreadQueue[int](l, 0), asyncio.NewThreadQueue[int](l, 1)
	crowded.PutNowait(1)
	held, lock := new(asyncio.Lock), new(asyncio.Lock)
	if err := held.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	var condition asyncio.Condition
	if err := condition.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	semaphore := asyncio.NewSemaphore(1)
	barrier := asyncio.NewBarrier(2)
	event := new(asyncio.Event)
	future := asyncio.NewFuture[int](l)
	never := func(context.Context) (int, error) { t.Error("it was called"); return 0, nil }
	protocol := func() asyncio.Protocol { t.Error("a protocol was made"); return nil }
	all := map[string]func(context.Context) error{
		"Sleep":         func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) },
		"Future.Await":  func(ctx context.Context) error { return errorOf(future.Await(ctx)) },
		"Gather":        func(ctx context.Context) error { return errorOf(asyncio.Gather(ctx, future)) },
		"GatherSettled": func(ctx context.Context) error { return errorOf(asyncio.GatherSettled(ctx, future)) },
		"Shield":        func(ctx context.Context) error { return errorOf(asyncio.Shield(ctx, future)) },
		"Wait": func(ctx context.Context) error {
			return errorOf3(asyncio.Wait(ctx, asyncio.AllCompleted, asyncio.NoTimeout, future))
		},
		"WaitFor": func(ctx context.Context) error { return errorOf(asyncio.WaitFor(ctx, time.Hour, future)) },
		"Timeout": func(ctx context.Context) error {
			return asyncio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return noWork(ctx) })
		},
		"TimeoutAt": func(ctx context.Context) error {
			return asyncio.TimeoutAt(ctx, time.Hour, func(ctx context.Context) error { return noWork(ctx) })
		},
		"Group": func(ctx context.Context) error {
			return asyncio.Group(ctx, func(ctx context.Context, _ *asyncio.TaskGroup) error { return noWork(ctx) })
		},
		"ToThread":          func(ctx context.Context) error { return errorOf(asyncio.ToThread(ctx, never)) },
		"Lock.Acquire":      held.Acquire,
		"Lock.With":         func(ctx context.Context) error { return lock.With(ctx, noWork) },
		"Event.Wait":        event.Wait,
		"Condition.Wait":    condition.Wait,
		"Condition.WaitFor": func(ctx context.Context) error { return condition.WaitFor(ctx, func() bool { return false }) },
		"Condition.With":    func(ctx context.Context) error { return condition.With(ctx, noWork) },
		"Semaphore.Acquire": semaphore.Acquire,
		"Semaphore.With":    func(ctx context.Context) error { return semaphore.With(ctx, noWork) },
		"Barrier.Wait":      func(ctx context.Context) error { return errorOf(barrier.Wait(ctx)) },
		"Queue.Put":         func(ctx context.Context) error { return full.Put(ctx, 2) },
		"Queue.Get":         func(ctx context.Context) error { return errorOf(queue.Get(ctx)) },
		"Queue.Join":        full.Join,
		"ThreadQueue put":   func(ctx context.Context) error { return crowded.Async().Put(ctx, 2) },
		"ThreadQueue get":   func(ctx context.Context) error { return errorOf(threads.Async().Get(ctx)) },
		"ThreadQueue join":  crowded.Async().Join,
		"OpenConnection":    func(ctx context.Context) error { return errorOf(asyncio.OpenConnection(ctx, "tcp", "127.0.0.1:1")) },
		"StartServer":       func(ctx context.Context) error { return errorOf(asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", echo)) },
		"CreateConnection": func(ctx context.Context) error {
			return errorOf3(l.CreateConnection(ctx, "tcp", "127.0.0.1:1", protocol))
		},
		"CreateServer":       func(ctx context.Context) error { return errorOf(l.CreateServer(ctx, "tcp", "127.0.0.1:0", protocol)) },
		"Stream.Read":        func(ctx context.Context) error { return errorOf(stream.ReadContext(ctx, make([]byte, 1))) },
		"Stream.ReadLine":    func(ctx context.Context) error { return errorOf(stream.ReadLine(ctx)) },
		"Stream.ReadUntil":   func(ctx context.Context) error { return errorOf(stream.ReadUntil(ctx, []byte("x"))) },
		"Stream.ReadExactly": func(ctx context.Context) error { return errorOf(stream.ReadExactly(ctx, 1)) },
		"Stream.ReadAll":     func(ctx context.Context) error { return errorOf(stream.ReadAll(ctx)) },
		"Stream.Drain":       stream.Drain,
		"Stream.WaitClosed":  stream.WaitClosed,
		"Stream.StartTLS":    func(ctx context.Context) error { return stream.StartTLS(ctx, clientTLS()) },
		"Getaddrinfo":        func(ctx context.Context) error { return errorOf(l.Getaddrinfo(ctx, "tcp", "localhost", "80")) },
		"Getnameinfo": func(ctx context.Context) error {
			return errorOf3(l.Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:80")))
		},
		"Subprocess":              func(ctx context.Context) error { return errorOf(asyncio.CreateSubprocessExec(ctx, os.Args[0], nil)) },
		"Subprocess of shell":     func(ctx context.Context) error { return errorOf(asyncio.CreateSubprocessShell(ctx, "exit 0")) },
		"ShutdownDefaultExecutor": l.ShutdownDefaultExecutor,
	}
	return all
}

// withStream runs body on each driver with a stream to a peer that says nothing.
func withStream(t *testing.T, body func(t *testing.T, ctx context.Context, s *asyncio.Stream)) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			_, err := io.Copy(io.Discard, s)
			return err
		})
		s := dial(t, ctx, srv.Addr())
		body(t, ctx, s)
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestWhatWaitsRefusesAContextThatBelongsToNoLoop(t *testing.T) {
	withStream(t, func(t *testing.T, ctx context.Context, s *asyncio.Stream) {
		for name, wait := range waiting(t, ctx, s) {
			if err := wait(context.Background()); !errors.Is(err, asyncio.ErrNoRunningLoop) {
				t.Errorf("%s gave %v", name, err)
			}
		}
		if s.IsClosing() {
			t.Error("the stream was closed")
		}
	})
}

func TestWhatWaitsRefusesAContextThatHasEnded(t *testing.T) {
	withStream(t, func(t *testing.T, ctx context.Context, s *asyncio.Stream) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		for name, wait := range waiting(t, ctx, s) {
			if err := wait(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("%s gave %v", name, err)
			}
		}
		if s.IsClosing() {
			t.Error("the stream was closed")
		}
	})
}

func TestWhatWaitsRefusesACallback(t *testing.T) {
	withStream(t, func(t *testing.T, ctx context.Context, s *asyncio.Stream) {
		called := asyncio.NewFuture[struct{}](loopOf(ctx))
		all := waiting(t, ctx, s)
		loopOf(ctx).CallSoon(func() {
			for name, wait := range all {
				if err := wait(ctx); !errors.Is(err, asyncio.ErrNotInTask) {
					t.Errorf("%s gave %v", name, err)
				}
			}
			called.SetResult(struct{}{})
		})
		called.Await(ctx)
	})
}

// A loop's own functions do not work for the task of another loop, which would
// then be resumed by the wrong one.
func TestLoopRefusesTheTasksOfAnotherLoop(t *testing.T) {
	other := newLoop(t)
	addr := netip.MustParseAddrPort("127.0.0.1:80")
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		protocol := func() asyncio.Protocol { t.Error("a protocol was made"); return nil }
		datagrams := func() asyncio.DatagramProtocol { t.Error("a protocol was made"); return nil }
		processes := func() asyncio.SubprocessProtocol { t.Error("a protocol was made"); return nil }
		r, w := must2(os.Pipe())
		defer r.Close()
		defer w.Close()
		for name, wait := range map[string]func() error{
			"CreateConnection":        func() error { return errorOf3(other.CreateConnection(ctx, "tcp", "127.0.0.1:1", protocol)) },
			"CreateServer":            func() error { return errorOf(other.CreateServer(ctx, "tcp", "127.0.0.1:0", protocol)) },
			"CreateDatagramEndpoint":  func() error { return errorOf3(other.CreateDatagramEndpoint(ctx, "udp", datagrams)) },
			"ConnectReadPipe":         func() error { return errorOf3(other.ConnectReadPipe(ctx, protocol, r)) },
			"ConnectWritePipe":        func() error { return errorOf3(other.ConnectWritePipe(ctx, protocol, w)) },
			"SubprocessExec":          func() error { return errorOf3(other.SubprocessExec(ctx, processes, os.Args[0], nil)) },
			"SubprocessShell":         func() error { return errorOf3(other.SubprocessShell(ctx, processes, "exit 0")) },
			"Getaddrinfo":             func() error { return errorOf(other.Getaddrinfo(ctx, "tcp", "localhost", "80")) },
			"Getnameinfo":             func() error { return errorOf3(other.Getnameinfo(ctx, addr)) },
			"ShutdownDefaultExecutor": func() error { return other.ShutdownDefaultExecutor(ctx) },
		} {
			if err := wait(); !errors.Is(err, asyncio.ErrWrongLoop) {
				t.Errorf("%s gave %v", name, err)
			}
		}
	})
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}
