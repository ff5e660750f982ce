package sim_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

func TestWhatLeadsOutOfTheWorldIsNamed(t *testing.T) {
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer wr.Close()
	for name, use := range map[string]func(ctx context.Context, l *asyncio.Loop) error{
		"WrapFuture": func(ctx context.Context, l *asyncio.Loop) error {
			_, err := asyncio.WrapFuture(l, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
			return err
		},
		"WrapChan": func(ctx context.Context, l *asyncio.Loop) error {
			_, err := asyncio.WrapChan(l, make(chan int)).Await(ctx)
			return err
		},
		"AddReader": func(_ context.Context, l *asyncio.Loop) error { return l.AddReader(r.Fd(), func() {}) },
		"AddWriter": func(_ context.Context, l *asyncio.Loop) error { return l.AddWriter(wr.Fd(), func() {}) },
		"ConnectReadPipe": func(ctx context.Context, l *asyncio.Loop) error {
			p, q, err := os.Pipe()
			if err != nil {
				return err
			}
			defer q.Close()
			_, _, err = l.ConnectReadPipe(ctx, func() asyncio.Protocol { return &asyncio.BaseProtocol{} }, p)
			return err
		},
	} {
		var got error
		rep := sim.Run(func(w *sim.World) {
			w.Host("h").Go(func(ctx context.Context) error {
				l, err := asyncio.RunningLoop(ctx)
				if err != nil {
					return err
				}
				got = use(ctx, l)
				return nil
			})
		}, sim.Seeds(1))
		if !errors.Is(got, sim.ErrEscaped) || !errors.Is(rep.Err, sim.ErrEscaped) || !strings.Contains(rep.Err.Error(), "fence_test.go") {
			t.Errorf("%s: it returned %v, and the world %v", name, got, rep.Err)
		}
	}
}
