package asyncio_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestControlIsCalledForConnectionsAndServersAndMayRefuse(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		var called []string
		control := asyncio.WithControl(func(network, address string, c syscall.RawConn) error {
			called = append(called, network+" "+address)
			return c.Control(func(uintptr) {})
		})
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", echo, control)
		if err != nil {
			t.Fatal(err)
		}
		dial(t, ctx, srv.Addr(), control).Close()
		if want := []string{"tcp4 127.0.0.1:0", "tcp4 " + srv.Addr().String()}; !slices.Equal(called, want) {
			t.Errorf("it was called with %q, want %q", called, want)
		}
		refuse := asyncio.WithControl(func(string, string, syscall.RawConn) error { return errBoom })
		if _, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String(), refuse); !errors.Is(err, errBoom) {
			t.Errorf("a connection that was refused gave %v", err)
		}
		if _, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", echo, refuse); !errors.Is(err, errBoom) {
			t.Errorf("a server that was refused gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestLimitOfAServerIsThatOfItsStreams(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			if !s.CanWriteEOF() {
				t.Error("the end cannot be written")
			}
			_, err := s.ReadLine(ctx)
			if !errors.Is(err, asyncio.ErrLineTooLong) {
				t.Errorf("a longer line gave %v", err)
			}
			s.ReadAll(ctx)
			return nil
		}, asyncio.WithLimit(4))
		s := dial(t, ctx, srv.Addr(), asyncio.WithLimit(5))
		s.Write([]byte("123456\n"))
		s.WriteEOF()
		s.ReadAll(ctx)
		s.Close()
		shutdown(t, ctx, srv)
	})
}

// A handler that panics has not said all that it had to say: the peer must not
// take what was written for the whole.
func TestPanicInAHandlerDropsWhatWasNotSent(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			told := 0
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
					s.ReadLine(ctx) // a connection that ends at once may be no connection for who dials
					s.SetWriteBufferLimits(-1, 1<<30)
					s.Write(make([]byte, 16<<20)) // more than the system takes
					panic("oh")
				})
				s := dial(t, ctx, srv.Addr())
				s.Write([]byte("go\n"))
				if all, err := s.ReadAll(ctx); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client got %d bytes, %v", len(all), err)
				}
				s.Close()
				return srv.Shutdown(ctx)
			}, options(driver, asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				if told++; !strings.Contains(c.Message, "handler") {
					t.Errorf("it is told: %s", c.Message)
				}
			}))...)
			if err != nil || told != 1 {
				t.Errorf("the run gave %v; %d exceptions were told", err, told)
			}
		})
	}
}

func TestASecondReadOfAReaderThatIsFedByHandIsAnError(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(loopOf(ctx), 0)
		first := asyncio.CreateTask(ctx, r.ReadAll)
		asyncio.Sleep(ctx, 1)
		if _, err := r.ReadLine(ctx); err != asyncio.ErrConcurrentRead {
			t.Errorf("the second gave %v", err)
		}
		r.FeedData([]byte("x"))
		asyncio.Sleep(ctx, 1)
		r.FeedEOF()
		if p, err := first.Await(ctx); string(p) != "x" || err != nil {
			t.Errorf("the first gave %q, %v", p, err)
		}
	})
}
