package asyncio_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// TestAnyOrderOfDatagramCallsIsToldInOrderAndLosesNothing does random things to
// both ends of a pair of unix sockets, which lose no datagram while both are
// open. Each must be called in order, and receive a prefix of what the other has
// sent: all of it, when none was closed before its time.
func TestAnyOrderOfDatagramCallsIsToldInOrderAndLosesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no datagrams on unix sockets here")
	}
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				steps := rapid.SliceOfN(rapid.IntRange(0, 99), 1, 40).Draw(rt, "steps")
				opts := []asyncio.Option{asyncio.WithDebug(true), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
					rt.Errorf("told %v", c.Err)
				})}
				if driver != nil {
					opts = append(opts, driver)
				}
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					randomDatagrams(t, rt, ctx, steps)
					return nil
				}, opts...)
				if err != nil {
					rt.Fatal(err)
				}
			})
		})
	}
}

func randomDatagrams(t *testing.T, rt *rapid.T, ctx context.Context, steps []int) {
	server, client := datagramPair(t, ctx, "unixgram")
	ends := []*mailbox{server, client}
	to := []net.Addr{client.transport.LocalAddr(), nil}
	var sent [2][]string
	early := false
	for i, step := range steps {
		e := step % 2
		tr := ends[e].transport
		switch step / 2 % 8 {
		case 0, 1, 2, 3:
			for n := range 1 + step%20 {
				p := fmt.Sprint(i, ".", n, strings.Repeat("x", step*100))
				if tr.SendTo([]byte(p), to[e]) == nil {
					sent[e] = append(sent[e], p)
				}
			}
		case 4:
			tr.SetWriteBufferLimits(-1, 1<<(i%16))
		case 5:
			if i%8 == 0 {
				early = true
				tr.Close()
			}
		case 6:
			if i%16 == 0 {
				early = true
				tr.Abort()
			}
		case 7:
			asyncio.Sleep(ctx, 0)
		}
	}
	for i, m := range ends {
		if !early {
			m.untilGot(ctx, len(sent[1-i]))
		}
	}
	for _, m := range ends {
		m.transport.Close()
		if early { // nobody may be there who makes room
			m.transport.Abort()
		}
		m.untilCall(ctx, "lost")
	}
	for i, m := range ends {
		from := sent[1-i]
		if len(m.got) > len(from) || !slices.Equal(m.got, from[:len(m.got)]) {
			rt.Errorf("%d datagrams came of %d, or others", len(m.got), len(from))
		}
		if m.calls[0] != "made" || slices.Index(m.calls, "lost") != len(m.calls)-1 {
			rt.Errorf("the calls were %v", m.calls)
		}
	}
}
