package sim_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// bench runs one world until b.N things have happened in it.
func bench(b *testing.B, world func(w *sim.World), opts ...sim.Option) {
	b.ReportAllocs()
	r := sim.Run(world, append(opts, sim.Seeds(1), sim.Time(1e6*time.Hour), sim.ShrinkRuns(0), sim.Once())...)
	if r.Err != nil {
		b.Fatal(r.Err)
	}
}

func BenchmarkStep(b *testing.B) {
	bench(b, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			for range b.N {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// BenchmarkMessage is a byte there and back over TCP: two messages.
func BenchmarkMessage(b *testing.B) {
	bench(b, func(w *sim.World) {
		w.Host("server").Serve(echo)
		w.Host("client").Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			p := []byte{1}
			for range (b.N + 1) / 2 {
				if _, err := s.Write(p); err != nil {
					return err
				}
				if _, err := io.ReadFull(s, p); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// BenchmarkRequest is one seed of a client and a server that echoes.
func BenchmarkRequest(b *testing.B) {
	r := sim.Run(func(w *sim.World) {
		w.Host("server").Serve(echo)
		w.Host("client").Go(func(ctx context.Context) error {
			s, err := dialRetrying(ctx, "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			if _, err := s.Write([]byte("hello")); err != nil {
				return err
			}
			_, err = io.ReadFull(s, make([]byte, 5))
			return err
		})
	}, sim.Seeds(b.N))
	if r.Err != nil {
		b.Fatal(r.Err)
	}
}
