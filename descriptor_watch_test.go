package asyncio_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// onWatchers runs the coroutine body on each driver that can watch descriptors
// of others, and looks that another says that it cannot.
func onWatchers(t *testing.T, body func(t *testing.T, ctx context.Context)) {
	t.Helper()
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		if strings.HasSuffix(t.Name(), "/portable") {
			refusesToWatch(t, ctx)
		} else {
			body(t, ctx)
		}
	})
}

func refusesToWatch(t *testing.T, ctx context.Context) {
	t.Helper()
	l := loopOf(ctx)
	if err := l.AddReader(0, func() {}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("AddReader gave %v", err)
	}
	if err := l.AddWriter(0, func() {}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("AddWriter gave %v", err)
	}
	if must(l.RemoveReader(0)) || must(l.RemoveWriter(0)) {
		t.Error("what was not there was removed")
	}
	if _, err := l.SockRecv(ctx, os.Stdin, 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SockRecv gave %v", err)
	}
	if _, err := l.SockSendall(ctx, os.Stdin, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SockSendall gave %v", err)
	}
}

// numberOf returns the descriptor's number.
func numberOf(t *testing.T, c syscall.Conn) (fd uintptr) {
	t.Helper()
	if err := must(c.SyscallConn()).Control(func(n uintptr) { fd = n }); err != nil {
		t.Fatal(err)
	}
	return fd
}

// watchedPipe returns a pipe, which is closed after the test.
func watchedPipe(t *testing.T) (in, out *os.File) {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	return in, out
}

