package simkv

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// counting is a world in which a client counts in a store whose machine loses its power
// now and then. What was acknowledged must be there.
func counting(hasty bool) func(w *sim.World) {
	return func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Disk().Set(sim.DiskLatency(time.Millisecond, 10*time.Millisecond))
		server.Serve(func(ctx context.Context) error {
			s, err := Open(ctx, "/journal")
			if err != nil {
				return err
			}
			s.hasty = hasty
			return Serve(ctx, ":7000", s)
		})
		for range 1 + w.Pick(3) {
			at := time.Duration(w.Pick(200)) * 5 * time.Millisecond
			w.At(at, server.Crash)
			w.At(at+200*time.Millisecond, func() {
				if !server.Up() {
					server.Restart()
				}
			})
		}
		client.Go(func(ctx context.Context) error {
			tried, acknowledged := 0, 0
			for w.Now() < 2*time.Second {
				tried++
				if _, err := Ask(ctx, "server:7000", fmt.Sprint("set n ", tried)); err == nil {
					acknowledged = tried
				} else if asyncio.IsCancelled(err) {
					return err
				}
				answer, err := Ask(ctx, "server:7000", "get n")
				if err != nil {
					w.Sometimes("the server did not answer", true)
					continue
				}
				n := 0
				if text := strings.TrimPrefix(answer, "value"); text != "" {
					if _, err := fmt.Sscan(text, &n); err != nil {
						return fmt.Errorf("the value is %q", text)
					}
				}
				if n < acknowledged || n > tried {
					w.Failf("%d was acknowledged, %d tried, and the store has %d", acknowledged, tried, n)
				}
			}
			return nil
		})
	}
}

func TestWhatWasAcknowledgedOutlivesALossOfPower(t *testing.T) { sim.Test(t, counting(false)) }

func TestWithoutSyncAnAcknowledgedValueIsLost(t *testing.T) {
	r := sim.Run(counting(true), sim.ShrinkRuns(20))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "was acknowledged") {
		t.Errorf("in %d worlds: %v", r.Worlds, r.Err)
	}
}
