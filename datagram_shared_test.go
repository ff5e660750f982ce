package asyncio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestPacketConnsOfSeveralGoroutines(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := openPacket(t, ctx, asyncio.WithLocalAddr("127.0.0.1:0")).Shared()
		client := openPacket(t, ctx, asyncio.WithRemoteAddr(server.LocalAddr().String())).Shared()
		if client.Shared() != client {
			t.Error("what is shared is another when it is shared again")
		}
		got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
			p := make([]byte, 10)
			if n, err := client.Write([]byte("hello")); n != 5 || err != nil {
				t.Error(n, err)
			}
			n, from, err := server.ReadFrom(p)
			if err != nil || from.String() != client.LocalAddr().String() {
				t.Error(from, err)
			}
			if n, err := server.WriteTo(p[:n], from); n != 5 || err != nil {
				t.Error(n, err)
			}
			n, err = client.Read(p)
			return string(p[:n]), err
		})
		if got != "hello" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		server.Close()
		client.Close()
	})
}

// A write deadline that is over ends writing, and a later one begins it again.
func TestTheWriteDeadlineOfAPacketConn(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		c := openPacket(t, ctx, asyncio.WithLocalAddr("127.0.0.1:0"))
		defer c.Close()
		c.SetWriteDeadline(time.Now().Add(-time.Second))
		n, err := c.WriteTo([]byte("x"), c.LocalAddr())
		if e, ok := err.(net.Error); n != 0 || !ok || !e.Timeout() {
			t.Error(n, err)
		}
		c.SetWriteDeadline(time.Time{})
		if n, err := c.WriteTo([]byte("xy"), c.LocalAddr()); n != 2 || err != nil {
			t.Error(n, err)
		}
		if n, err := c.Read(make([]byte, 3)); n != 2 || err != nil {
			t.Error(n, err)
		}
	})
}

// A deadline ends the wait for room too.
func TestTheWriteDeadlineEndsAWaitForRoom(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("unix datagrams are dropped here")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		path := filepath.Join(t.TempDir(), "s")
		to := must(asyncio.OpenPacketConn(ctx, "unixgram", asyncio.WithLocalAddr(path)))
		from := must(asyncio.OpenPacketConn(ctx, "unixgram", asyncio.WithRemoteAddr(path)))
		writing := asyncio.Go(ctx, func(ctx context.Context) error {
			for {
				if _, err := from.Write(make([]byte, 32<<10)); err != nil {
					return err
				}
			}
		}, asyncio.WithName("writing"))
		for taskOf(t, look(t, ctx), "writing").Waits == nil {
			asyncio.Sleep(ctx, 0)
		}
		from.SetWriteDeadline(time.Now().Add(time.Millisecond))
		if _, err := writing.Await(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the wait ended with %v", err)
		}
		from.Close()
		to.Close()
	})
}
