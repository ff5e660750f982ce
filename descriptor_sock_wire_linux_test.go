package asyncio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// ready makes the descriptor ready for what is asked, after the tasks have asked.
func (w *watchWire) ready(ctx context.Context, c syscall.Conn, what driver.Event) {
	turns(ctx, 2)
	raw := must(c.SyscallConn())
	raw.Control(func(fd uintptr) { w.handlers[fd].Ready(what) })
}

// A call waits for one direction, again after an event with nothing behind it, and
// leaves no watch.
func TestASockCallWaitsForItsDirectionUntilThereIsSomething(t *testing.T) {
	onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, w *watchWire) {
		a, b := sockPair(t, "unix")
		reading := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return l.SockRecv(ctx, a, 10) })
		for range 3 {
			w.ready(ctx, a, driver.Readable)
		}
		turns(ctx, 3)
		if n := asyncio.WatchedDescriptors(l); reading.Done() || n != 1 {
			t.Errorf("it has ended: %v; %d descriptors are watched", reading.Done(), n)
		}
		must(b.Write([]byte("data")))
		w.ready(ctx, a, driver.Readable)
		if p, err := reading.Await(ctx); string(p) != "data" || err != nil {
			t.Errorf("received %q, %v", p, err)
		}
		sent := 0
		writing := asyncio.Go(ctx, func(ctx context.Context) (err error) {
			sent, err = l.SockSendall(ctx, a, make([]byte, 10<<20)) // more than the kernel takes
			return err
		})
		w.ready(ctx, a, driver.Writable)
		turns(ctx, 3)
		b.Close()
		w.ready(ctx, a, driver.Writable)
		if _, err := writing.Await(ctx); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) || sent == 0 || sent == 10<<20 {
			t.Errorf("%d were sent, %v", sent, err)
		}
		if n := asyncio.WatchedDescriptors(l); n != 0 {
			t.Errorf("%d descriptors are watched", n)
		}
		fd := numberOf(t, a)
		for i, asked := range w.asked {
			if want := []string{":1", ":0", ":2", ":0"}; !strings.HasSuffix(asked, want[i%2+i/8*2]) || i >= 12 {
				t.Fatalf("of %d was asked %v", fd, w.asked)
			}
		}
	})
}

// others is a descriptor that cannot be had.
type others struct{}

func (others) SyscallConn() (syscall.RawConn, error) { return nil, errFault }

func TestTheErrorOfASockCallSaysWhichItWasAndNothingWasDone(t *testing.T) {
	onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, w *watchWire) {
		closed, _ := sockPair(t, "unix")
		closed.Close()
		f := fileOf(t, []byte("data"))
		peer := &net.UnixAddr{Name: "nobody", Net: "unixgram"}
		for _, c := range []struct {
			c    syscall.Conn
			want error
		}{{others{}, errFault}, {closed, net.ErrClosed}} {
			recv, err1 := l.SockRecv(ctx, c.c, 1)
			n2, err2 := l.SockRecvInto(ctx, c.c, make([]byte, 1))
			n3, from, err3 := l.SockRecvfrom(ctx, c.c, make([]byte, 1))
			n4, err4 := l.SockSendall(ctx, c.c, []byte("x"))
			err5 := l.SockSendto(ctx, c.c, []byte("x"), peer)
			n6, err6 := l.SockSendfile(ctx, c.c, f, 0, 1)
			err7 := l.SockConnect(ctx, c.c, peer)
			conn, err8 := l.SockAccept(ctx, c.c)
			if recv != nil || n2 != 0 || n3 != 0 || from != nil || n4 != 0 || n6 != 0 || conn != nil {
				t.Errorf("something was done: %v, %d, %d, %v, %d, %d, %v", recv, n2, n3, from, n4, n6, conn)
			}
			calls := []string{"recv", "recv", "recvfrom", "sendall", "sendto", "sendfile", "connect", "accept"}
			for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
				if !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "asyncio: sock "+calls[i]+": ") {
					t.Errorf("sock %s: %v", calls[i], err)
				}
			}
		}
		pipe, _ := watchedPipe(t)
		if n, from, err := l.SockRecvfrom(ctx, pipe, make([]byte, 1)); n != 0 || from != nil || !errors.Is(err, syscall.ENOTSOCK) || !strings.Contains(err.Error(), "recvfrom: ") {
			t.Errorf("from a pipe: %d, %v, %v", n, from, err)
		}
		if n, err := l.SockSendall(ctx, pipe, []byte("x")); n != 0 || !errors.Is(err, syscall.ENOTSOCK) || !strings.Contains(err.Error(), "send: ") {
			t.Errorf("to a pipe: %d, %v", n, err)
		}
		if err := l.SockSendto(ctx, pipe, []byte("x"), peer); !errors.Is(err, syscall.ENOTSOCK) || !strings.Contains(err.Error(), "getsockopt: ") {
			t.Errorf("to a pipe: %v", err)
		}
		if n, err := l.SockRecvInto(ctx, pipe, nil); n != 0 || !errors.Is(err, syscall.ENOTSOCK) {
			t.Errorf("from a pipe into nothing: %d, %v", n, err)
		}
	})
}

