package asyncio_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/addresstest"
)

func TestWorkerThatEndsItsGoroutineIsAnError(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var cancelled atomic.Int32
			err := asyncio.Workers(t.Context(), 2, func(ctx context.Context, w *asyncio.Worker) error {
				if w.Index() == 1 {
					runtime.Goexit()
				}
				err := asyncio.Sleep(ctx, 1<<40)
				if asyncio.IsCancelled(err) {
					cancelled.Add(1)
				}
				return err
			}, optionList(driver)...)
			if !errors.Is(err, asyncio.ErrGoexit) || !strings.Contains(err.Error(), "worker 1") || cancelled.Load() != 1 {
				t.Errorf("Workers gave %v; %d were cancelled", err, cancelled.Load())
			}
		})
	}
}

func TestWorkersServeProtocolsOnOnePort(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			addrs := make(chan net.Addr, 2)
			done := make(chan error, 1)
			go func() {
				done <- asyncio.Workers(ctx, 2, func(ctx context.Context, w *asyncio.Worker) error {
					srv, err := w.CreateServer(ctx, "tcp", "127.0.0.1:0", newEcho)
					if err != nil {
						return err
					}
					addrs <- srv.Addr()
					return srv.ServeForever(ctx)
				}, optionList(driver)...)
			}()
			one, two := <-addrs, <-addrs
			if one.String() != two.String() {
				t.Errorf("they listen on %v and %v", one, two)
			}
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				for range 10 {
					s := dial(t, ctx, one)
					s.Write([]byte("protocol\n"))
					if line, err := s.ReadLine(ctx); string(line) != "protocol\n" || err != nil {
						t.Errorf("got %q, %v", line, err)
					}
					s.Close()
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			stop()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Workers gave %v", err)
			}
		})
	}
}

// A worker that cannot serve does not keep its share of the port.
func TestWorkerThatIsGivenAContextOfNoLoopGivesItsListenerBack(t *testing.T) {
	err := asyncio.Workers(t.Context(), 1, func(ctx context.Context, w *asyncio.Worker) error {
		address := addresstest.Free(t, 1)[0]
		if srv, err := w.CreateServer(context.Background(), "tcp", address, newEcho); !errors.Is(err, asyncio.ErrNoRunningLoop) || srv != nil {
			t.Errorf("CreateServer gave %v, %v", srv, err)
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("the port is not free: %v", err)
			return nil
		}
		return ln.Close()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWorkerIsToldThatItCannotListen(t *testing.T) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	err := asyncio.Workers(t.Context(), 1, func(ctx context.Context, w *asyncio.Worker) error {
		if srv, err := w.StartServer(ctx, "tcp", ln.Addr().String(), echo); err == nil || srv != nil {
			t.Errorf("StartServer gave %v, %v", srv, err)
		}
		if srv, err := w.CreateServer(ctx, "tcp", ln.Addr().String(), newEcho); err == nil || srv != nil {
			t.Errorf("CreateServer gave %v, %v", srv, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The share of the port of a worker that has never come to listen is given back, too.
func TestAfterWorkersNobodyListensOnTheirPort(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var addr net.Addr
			err := asyncio.Workers(t.Context(), 3, func(ctx context.Context, w *asyncio.Worker) error {
				if w.Index() > 0 {
					return nil
				}
				srv, err := w.StartServer(ctx, "tcp", "127.0.0.1:0", echo)
				if err != nil {
					return err
				}
				addr = srv.Addr()
				srv.Close()
				return srv.WaitClosed(ctx)
			}, optionList(driver)...)
			if err != nil {
				t.Fatal(err)
			}
			if nc, err := net.Dial("tcp", addr.String()); err == nil { //asyncvet:ignore blocking the peer is a plain connection, to this machine
				nc.Close()
				t.Error("somebody listens")
			}
		})
	}
}
