package asyncio_test

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// allocates checks how many allocations fn makes each time, once it is warm.
// Nothing is measured in time here, so the number holds on every machine.
func allocates(t *testing.T, want int, fn func() error) {
	t.Helper()
	// One processor, so that what the runtime and sync.Pool keep for each is
	// warm, too; and no collection, which would empty them.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const times = 1000
	run := func() {
		for range times {
			if err := fn(); err != nil {
				t.Fatal(err)
			}
		}
	}
	run()
	var before, after runtime.MemStats
	least := ^uint64(0)
	for range 3 {
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	// Others may allocate meanwhile, and so may the runtime, for a goroutine, say:
	// that is a few, and not one of a hundred.
	if each := uint64(want) * times; least < each || least >= each+times/100 {
		t.Errorf("%d times made %d allocations, not %d each", times, least, want)
	}
}

func TestAwaitOfWhatIsReadyAllocatesNothing(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		f := asyncio.NewFuture[int](loopOf(ctx))
		f.SetResult(1)
		allocates(t, 0, awaiting(ctx, f))
		task := asyncio.CreateTask(ctx, one)
		task.Await(ctx)
		allocates(t, 0, awaiting(ctx, task))
	})
}

func awaiting[T any](ctx context.Context, f asyncio.Awaiter[T]) func() error {
	return func() error {
		_, err := f.Await(ctx)
		return err
	}
}

func TestATurnBySleepAllocatesNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		allocates(t, 0, func() error { return asyncio.Sleep(ctx, 0) })
	})
}

func TestASleepAllocatesTheFirstTimeOnly(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		allocates(t, 0, func() error { return asyncio.Sleep(ctx, time.Millisecond) })
	})
}

func TestThirtyTwoCallsSoonAllocateOnce(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l, nop := loopOf(ctx), func() {}
		allocates(t, 1, func() error {
			for range 32 {
				l.CallSoon(nop)
			}
			return asyncio.Sleep(ctx, 0)
		})
	})
}

func TestCallLaterAllocatesOnce(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l, nop := loopOf(ctx), func() {}
		allocates(t, 1, func() error {
			l.CallLater(time.Second, nop).Cancel()
			return nil
		})
		allocates(t, 1, func() error {
			l.CallLater(time.Millisecond, nop)
			return asyncio.Sleep(ctx, time.Millisecond)
		})
	})
}

// The numbers stand in the comment on Task; the functions here need no memory of
// their own, and the coroutine is an old one.
func TestATaskAllocatesAsItsCommentSays(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		allocates(t, 1, func() error {
			_, err := asyncio.CreateTask(ctx, one).Await(ctx)
			return err
		})
		nothing := func(context.Context) error { return nil }
		allocates(t, 1, func() error {
			_, err := asyncio.Go(ctx, nothing).Await(ctx)
			return err
		})
		sleeper := func(ctx context.Context) (int, error) { return 1, asyncio.Sleep(ctx, time.Millisecond) }
		allocates(t, 1, func() error {
			_, err := asyncio.CreateTask(ctx, sleeper).Await(ctx)
			return err
		})
		q := asyncio.NewQueue[int](0)
		parked := func(ctx context.Context) (int, error) { return q.Get(ctx) }
		allocates(t, 1, func() error {
			task := asyncio.CreateTask(ctx, parked)
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
			q.PutNowait(1)
			_, err := task.Await(ctx)
			return err
		})
	})
}

func TestItemsThroughAQueueAllocateNothing(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		there, back := asyncio.NewQueue[int](1), asyncio.NewQueue[int](1)
		other := asyncio.Go(ctx, func(ctx context.Context) error {
			for v, err := range there.All(ctx) {
				if err != nil {
					return err
				}
				if err := back.Put(ctx, v); err != nil {
					return err
				}
			}
			return nil
		})
		allocates(t, 0, func() error {
			if err := there.Put(ctx, 1); err != nil {
				return err
			}
			_, err := back.Get(ctx)
			return err
		})
		there.Shutdown(false)
		other.Await(ctx)
	})
}