// The sender of what comes over a connection is nobody else.
func TestSockRecvfromOfAConnectionHasNoSender(t *testing.T) {
	onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, _ *watchWire) {
		for _, network := range []string{"tcp", "unix"} {
			a, b := sockPair(t, network)
			must(a.Write([]byte("x")))
			b.SetReadDeadline(time.Now().Add(20 * time.Second))
			raw := must(b.SyscallConn())
			p := make([]byte, 2)
			raw.Read(func(fd uintptr) bool { // until it has come
				n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				return n > 0 || err != syscall.EAGAIN
			})
			if n, from, err := l.SockRecvfrom(ctx, b, p); n != 1 || from != nil || err != nil {
				t.Errorf("%s: %d from %v, %v", network, n, from, err)
			}
			a.Close()
			raw.Read(func(fd uintptr) bool {
				_, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				return err != syscall.EAGAIN
			})
			if n, from, err := l.SockRecvfrom(ctx, b, p); n != 0 || from != nil || err != io.EOF {
				t.Errorf("%s at the end: %d from %v, %v", network, n, from, err)
			}
		}
	})
}

// sink is a file that takes all that is sent to it, and can be waited for on a
// watchWire.
func sink(t *testing.T, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "sink"), flags|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSockSendfileGivesOthersTheirTurnAfterAMegabyte(t *testing.T) {
	for _, c := range []struct {
		size, count int64
		turns       int
	}{
		{0, 0, 0}, {1, 1, 0}, {1 << 20, 1 << 20, 0}, {1<<20 + 1, 1<<20 + 1, 1}, {2 << 20, 2 << 20, 1}, {3<<20 + 10, 3<<20 + 10, 3},
		{1<<20 - 1, -1, 0}, {1 << 20, -1, 1}, {2<<20 + 1, -1, 2}, // and then there is no more
	} {
		onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, w *watchWire) {
			f := fileOf(t, pattern(int(c.size)))
			to := sink(t, os.O_WRONLY)
			sending := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return l.SockSendfile(ctx, to, f, 0, c.count) })
			for range c.turns {
				w.ready(ctx, to, driver.Writable)
			}
			if n, err := sending.Await(ctx); n != c.size || err != nil {
				t.Errorf("%+v: %d were sent, %v", c, n, err)
			}
			if n := len(w.asked) / 2; n != c.turns {
				t.Errorf("%+v: others had %d turns", c, n)
			}
			if got := must(os.ReadFile(to.Name())); !slices.Equal(got, pattern(int(c.size))) {
				t.Errorf("%+v: %d bytes came, or others", c, len(got))
			}
		})
	}
}

func TestSockSendfileThatFailsIsAnError(t *testing.T) {
	onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, _ *watchWire) {
		f := fileOf(t, pattern(10))
		if n, err := l.SockSendfile(ctx, sink(t, os.O_RDONLY), f, 0, -1); n != 0 || !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), "sendfile: ") {
			t.Errorf("to what takes nothing: %d, %v", n, err)
		}
		blocking := newSock(t, syscall.AF_INET, syscall.SOCK_STREAM)
		if n, err := l.SockSendfile(ctx, blocking, f, 0, 1); n != 0 || err == nil || !strings.Contains(err.Error(), "make it non-blocking") {
			t.Errorf("to what blocks: %d, %v", n, err)
		}
		if n, err := l.SockSendfile(ctx, blocking, f, 0, 0); n != 0 || err != nil {
			t.Errorf("nothing to what blocks: %d, %v", n, err)
		}
	})
}