func TestReaderIsCalledAsLongAsThereIsSomethingToRead(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		in, out := watchedPipe(t)
		fd := numberOf(t, in)
		var got []byte
		ended := asyncio.NewFuture[struct{}](l)
		err := l.AddReader(fd, func() {
			p := make([]byte, 1) // bit by bit
			n, err := in.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				if !must(l.RemoveReader(fd)) || must(l.RemoveReader(fd)) {
					t.Error("RemoveReader said that there was none, or then one")
				}
				ended.SetResult(struct{}{})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("hello")
		l.CallSoon(func() { out.WriteString(", world"); out.Close() })
		if _, err := ended.Await(ctx); err != nil || string(got) != "hello, world" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestWriterIsCalledAsLongAsThereIsRoom(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		_, out := watchedPipe(t)
		fd := numberOf(t, out)
		calls := 0
		done := asyncio.NewFuture[struct{}](l)
		err := l.AddWriter(fd, func() {
			if calls++; calls == 3 {
				if !must(l.RemoveWriter(fd)) || must(l.RemoveWriter(fd)) {
					t.Error("RemoveWriter said that there was none, or then one")
				}
				done.SetResult(struct{}{})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := done.Await(ctx); err != nil {
			t.Fatal(err)
		}
		asyncio.Sleep(ctx, 1)
		if calls != 3 {
			t.Errorf("it was called %d times", calls)
		}
	})
}

func TestReaderTakesThePlaceOfAnother(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		in, out := watchedPipe(t)
		fd := numberOf(t, in)
		out.WriteString("x")
		called := asyncio.NewFuture[struct{}](l)
		l.AddReader(fd, func() { t.Error("the first was called") })
		if err := l.AddReader(fd, func() { l.RemoveReader(fd); called.SetResult(struct{}{}) }); err != nil {
			t.Fatal(err)
		}
		if _, err := called.Await(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRemovedReaderIsNotCalledThoughItWasDue(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		var fds []uintptr
		calls := 0
		called := asyncio.NewFuture[struct{}](l)
		for range 2 { // both are ready: who comes first removes both
			in, out := watchedPipe(t)
			out.WriteString("x")
			fds = append(fds, numberOf(t, in))
		}
		for _, fd := range fds {
			err := l.AddReader(fd, func() {
				calls++
				for _, fd := range fds {
					l.RemoveReader(fd)
				}
				called.SetResult(struct{}{})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := called.Await(ctx); err != nil {
			t.Fatal(err)
		}
		asyncio.Sleep(ctx, 1)
		if calls != 1 {
			t.Errorf("%d were called", calls)
		}
	})
}

func TestWatchingRefusesWhatItCannot(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		server, client := pair(t, ctx)
		for _, tr := range []asyncio.Transport{server.transport, client.transport} {
			if err := l.AddReader(numberOf(t, tr), func() {}); !errors.Is(err, asyncio.ErrDescriptorInUse) {
				t.Errorf("a transport's descriptor gave %v", err)
			}
			for _, remove := range []func(uintptr) (bool, error){l.RemoveReader, l.RemoveWriter} {
				if removed, err := remove(numberOf(t, tr)); removed || !errors.Is(err, asyncio.ErrDescriptorInUse) {
					t.Errorf("to remove a transport's descriptor gave %v, %v", removed, err)
				}
			}
		}
		client.transport.Close()
		server.untilCall(ctx, "lost")
		f := must(os.CreateTemp(t.TempDir(), ""))
		defer f.Close()
		if err := l.AddReader(numberOf(t, f), func() {}); err == nil {
			t.Error("a regular file gave no error")
		}
		if err := l.AddWriter(^uintptr(0), func() {}); !errors.Is(err, syscall.EBADF) {
			t.Errorf("a number that is none gave %v", err)
		}
		if must(l.RemoveReader(numberOf(t, f))) {
			t.Error("what could not be added was removed")
		}
	})
}

func TestWatchedDescriptorMayBeClosedAndItsNumberUsedAgain(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		in, _ := watchedPipe(t)
		fd := numberOf(t, in)
		if err := l.AddReader(fd, func() { t.Error("a closed descriptor was ready") }); err != nil {
			t.Fatal(err)
		}
		in.Close() // against the rule
		again, out := watchedPipe(t)
		if numberOf(t, again) != fd {
			t.Skip("the number did not come again")
		}
		called := asyncio.NewFuture[struct{}](l)
		if err := l.AddReader(fd, func() { l.RemoveReader(fd); called.SetResult(struct{}{}) }); err != nil {
			t.Fatal(err)
		}
		out.WriteString("x")
		if _, err := called.Await(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPanicOfAReaderIsReportedAndTheReaderStays(t *testing.T) {
	for name, driver := range drivers() {
		if name == "portable" {
			continue // which has none
		}
		t.Run(name, func(t *testing.T) {
			var reported []string
			opts := []asyncio.Option{asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				reported = append(reported, c.Message)
			})}
			if driver != nil {
				opts = append(opts, driver)
			}
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				l := loopOf(ctx)
				in, out := watchedPipe(t)
				out.WriteString("x")
				fd, calls := numberOf(t, in), 0
				called := asyncio.NewFuture[struct{}](l)
				err := l.AddReader(fd, func() {
					if calls++; calls == 1 {
						panic("once")
					}
					l.RemoveReader(fd)
					called.SetResult(struct{}{})
				})
				if err != nil {
					return err
				}
				_, err = called.Await(ctx)
				return err
			}, opts...)
			if err != nil || !slices.Equal(reported, []string{"panic in a callback"}) {
				t.Error(reported, err)
			}
		})
	}
}

func TestWatchesEndWithTheLoop(t *testing.T) {
	for name, driver := range drivers() {
		if name == "portable" {
			continue // which has none
		}
		t.Run(name, func(t *testing.T) {
			var opts []asyncio.Option
			if driver != nil {
				opts = append(opts, driver)
			}
			l := must(asyncio.NewLoop(opts...))
			in, _ := watchedPipe(t)
			if err := l.AddReader(numberOf(t, in), func() {}); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if must(l.RemoveReader(numberOf(t, in))) {
				t.Error("a closed loop had a reader")
			}
			if err := l.AddReader(numberOf(t, in), func() {}); !errors.Is(err, asyncio.ErrLoopClosed) {
				t.Errorf("AddReader gave %v", err)
			}
		})
	}
}

func TestTheVirtualClockWatchesNoDescriptors(t *testing.T) {
	onVirtualClock(t, refusesToWatch)
}
