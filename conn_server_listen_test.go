package asyncio_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A server that cannot listen on all addresses of its name listens on none: the
// port is free again.
func TestServerThatFailsOnOneAddressGivesTheOthersBack(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		bad := errors.New("not this one")
		// A port may be another program's, on one of the addresses or soon after. Then
		// others are tried.
		for tries := 10; ; tries-- {
			ln := must(net.Listen("tcp", "127.0.0.1:0"))
			port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
			ln.Close()
			var tried []string
			control := asyncio.WithControl(func(_, address string, _ syscall.RawConn) error {
				if tried = append(tried, address); len(tried) > 1 {
					return bad
				}
				return nil
			})
			_, err := asyncio.StartServer(ctx, "tcp", "localhost:"+port, echo, control)
			if tries > 0 && errors.Is(err, syscall.EADDRINUSE) {
				continue
			}
			if len(tried) < 2 {
				t.Skip("localhost has one address here")
			}
			if !errors.Is(err, bad) {
				t.Fatalf("StartServer gave %v", err)
			}
			if ln, err = net.Listen("tcp", tried[0]); err == nil {
				ln.Close()
				return
			}
			if tries == 0 || !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("it still listens: %v", err)
			}
		}
	})
}
