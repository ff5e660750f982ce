package asyncio_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// An end is one end of a connection under a random test: a recorder that knows
// what its peer has written.
type end struct {
	*recorder
	wrote []byte
	early bool // it was closed before the other could have read all
}

// TestAnyOrderOfCallsIsToldInOrderAndLosesNothing does random things to both
// ends of a connection. Each must be called in the order of the diagram, and
// receive a prefix of what the other has written: all of it, when none was
// closed before its time.
func TestAnyOrderOfCallsIsToldInOrderAndLosesNothing(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				secure := rapid.Bool().Draw(rt, "secure")
				steps := rapid.SliceOfN(rapid.IntRange(0, 99), 1, 30).Draw(rt, "steps")
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					randomCalls(t, rt, ctx, secure, steps)
					return nil
				}, options(driver, asyncio.WithDebug(true), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
					rt.Errorf("told %v", c.Err)
				}))...)
				if err != nil {
					rt.Fatal(err)
				}
			})
		})
	}
}

func randomCalls(t *testing.T, rt *rapid.T, ctx context.Context, secure bool, steps []int) {
	connect := pair
	if secure {
		connect = securePair
	}
	a, b := connect(t, ctx)
	ends := []*end{{recorder: a}, {recorder: b}}
	for i, step := range steps {
		e := ends[step%2]
		tr := e.transport
		switch step / 2 % 10 {
		case 0, 1, 2:
			p := pattern(1 << (i % 20))
			if n, err := tr.Write(p); err == nil {
				e.wrote = append(e.wrote, p[:n]...)
			}
		case 3:
			p := pattern(1000)
			if n, err := tr.WriteLines(p[:10], p[10:10], p[10:]); err == nil {
				e.wrote = append(e.wrote, p[:n]...)
			}
		case 4:
			tr.PauseReading()
		case 5:
			tr.ResumeReading()
		case 6:
			if i%4 == 0 {
				tr.WriteEOF()
			}
		case 7:
			if i%4 == 0 {
				e.early = true
				tr.Close()
			}
		case 8:
			if i%8 == 0 {
				e.early = true
				tr.Abort()
			}
		case 9:
			tr.SetWriteBufferLimits(-1, 1<<(i%18))
		}
		turns(ctx, step%3)
	}
	for _, e := range ends {
		e.transport.ResumeReading()
		e.transport.WriteEOF()
	}
	for _, e := range ends {
		e.untilCall(ctx, "lost")
	}
	for i, e := range ends {
		peer := ends[1-i]
		if n := slices.Index(e.calls, "made"); n != 0 || e.calls[len(e.calls)-1] != "lost" {
			rt.Errorf("the calls were %v", e.calls)
		}
		if !bytes.HasPrefix(peer.wrote, e.data) {
			rt.Errorf("%d bytes were received that were not written", len(e.data))
		}
		if !e.early && !peer.early && (len(e.data) != len(peer.wrote) || e.lost != nil) {
			rt.Errorf("%d of %d bytes were received, lost with %v", len(e.data), len(peer.wrote), e.lost)
		}
	}
}