// echoedStream is a stream to a server that sends back what it is sent, 64 bytes at a
// time.
func echoedStream(t *testing.T, ctx context.Context) (s *asyncio.Stream, end func()) {
	srv := serve(t, ctx, func(_ context.Context, s *asyncio.Stream) error { return echoPieces(s) })
	s = dial(t, ctx, srv.Addr())
	return s, func() {
		s.Close()
		shutdown(t, ctx, srv)
	}
}

// onEachWarmDriver is onEachDriver, but for what the race detector changes: it
// makes sync.Pool drop what it keeps, now and then.
func onEachWarmDriver(t *testing.T, body func(t *testing.T, ctx context.Context)) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		if raceDetector() && strings.HasSuffix(t.Name(), "/portable") {
			t.Skip("with the race detector, sync.Pool drops what it keeps")
		}
		body(t, ctx)
	})
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestReadsAndWritesOfAWarmStreamAllocateNothing(t *testing.T) {
	onEachWarmDriver(t, func(t *testing.T, ctx context.Context) {
		s, end := echoedStream(t, ctx)
		defer end()
		p := make([]byte, 64)
		allocates(t, 0, func() error { // both ends wait each time
			if _, err := s.Write(p); err != nil {
				return err
			}
			_, err := io.ReadFull(s, p)
			return err
		})
	})
}

func TestAReadThatNeedNotWaitAllocatesNothing(t *testing.T) {
	onEachWarmDriver(t, func(t *testing.T, ctx context.Context) {
		s, end := echoedStream(t, ctx)
		defer end()
		p := make([]byte, 64)
		allocates(t, 0, func() error {
			if _, err := s.Write(p); err != nil {
				return err
			}
			for i := range p { // of which the first alone has to wait
				if _, err := s.Read(p[i : i+1]); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestDataReceivedAllocatesNothing(t *testing.T) {
	onEachWarmDriver(t, func(t *testing.T, ctx context.Context) {
		protocolsAllocateNothing(t, ctx, newEcho, func(c *counting) asyncio.Protocol { return c })
	})
}

func TestBufferUpdatedAllocatesNothing(t *testing.T) {
	onEachWarmDriver(t, func(t *testing.T, ctx context.Context) {
		server := func() asyncio.Protocol { return &bufferedEcho{buf: make([]byte, 100)} }
		protocolsAllocateNothing(t, ctx, server, func(c *counting) asyncio.Protocol {
			return &bufferedCounting{c, make([]byte, 100)}
		})
	})
}

// protocolsAllocateNothing has two protocols send something back and forth.
func protocolsAllocateNothing(t *testing.T, ctx context.Context, server func() asyncio.Protocol, client func(*counting) asyncio.Protocol) {
	srv := host(t, ctx, server)
	c := &counting{each: []byte("hello"), left: 1, done: asyncio.NewFuture[struct{}](loopOf(ctx))}
	join(t, ctx, srv.Addr(), client(c))
	c.done.Await(ctx)
	// The future that tells when they are done is the one allocation.
	allocates(t, 1, func() error {
		c.left, c.done = 1, asyncio.NewFuture[struct{}](loopOf(ctx))
		if _, err := c.transport.Write(c.each); err != nil {
			return err
		}
		_, err := c.done.Await(ctx)
		return err
	})
	c.transport.Close()
	if err := srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// counting sends something again whenever it comes back.
type counting struct {
	echoProtocol
	each []byte
	left int
	done *asyncio.Future[struct{}]
}

func (c *counting) ConnectionMade(t asyncio.Transport) { c.transport = t; t.Write(c.each) }

func (c *counting) DataReceived(p []byte) {
	if c.left--; c.left == 0 {
		c.done.SetResult(struct{}{})
	} else {
		c.transport.Write(c.each)
	}
}

type bufferedEcho struct {
	echoProtocol
	buf []byte
}

func (p *bufferedEcho) GetBuffer(int) []byte { return p.buf }
func (p *bufferedEcho) BufferUpdated(n int)  { p.DataReceived(p.buf[:n]) }

type bufferedCounting struct {
	*counting
	buf []byte
}

func (c *bufferedCounting) GetBuffer(int) []byte { return c.buf }
func (c *bufferedCounting) BufferUpdated(n int)  { c.DataReceived(c.buf[:n]) }
