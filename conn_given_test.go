package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// An eagerConn is a wire that tells of what has come while it is being started.
type eagerConn struct{ *wire }

func (c eagerConn) Start(h driver.Handler) error {
	c.wire.Start(h)
	c.feed([]byte("early"))
	return nil
}

// An eagerDriver makes it of every connection that it is given.
type eagerDriver struct{ *asyncio.Clock }

func (eagerDriver) FromConn(nc net.Conn) (driver.Conn, error) {
	return eagerConn{&wire{}}, nc.Close()
}

// However early a driver tells of data, who has asked for the connection runs first.
func TestADriverThatTellsOfDataAtOnceMakesNoDifference(t *testing.T) {
	runOn(t, asyncio.WithDriver(eagerDriver{asyncio.NewClock()}), func(t *testing.T, ctx context.Context) {
		nc := func() net.Conn { near, _ := net.Pipe(); return near }
		l := loopOf(ctx)
		for name, connect := range map[string]func(func() asyncio.Protocol) error{
			"CreateConnection": func(f func() asyncio.Protocol) error {
				return third(l.CreateConnection(ctx, "tcp", "", f, asyncio.WithConn(nc())))
			},
			"ConnectAcceptedSocket": func(f func() asyncio.Protocol) error {
				return third(l.ConnectAcceptedSocket(ctx, nc(), f))
			},
		} {
			r := &recorder{}
			if err := connect(func() asyncio.Protocol { return r }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			r.check(t, "made")
			r.untilData(ctx, 5)
			r.transport.Abort()
			r.untilCall(ctx, "lost")
		}
	})
}

// Options that do not go together are an error, and what was given is closed.
func TestWhatIsGivenWithWrongOptionsIsClosed(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		wrong := asyncio.WithTLSHandshakeTimeout(1) // without TLS
		for name, connect := range map[string]func(nc net.Conn) error{
			"OpenConnection": func(nc net.Conn) error {
				return second(asyncio.OpenConnection(ctx, "tcp", "some.example:80", asyncio.WithConn(nc), wrong))
			},
			"CreateConnection": func(nc net.Conn) error {
				return third(l.CreateConnection(ctx, "tcp", "some.example:80", noProtocol, asyncio.WithConn(nc), wrong))
			},
			"ConnectAcceptedSocket": func(nc net.Conn) error { return third(l.ConnectAcceptedSocket(ctx, nc, noProtocol, wrong)) },
		} {
			near, _ := net.Pipe()
			err := connect(near)
			if !errors.Is(err, os.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
			var op *net.OpError
			if errors.As(err, &op) && (op.Op != "connect" || op.Net != "tcp" || op.Addr.Network() != "tcp" || op.Addr.String() != "some.example:80") {
				t.Errorf("%s: the error is of %q, %q, %v of %q", name, op.Op, op.Net, op.Addr, op.Addr.Network())
			}
			if _, err := near.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s: it is open: %v", name, err)
			}
		}
	})
}

// A lateDriver has connections refused by a deadline, and says so in its own words.
type lateDriver struct{ *asyncio.Clock }

func (lateDriver) FromConn(nc net.Conn) (driver.Conn, error) {
	nc.Close()
	return nil, fmt.Errorf("take over: %w", context.DeadlineExceeded)
}

func TestATimeLimitOfConnectingIsATimeoutInWhateverWordsItComes(t *testing.T) {
	runOn(t, asyncio.WithDriver(lateDriver{asyncio.NewClock()}), func(t *testing.T, ctx context.Context) {
		for _, limit := range []time.Duration{-time.Second, time.Hour} {
			near, _ := net.Pipe()
			_, err := asyncio.OpenConnection(ctx, "tcp", "some.example:80", asyncio.WithConn(near), asyncio.WithConnectTimeout(limit))
			var timeout *asyncio.TimeoutError
			if over := limit < 0; errors.As(err, &timeout) != over {
				t.Errorf("with a limit of %v: %v", limit, err)
			}
		}
	})
}
