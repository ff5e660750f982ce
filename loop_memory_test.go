package asyncio_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/asyncio-go/asyncio"
)

// A thing is something that must not be kept: big enough to have memory of its
// own.
type thing struct{ _ [64]byte }

// mustBeLetGo runs use with a thing that nobody has a reference to afterwards,
// unless what is tested keeps one.
func mustBeLetGo(t *testing.T, what string, use func(*thing)) {
	t.Helper()
	w := useThing(use)
	for range 10 {
		runtime.GC()
		if w.Value() == nil {
			return
		}
	}
	t.Errorf("%s: it is still referred to", what)
}

//go:noinline
func useThing(use func(*thing)) weak.Pointer[thing] {
	x := new(thing)
	use(x)
	return weak.Make(x)
}

func TestQueuesLetGoOfWhatWasTaken(t *testing.T) {
	for name, q := range map[string]*asyncio.Queue[*thing]{
		"first in first out": asyncio.NewQueue[*thing](0),
		"last in first out":  asyncio.NewLIFOQueue[*thing](0),
		"by priority":        asyncio.NewPriorityQueue(0, func(a, b *thing) bool { return false }),
	} {
		t.Run(name, func(t *testing.T) {
			mustBeLetGo(t, name, func(x *thing) {
				for _, v := range []*thing{new(thing), x, new(thing), x} {
					q.PutNowait(v)
				}
				for q.Len() > 0 {
					q.GetNowait()
				}
			})
			runtime.KeepAlive(q)
		})
	}
}

// A server that could not listen is forgotten by its loop, with its handler.
func TestServerThatCannotListenLeavesNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		mustBeLetGo(t, "the handler", func(x *thing) {
			handler := func(ctx context.Context, s *asyncio.Stream) error {
				runtime.KeepAlive(x)
				return echo(ctx, s)
			}
			if _, err := asyncio.StartServer(ctx, "tcp", srv.Addr().String(), handler); err == nil {
				t.Error("two servers listen on one port")
			}
		})
		shutdown(t, ctx, srv)
	})
}