// What is sent of a file that is closed meanwhile is told.
func TestSockSendfileOfAFileThatIsClosedMeanwhile(t *testing.T) {
	onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, w *watchWire) {
		f := fileOf(t, pattern(2<<20))
		to := sink(t, os.O_WRONLY)
		sent := int64(0)
		sending := asyncio.Go(ctx, func(ctx context.Context) (err error) {
			sent, err = l.SockSendfile(ctx, to, f, 0, -1)
			return err
		})
		turns(ctx, 2)
		f.Close()
		w.ready(ctx, to, driver.Writable)
		if _, err := sending.Await(ctx); !errors.Is(err, os.ErrClosed) || sent != 1<<20 {
			t.Errorf("%d were sent, %v", sent, err)
		}
	})
}

// An event does not say that connecting has ended.
func TestSockConnectedIsSoWhenThereIsAPeer(t *testing.T) {
	c := newSock(t, syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK)
	if err := asyncio.SockConnected(numberOf(t, c)); err != driver.ErrWouldBlock {
		t.Errorf("without one: %v", err)
	}
	a, _ := sockPair(t, "tcp")
	if err := asyncio.SockConnected(numberOf(t, a)); err != nil {
		t.Errorf("with one: %v", err)
	}
	in, _ := watchedPipe(t)
	var call *os.SyscallError
	if err := asyncio.SockConnected(numberOf(t, in)); !errors.As(err, &call) || call.Syscall != "getsockopt" || call.Err != syscall.ENOTSOCK {
		t.Errorf("of a pipe: %v", err)
	}
	// An attempt that has failed in the background.
	nobody := int(numberOf(t, newSock(t, syscall.AF_INET, syscall.SOCK_STREAM))) // which has a port, and does not listen
	if err := syscall.Bind(nobody, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	err := syscall.Connect(int(numberOf(t, c)), must(syscall.Getsockname(nobody)))
	if err != syscall.EINPROGRESS {
		t.Skip("it did not fail in the background: ", err)
	}
	must(c.SyscallConn()).Write(func(fd uintptr) bool {
		err = asyncio.SockConnected(fd)
		return err != driver.ErrWouldBlock
	})
	if !errors.As(err, &call) || call.Syscall != "connect" || call.Err != syscall.ECONNREFUSED {
		t.Errorf("after a failure: %v", err)
	}
}

func TestSockErrorsAreTheSystems(t *testing.T) {
	in, _ := watchedPipe(t)
	for call, err := range map[string]error{
		"getsockopt": asyncio.SockConnect(numberOf(t, newNonblockingPipe(t)), &net.TCPAddr{}),
		"fcntl":      asyncio.SockConnect(1<<20, &net.TCPAddr{}),
		"accept":     second(asyncio.SockAccept(numberOf(t, newNonblockingPipe(t)))),
	} {
		var e *os.SyscallError
		if !errors.As(err, &e) || e.Syscall != call {
			t.Errorf("%s: %v", call, err)
		}
	}
	c := newSock(t, syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK)
	var wrong *net.AddrError
	if err := asyncio.SockConnect(numberOf(t, c), &net.UnixAddr{Name: "x", Net: "unix"}); !errors.As(err, &wrong) {
		t.Errorf("an address of another family: %v", err)
	}
	// What is not a connection of net's kinds is closed again.
	if s, err := asyncio.SocketOf(must(syscall.Dup(int(numberOf(t, in))))); s != nil || err == nil {
		t.Errorf("a pipe became %v", s)
	}
	fds := must(syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0))
	for _, fd := range fds {
		if s, err := asyncio.SocketOf(fd); err != nil {
			t.Error(err)
		} else {
			s.Close()
		}
	}
}

func newNonblockingPipe(t *testing.T) *os.File {
	t.Helper()
	in, _ := watchedPipe(t) // os makes its pipes so
	return in
}
