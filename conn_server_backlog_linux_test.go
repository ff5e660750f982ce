package asyncio_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

func TestBacklogOfAServerIsWhatIsAskedFor(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		fd := -1
		control := asyncio.WithControl(func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(n uintptr) { fd = int(n) })
		})
		srv := serve(t, ctx, echo, control, asyncio.WithBacklog(7))
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Skip("the system does not tell:", err)
		}
		if info.Sacked != 7 { // of a listener it is the backlog
			t.Errorf("the backlog is %d", info.Sacked)
		}
		shutdown(t, ctx, srv)
	})
}

func TestServersShareAPortOnlyIfTheyAskForThat(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		one := serve(t, ctx, echo, asyncio.WithReusePort())
		two, err := asyncio.StartServer(ctx, "tcp", one.Addr().String(), echo, asyncio.WithReusePort())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := asyncio.StartServer(ctx, "tcp", one.Addr().String(), echo); err == nil {
			t.Error("one that does not ask listens there too")
		}
		shutdown(t, ctx, one)
		shutdown(t, ctx, two)
	})
}
