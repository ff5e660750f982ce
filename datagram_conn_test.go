package asyncio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func openPacket(t *testing.T, ctx context.Context, opts ...asyncio.DatagramOption) asyncio.PacketConn {
	t.Helper()
	c, err := asyncio.OpenPacketConn(ctx, "udp4", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPacketConnsTalk(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := openPacket(t, ctx, asyncio.WithLocalAddr("127.0.0.1:0"))
		client := openPacket(t, ctx, asyncio.WithRemoteAddr(server.LocalAddr().String()))
		const n = 100 // more than are kept
		answering := asyncio.Go(ctx, func(ctx context.Context) error {
			p := make([]byte, 100)
			for range n {
				n, from, err := server.ReadFrom(p)
				if err != nil {
					return err
				}
				if _, err := server.WriteTo(p[:n], from); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range n {
			client.Write([]byte{byte(i), 'x'})
			p := make([]byte, 100)
			if n, err := client.Read(p); n != 2 || p[0] != byte(i) || err != nil {
				t.Fatalf("got %q, %v", p[:n], err)
			}
		}
		if _, err := answering.Await(ctx); err != nil {
			t.Error(err)
		}
		for range n {
			client.Write([]byte("burst"))
		}
		for range n {
			if _, _, err := server.ReadFrom(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := server.Write([]byte("x")); err == nil {
			t.Error("Write of an endpoint that is not connected gave no error")
		}
		if _, err := server.WriteTo([]byte("x"), nil); err == nil {
			t.Error("WriteTo nobody gave no error")
		}
		server.Close()
		client.Close()
		var e *net.OpError
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || !errors.As(err, &e) || e.Op != "read" {
			t.Errorf("Read after Close gave %v", err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close gave %v", err)
		}
	})
}

func TestPacketConnIsToldThatNobodyIsThere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows tells it otherwise")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		gone := openPacket(t, ctx, asyncio.WithLocalAddr("127.0.0.1:0"))
		address := gone.LocalAddr().String()
		c := openPacket(t, ctx, asyncio.WithRemoteAddr(address)) // later it could have the same port
		defer c.Close()
		gone.Close()
		asyncio.Sleep(ctx, 0)
		c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Read gave %v", err)
		}
	})
}

func TestPacketConnFromOtherGoroutines(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		a := openPacket(t, ctx, asyncio.WithLocalAddr("127.0.0.1:0"))
		b := openPacket(t, ctx, asyncio.WithLocalAddr("127.0.0.1:0"))
		inThread(t, ctx, func() error {
			for _, err := range []error{
				second(a.Read(nil)), second(a.Write(nil)), second(a.WriteTo([]byte("x"), b.LocalAddr())),
			} {
				if !errors.Is(err, asyncio.ErrWrongGoroutine) {
					t.Errorf("got %v", err)
				}
			}
			shared := a.Shared()
			if n, err := shared.WriteTo([]byte("hello"), b.LocalAddr()); n != 5 || err != nil {
				t.Errorf("WriteTo gave %d, %v", n, err)
			}
			p := make([]byte, 10)
			n, from, err := b.Shared().ReadFrom(p)
			if string(p[:n]) != "hello" || err != nil || from.String() != a.LocalAddr().String() {
				t.Errorf("got %q from %v, %v", p[:n], from, err)
			}
			shared.SetReadDeadline(longPast)
			if _, _, err := shared.ReadFrom(p); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a late read gave %v", err)
			}
			return shared.SetReadDeadline(noTime)
		})
		read := asyncio.Go(ctx, func(ctx context.Context) error {
			_, _, err := a.ReadFrom(make([]byte, 1))
			return err
		})
		asyncio.Sleep(ctx, 0)
		inThread(t, ctx, a.Close)
		if _, err := read.Await(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the read that waited gave %v", err)
		}
		b.Close()
	})
}

func second[T any](_ T, err error) error { return err }

// A unix receiver that is full holds the writer up.
func TestPacketConnHoldsAWriterUp(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("unix datagrams are dropped here")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		path := filepath.Join(t.TempDir(), "s")
		to := must(asyncio.OpenPacketConn(ctx, "unixgram", asyncio.WithLocalAddr(path)))
		from := must(asyncio.OpenPacketConn(ctx, "unixgram", asyncio.WithRemoteAddr(path)))
		const n, size = 200, 32 << 10
		written := 0
		writing := asyncio.Go(ctx, func(ctx context.Context) error {
			for range n {
				if _, err := from.Write(make([]byte, size)); err != nil {
					return err
				}
				written++
			}
			return nil
		})
		for range 10 {
			asyncio.Sleep(ctx, 0)
		}
		if written == n {
			t.Error("all was written, and nobody has read")
		}
		for range n {
			if k, _, err := to.ReadFrom(make([]byte, size)); k != size || err != nil {
				t.Fatalf("got %d bytes, %v", k, err)
			}
		}
		if _, err := writing.Await(ctx); err != nil {
			t.Error(err)
		}
		from.Close()
		to.Close()
	})
}
