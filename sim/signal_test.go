package sim_test

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
	"github.com/asyncio-go/asyncio/sim"
)

func TestASignalReachesItsHandler(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Go(func(ctx context.Context) error {
			loop, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return err
			}
			got, told := 0, asyncio.Event{}
			for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
				if err := loop.AddSignalHandler(sig, func() { got++; told.Set() }); err != nil {
					return err
				}
			}
			w.At(w.Now()+time.Second, func() { h.Signal(os.Interrupt) })
			if err := told.Wait(ctx); err != nil {
				return err
			}
			if got != 1 || w.Now() < time.Second {
				w.Failf("%d signals, at %v", got, w.Now())
			}
			if !loop.RemoveSignalHandler(os.Interrupt) || loop.RemoveSignalHandler(os.Interrupt) {
				w.Failf("the handler cannot be removed once")
			}
			h.Signal(syscall.SIGTERM)
			h.Signal(syscall.SIGTERM)
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			if got != 2 {
				w.Failf("%d signals", got)
			}
			if err := loop.AddSignalHandler(os.Kill, func() {}); !errors.Is(err, asyncio.ErrNotCatchable) {
				w.Failf("%v", err)
			}
			return nil
		})
	})
}

func TestAnInterruptCancelsThePrograms(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		starts, cleaned := 0, 0
		h.Serve(func(ctx context.Context) error {
			starts++
			defer func() { cleaned++ }()
			return asyncio.Sleep(ctx, 1000*time.Hour)
		})
		w.At(time.Second, func() { h.Signal(os.Interrupt) })
		w.At(2*time.Second, func() {
			if h.Up() || cleaned != 1 {
				w.Failf("it is up: %v, cleaned up %d", h.Up(), cleaned)
			}
			h.Signal(os.Interrupt)
			h.Restart()
		})
		w.Host("watch").Go(func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, 3*time.Second)
			if starts != 2 || !h.Up() {
				w.Failf("it was started %d times", starts)
			}
			return err
		})
	})
}

func TestAKilledProgramClosesItsConnectionsAndKeepsItsFiles(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(func(ctx context.Context) error {
			if err := asyncfile.WriteFile(ctx, "/f", []byte("not synced"), 0o644); err != nil {
				return err
			}
			return echo(ctx)
		})
		w.At(time.Second, func() { server.Signal(os.Kill) })
		client.Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			_, err = s.Read(make([]byte, 1))
			if err != io.EOF || w.Now() > 2*time.Second {
				w.Failf("the peer was told at %v: %v", w.Now(), err)
			}
			if _, err := connect(ctx, "server:7"); !errors.Is(err, syscall.ECONNREFUSED) {
				w.Failf("a machine without its program: %v", err)
			}
			if data, err := server.Disk().ReadFile("/f"); string(data) != "not synced" || err != nil {
				w.Failf("%q, %v", data, err)
			}
			server.Restart()
			s, err = dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			return s.Close()
		})
	})
}
