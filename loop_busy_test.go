package asyncio_test

import (
	"context"
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A loop that always has something ready does not look for I/O in every turn.
// These tests count for how many turns it leaves what has come: of a chain of
// callbacks each makes one turn, and one of them makes the socket ready. They
// hold however slow the machine is: a callback that takes longer than it was to
// take makes the loop look sooner.

func TestABusyLoopLooksForIOEverySixteenTurns(t *testing.T) {
	busyLoop(t, 16, 0, func(int) time.Duration { return 0 })
}

func TestABusyLoopLooksForIOEveryFiftyMicroseconds(t *testing.T) {
	busyLoop(t, 50/10, 0, func(int) time.Duration { return 10 * time.Microsecond })
}

func TestALoopWithSlowCallbacksLooksForIOInEachTurn(t *testing.T) {
	busyLoop(t, 1, 0, func(int) time.Duration { return 60 * time.Microsecond })
}

// The clock is read in every eighth turn.
func TestALoopWhoseCallbacksBecomeSlowLooksForIOWithinEightTurns(t *testing.T) {
	busyLoop(t, 8, 0, func(since int) time.Duration {
		if since < 0 {
			return 0
		}
		return 200 * time.Microsecond
	})
}

// A turn in which thousands of callbacks run is long, however short they are.
func TestALoopWithVeryManyCallbacksLooksForIOInEachTurn(t *testing.T) {
	busyLoop(t, 2, 2000, func(int) time.Duration { return 0 })
}

// busyLoop makes a socket ready again and again, while callbacks take as long as
// the function says, and looks how many turns go by until its protocol is told.
// The function is given how many turns have gone by since the socket was ready,
// or -1 while it is not. From then on, so many more callbacks run in each turn.
func busyLoop(t *testing.T, most, more int, takes func(since int) time.Duration) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		told, made := false, asyncio.NewFuture[struct{}](l)
		srv, err := l.CreateServer(ctx, "unix", filepath.Join(t.TempDir(), "s"), func() asyncio.Protocol {
			return &toldOf{told: &told, made: made}
		})
		if err != nil {
			t.Fatal(err)
		}
		peer := must(net.Dial("unix", srv.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		made.Await(ctx)
		longest := 0
		for round := range 32 {
			done := asyncio.NewFuture[struct{}](l)
			before := 64 + round // turns in which the loop gets to know how long they take
			since := -1
			told = false
			var next func()
			next = func() {
				switch {
				case told:
					if round > 0 { // in the first, goroutines that have accepted may still end
						longest = max(longest, since)
					}
					done.SetResult(struct{}{})
					return
				case since >= 0:
					since++
				case before > 0:
					before--
				default:
					makeReady(t, peer)
					since = 0
				}
				spin(takes(since))
				l.CallSoon(next)
				if since >= 0 {
					for range more {
						l.CallSoon(func() {})
					}
				}
			}
			l.CallSoon(next)
			done.Await(ctx)
		}
		if longest > most {
			t.Errorf("a ready socket waited for %d turns", longest)
		}
		peer.Close()
		shutdown(t, ctx, srv)
	})
}

// makeReady sends to the other end, and returns when its driver can know. The
// portable one has a goroutine that waits, and ends then; the one before it may be
// about to end still.
func makeReady(t *testing.T, peer net.Conn) {
	const reads = "portable.(*conn).fill"
	portable := filepath.Base(t.Name()) == "portable"
	for portable && goroutinesMadeBy(reads) > 1 {
		runtime.Gosched()
	}
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	for portable && goroutinesMadeBy(reads) > 0 {
		runtime.Gosched()
	}
}

// spin keeps the processor busy for d.
func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

type toldOf struct {
	asyncio.BaseProtocol
	told *bool
	made *asyncio.Future[struct{}]
}

func (p *toldOf) ConnectionMade(asyncio.Transport) { p.made.SetResult(struct{}{}) }

func (p *toldOf) DataReceived([]byte) { *p.told = true }
