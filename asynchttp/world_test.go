package asynchttp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/sim"
)

// inWorld runs main on a simulated machine that is alone in its world: time is
// the world's, so limits of time can be told to the millisecond and cost nothing.
func inWorld(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	sim.Test(t, func(w *sim.World) { w.Host("here").Go(main) }, sim.Seeds(1), sim.Once(), sim.NoStalls())
}

// clock returns the time of the loop of ctx.
func clock(ctx context.Context) time.Duration { return asyncio.CurrentTask(ctx).Loop().Time() }

// since returns the time since then, to the millisecond.
func since(ctx context.Context, began time.Duration) time.Duration {
	return (clock(ctx) - began).Round(time.Millisecond)
}

// toServer runs client with a connection to srv, in a world.
func toServer(t *testing.T, srv *asynchttp.Server, client func(ctx context.Context, s *asyncio.Stream) error) {
	t.Helper()
	inWorld(t, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:80")
		if err != nil {
			return err
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", addr.String())
		if err != nil {
			return err
		}
		defer s.Close()
		return errors.Join(client(ctx, s), srv.Close())
	})
}

const getX = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
