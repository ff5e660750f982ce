package asyncio_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// newSock makes a socket that is not connected.
func newSock(t *testing.T, family, kind int) *os.File {
	t.Helper()
	f := os.NewFile(uintptr(must(syscall.Socket(family, kind|syscall.SOCK_CLOEXEC, 0))), "socket")
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSockConnectConnects(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for network, family := range map[string]int{"tcp": syscall.AF_INET, "unix": syscall.AF_UNIX} {
			ln := sockListener(t, network)
			c := newSock(t, family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK)
			if err := l.SockConnect(ctx, c, ln.Addr()); err != nil {
				t.Fatal(err)
			}
			server := must(l.SockAccept(ctx, ln.(syscall.Conn)))
			l.SockSendall(ctx, c, []byte("hello"))
			if got, err := l.SockRecv(ctx, server, 10); string(got) != "hello" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			server.Close()
			ln.Close()
			c = newSock(t, family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK)
			if err := l.SockConnect(ctx, c, ln.Addr()); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("connecting to nobody gave %v", err)
			}
		}
	})
}

func TestSockConnectWaitsForRoomInAUnixBacklog(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}
		ln := newSock(t, syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK)
		if err := errors.Join(syscall.Bind(int(numberOf(t, ln)), &syscall.SockaddrUnix{Name: address.Name}), syscall.Listen(int(numberOf(t, ln)), 0)); err != nil {
			t.Fatal(err)
		}
		first := newSock(t, syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK)
		if err := l.SockConnect(ctx, first, address); err != nil {
			t.Fatal(err)
		}
		second := newSock(t, syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK)
		connecting := asyncio.Go(ctx, func(ctx context.Context) error { return l.SockConnect(ctx, second, address) })
		asyncio.Sleep(ctx, 0)
		if connecting.Done() {
			t.Error("there was room")
		}
		for range 2 {
			must(l.SockAccept(ctx, ln)).Close()
		}
		if _, err := connecting.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestSockCallsRefuseADescriptorThatBlocks(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		c := newSock(t, syscall.AF_INET, syscall.SOCK_STREAM)
		if err := l.SockConnect(ctx, c, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("SockConnect gave %v", err)
		}
		if _, err := l.SockAccept(ctx, c); err == nil || errors.Is(err, syscall.EINVAL) {
			t.Errorf("SockAccept gave %v", err)
		}
	})
}

func TestSockCallsServeFamiliesThatNetDoesNotKnow(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		fds := must(syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0))
		a, b := os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
		defer a.Close()
		defer b.Close()
		for _, record := range []string{"one", "two"} {
			if _, err := l.SockSendall(ctx, a, []byte(record)); err != nil {
				t.Fatal(err)
			}
		}
		for _, record := range []string{"one", "two"} {
			if got, err := l.SockRecv(ctx, b, 100); string(got) != record || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}
	})
}
