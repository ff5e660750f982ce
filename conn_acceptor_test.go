package asyncio_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A world is a driver on the virtual clock with one listener, at which the test
// makes connections come.
type world struct {
	*asyncio.Clock
	spec    driver.ListenSpec
	h       driver.Handler
	come    []driver.Conn
	err     error // what Accept gives instead
	accepts int
	closed  bool
}

func (w *world) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	w.spec, w.h = spec, h
	return &worldListener{w: w}, nil
}

type worldListener struct {
	driver.Listener
	w *world
}

func (l *worldListener) Addr() net.Addr { return l.w.spec.Addr }
func (l *worldListener) Close() error   { l.w.closed = true; return nil }

func (l *worldListener) Accept() (driver.Conn, error) {
	w := l.w
	w.accepts++
	if w.err != nil {
		return nil, w.err
	}
	if len(w.come) == 0 {
		return nil, driver.ErrWouldBlock
	}
	c := w.come[0]
	w.come = w.come[1:]
	return c, nil
}

func (w *world) arrive(n int) {
	for range n {
		w.come = append(w.come, &wire{})
	}
	w.h.Ready(driver.Readable)
}

// inWorld runs body with a server in a world of its own. Its connections are
// counted, and onMade is called with each.
func inWorld(t *testing.T, body func(ctx context.Context, w *world, srv *asyncio.Server, served *int, told *[]error), onMade func(n int), opts ...asyncio.ServerOption) {
	t.Helper()
	w := &world{Clock: asyncio.NewClock()}
	var told []error
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		served := 0
		srv, err := loopOf(ctx).CreateServer(ctx, "tcp", "127.0.0.1:80", func() asyncio.Protocol {
			served++
			if onMade != nil {
				onMade(served)
			}
			return &recorder{}
		}, opts...)
		if err != nil {
			return err
		}
		body(ctx, w, srv, &served, &told)
		srv.Close()
		srv.AbortClients()
		return srv.WaitClosed(ctx)
	}, asyncio.WithDriver(w), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { told = append(told, c.Err) }))
	if err != nil || !w.closed {
		t.Errorf("%v; the listener is closed: %v", err, w.closed)
	}
}

func TestAServerAcceptsSomeInATurnAndTheRestInTheNext(t *testing.T) {
	inWorld(t, func(ctx context.Context, w *world, _ *asyncio.Server, served *int, _ *[]error) {
		w.arrive(150)
		w.h.Ready(driver.Readable)
		var counts []int
		for range 4 {
			asyncio.Sleep(ctx, 0)
			counts = append(counts, *served)
		}
		if !slices.Equal(counts, []int{64, 128, 150, 150}) || w.accepts != 151 {
			t.Errorf("served %v after each turn, by %d calls", counts, w.accepts)
		}
	}, nil)
}

func TestAServerThatCannotAcceptTriesAgainAfterAWhileAndNotBefore(t *testing.T) {
	inWorld(t, func(ctx context.Context, w *world, srv *asyncio.Server, served *int, told *[]error) {
		w.err = syscall.EMFILE
		w.arrive(2)
		for i := range 3 {
			asyncio.Sleep(ctx, time.Millisecond)
			w.arrive(0)
			asyncio.Sleep(ctx, 98*time.Millisecond)
			if w.accepts != i+1 || len(*told) != i+1 || !errors.Is((*told)[i], syscall.EMFILE) {
				t.Errorf("%d calls, told %v", w.accepts, *told)
			}
			asyncio.Sleep(ctx, time.Millisecond)
			turns(ctx, 2)
		}
		w.err = nil
		asyncio.Sleep(ctx, 100*time.Millisecond)
		turns(ctx, 2)
		if *served != 2 {
			t.Errorf("served %d", *served)
		}
		w.err = syscall.EMFILE
		w.arrive(1)
		turns(ctx, 2)
		if n := loopOf(ctx).Stats().Timers; n != 1 {
			t.Errorf("%d timers", n)
		}
		srv.Close()
		if n := loopOf(ctx).Stats().Timers; n != 0 {
			t.Errorf("%d timers after the end", n)
		}
	}, nil)
}

func TestAServerThatDoesNotServeAcceptsNothing(t *testing.T) {
	inWorld(t, func(ctx context.Context, w *world, srv *asyncio.Server, served *int, _ *[]error) {
		w.arrive(3)
		turns(ctx, 3)
		if w.accepts != 0 || srv.IsServing() {
			t.Errorf("%d calls, serving %v", w.accepts, srv.IsServing())
		}
		if err := srv.StartServing(); err != nil {
			t.Error(err)
		}
		turns(ctx, 3)
		if *served != 3 || !srv.IsServing() {
			t.Errorf("served %d, serving %v", *served, srv.IsServing())
		}
		if err := srv.StartServing(); err != nil {
			t.Error(err)
		}
		turns(ctx, 2)
		if w.accepts != 4 {
			t.Errorf("%d calls after it was started again", w.accepts)
		}
		srv.Close()
		w.h.Ready(driver.Readable)
		turns(ctx, 2)
		if err := srv.StartServing(); !errors.Is(err, net.ErrClosed) || w.accepts != 4 {
			t.Errorf("after the end: %v, %d calls", err, w.accepts)
		}
	}, nil, asyncio.WithoutServing())
}

func TestAServerThatIsClosedWhileItAcceptsTakesNoMore(t *testing.T) {
	var stop func()
	inWorld(t, func(ctx context.Context, w *world, srv *asyncio.Server, served *int, _ *[]error) {
		stop = srv.Close
		w.arrive(5)
		turns(ctx, 3)
		if *served != 2 || w.accepts != 2 {
			t.Errorf("served %d, by %d calls", *served, w.accepts)
		}
	}, func(n int) {
		if n == 2 {
			stop()
		}
	})
}

// A factory that panics costs its connection, and the others are served.
func TestAServerWhoseFactoryPanicsServesTheNextConnection(t *testing.T) {
	inWorld(t, func(ctx context.Context, w *world, _ *asyncio.Server, served *int, told *[]error) {
		w.arrive(3)
		first := w.come[0].(*wire)
		turns(ctx, 4)
		var p *asyncio.PanicError
		if *served != 3 || first.closed != 1 || len(*told) != 1 || !errors.As((*told)[0], &p) {
			t.Errorf("served %d, the first was closed %d times, told %v", *served, first.closed, *told)
		}
	}, func(n int) {
		if n == 1 {
			panic("no")
		}
	})
}
