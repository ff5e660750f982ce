package asyncio_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestWriteNowaitNeverWaits(t *testing.T) {
	for name, opts := range map[string]struct {
		server []asyncio.ServerOption
		client []asyncio.ConnOption
	}{
		"plain": {},
		"TLS":   {[]asyncio.ServerOption{asyncio.WithTLS(serverTLS())}, []asyncio.ConnOption{asyncio.WithTLS(clientTLS())}},
	} {
		t.Run(name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) {
				const size, times = 1 << 20, 32
				release := asyncio.NewEvent()
				received := 0
				srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
					release.Wait(ctx)
					all, err := s.ReadAll(ctx)
					received = len(all)
					return err
				}, opts.server...)
				s := dial(t, ctx, srv.Addr(), opts.client...)
				turns := 0
				other := asyncio.Go(ctx, func(ctx context.Context) error {
					for {
						turns++
						if err := asyncio.Sleep(ctx, 0); err != nil {
							return err
						}
					}
				})
				p := pattern(size)
				for range times {
					if err := s.WriteNowait(p); err != nil {
						t.Fatal(err)
					}
				}
				if turns != 0 {
					t.Errorf("another task ran %d times meanwhile", turns)
				}
				if s.WriteBufferSize() == 0 {
					t.Error("nothing is queued, so this has shown nothing")
				}
				clear(p) // it was copied
				release.Set()
				if err := s.Drain(ctx); err != nil {
					t.Error(err)
				}
				if s.WriteBufferSize() > 16<<10 {
					t.Errorf("after Drain %d bytes are queued", s.WriteBufferSize())
				}
				s.Close()
				shutdown(t, ctx, srv)
				if received != size*times {
					t.Errorf("%d bytes came", received)
				}
				if err := s.WriteNowait(p); !errors.Is(err, net.ErrClosed) {
					t.Errorf("after Close it gave %v", err)
				}
				other.Cancel()
				inThread(t, ctx, func() error {
					if err := s.WriteNowait(p); !errors.Is(err, asyncio.ErrWrongGoroutine) {
						t.Errorf("on another goroutine it gave %v", err)
					}
					return nil
				})
			})
		})
	}
}
