package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestSockRecvOfNothingIsNotTheEnd(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		a, b := sockPair(t, "tcp")
		l.SockSendall(ctx, a, []byte("x"))
		if p, err := l.SockRecv(ctx, b, 10); string(p) != "x" || err != nil {
			t.Errorf("received %q, %v", p, err)
		}
		l.SockSendall(ctx, a, []byte("y"))
		if n, err := l.SockRecvInto(ctx, b, nil); n != 0 || err != nil {
			t.Errorf("into nothing: %d, %v", n, err)
		}
		a.Close()
		l.SockRecv(ctx, b, 10)
		if n, err := l.SockRecvInto(ctx, b, make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
	})
}

func TestSockCallsOnAConnectionOfTheLoopAreRefused(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		if p, err := loopOf(ctx).SockRecv(ctx, client.transport, 10); !errors.Is(err, asyncio.ErrDescriptorInUse) || p != nil {
			t.Errorf("got %q, %v", p, err)
		}
		client.transport.Close()
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
	})
}

func TestSockSendfileOfAFileThatIsClosedIsAnError(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		a, _ := sockPair(t, "tcp")
		f := fileOf(t, pattern(10))
		f.Close()
		if n, err := loopOf(ctx).SockSendfile(ctx, a, f, 0, -1); !errors.Is(err, os.ErrClosed) || n != 0 {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

// A peer that has reset is known to the kernel, and the first write is told.
func TestWriteToAPeerThatHasResetFailsAtOnce(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		if !strings.HasSuffix(t.Name(), "/epoll") {
			t.Skip("elsewhere another goroutine writes")
		}
		for name, write := range map[string]func(s *asyncio.Stream) (int, error){
			"Write":      func(s *asyncio.Stream) (int, error) { return s.Write([]byte("x")) },
			"WriteLines": func(s *asyncio.Stream) (int, error) { return s.WriteLines([]byte("x"), []byte("y")) },
			"WriteEOF":   func(s *asyncio.Stream) (int, error) { return 0, s.WriteEOF() },
		} {
			ln := must(net.Listen("tcp", "127.0.0.1:0"))
			s := dial(t, ctx, ln.Addr())
			reset(must(ln.Accept())) //asyncvet:ignore blocking the other side has connected, or does so at once
			ln.Close()
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Read gave %v", err)
			}
			if n, err := write(s); n != 0 || err == nil {
				t.Errorf("%s gave %d, %v", name, n, err)
			}
			s.Abort()
		}
	})
}

// The kernel cannot send a file that it makes while it is read; that is read and
// written.
func TestSendfileOfAFileOfTheKernel(t *testing.T) {
	want, err := os.ReadFile("/proc/version")
	if err != nil {
		t.Skip(err)
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := must(os.Open("/proc/version"))
		defer f.Close()
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		if n, err := s.Sendfile(ctx, f, 0, -1); n != int64(len(want)) || err != nil {
			t.Errorf("%d bytes were sent of %d, %v", n, len(want), err)
		}
		if p, err := s.ReadExactly(ctx, len(want)); !bytes.Equal(p, want) || err != nil {
			t.Errorf("%q came, %v", p, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestNameOfAnAddressIsThatOfTheSystem(t *testing.T) {
	names, err := net.LookupAddr("127.0.0.1")
	if err != nil || len(names) == 0 {
		t.Skip("127.0.0.1 has no name here")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		host, service, err := loopOf(ctx).Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:80"))
		if !slices.ContainsFunc(names, func(n string) bool { return strings.TrimSuffix(n, ".") == host }) || service != "80" || err != nil {
			t.Errorf("it is %s, %s, %v; the system says %v", host, service, err, names)
		}
	})
}
