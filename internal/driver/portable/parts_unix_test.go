//go:build unix

package portable

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
)

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// number returns the descriptor of f, and leaves that as it is.
func number(t *testing.T, f *os.File) (fd uintptr) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(n uintptr) { fd = n })
	return fd
}

// Only the first look asks the system: later ones come after an event.
func TestTheFirstLookAsksTheSystem(t *testing.T) {
	r, w := pipe(t)
	if readable(number(t, r), true) || !readable(number(t, r), false) {
		t.Error("an empty pipe")
	}
	w.WriteString("x")
	if !readable(number(t, r), true) {
		t.Error("a pipe with something in it")
	}
	if !readable(1<<20, true) {
		t.Error("what is no descriptor: a read is to say so")
	}
	wait := &waiter{}
	if err := wait.wait(); err != nil {
		t.Error(err)
	}
	var first []bool
	wait.look = func(fd uintptr) bool { first = append(first, !wait.asked); return wait.ready(fd) }
	raw, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	wait.raw = raw
	for range 2 {
		if err := wait.wait(); err != nil {
			t.Error(err)
		}
	}
	if len(first) != 2 || !first[0] || !first[1] {
		t.Errorf("the looks of two waits were first ones: %v", first)
	}
}

func TestThatNobodyReadsFromAPipeIsSeen(t *testing.T) {
	r, w := pipe(t)
	if readerGone(number(t, w)) {
		t.Error("the reader is there")
	}
	if writeOnly(number(t, r)) || !writeOnly(number(t, w)) || writeOnly(1<<20) {
		t.Error("which is for writing only is not known")
	}
	r.Close()
	if !readerGone(number(t, w)) {
		t.Error("the reader has gone")
	}
	if readerGone(1 << 20) {
		t.Error("there is no such pipe")
	}
	if both, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil || writeOnly(number(t, both)) {
		t.Error("what is for both is for writing only", err)
	}
}

func TestAnOptionThatTheSystemRefusesIsAnError(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := pc.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	get := func(name int) (v int) {
		raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name) })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var call *os.SyscallError
	if err := setOption(raw, 12345, 1); !errors.As(err, &call) || call.Syscall != "setsockopt" || !errors.Is(err, unix.ENOPROTOOPT) {
		t.Errorf("an option that is none: %v", err)
	}
	for i := range 8 {
		spec := driver.PacketSpec{Broadcast: i&1 != 0, ReuseAddr: i&2 != 0, ReusePort: i&4 != 0}
		for _, name := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} { // what they are anyhow
			if err := setOption(raw, name, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := setPacketOptions(raw, spec); err != nil {
			t.Error(err)
		}
		for name, on := range map[int]bool{
			unix.SO_BROADCAST: spec.Broadcast,
			unix.SO_REUSEADDR: spec.ReuseAddr,
			unix.SO_REUSEPORT: spec.ReusePort || spec.ReuseAddr && runtime.GOOS != "linux",
		} {
			if (get(name) != 0) != on {
				t.Errorf("%+v: option %d is not %v", spec, name, on)
			}
		}
	}
	pc.Close()
	if err := setOption(raw, unix.SO_BROADCAST, 1); err == nil {
		t.Error("of a socket that is closed one was set")
	}
	if err := setPacketOptions(raw, driver.PacketSpec{}); err == nil {
		t.Error("of a socket that is closed they were set")
	}
}

func TestABacklogIsSetOnWhatListens(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := setBacklog(ln, 3); err != nil {
		t.Fatal(err)
	}
	checkBacklog(t, ln, 3)
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, n := range []int{1, 2} {
		l, err := d.Listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Backlog: n}, nobody{})
		if err != nil {
			t.Fatal(err)
		}
		checkBacklog(t, l.(*listener).ln, uint32(n))
		l.Close()
	}
	ln.Close()
	if err := setBacklog(ln, 3); err == nil {
		t.Error("on what is closed it was set")
	}
	if err := setBacklog(struct{ net.Listener }{ln}, 3); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("on what has no descriptor: %v", err)
	}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	var call *os.SyscallError
	if err := setBacklog(listens{ln, pc.(syscall.Conn)}, 3); !errors.As(err, &call) || call.Syscall != "listen" {
		t.Errorf("on what cannot listen: %v", err)
	}
}

// listens is a listener with the descriptor of something else.
type listens struct {
	net.Listener
	syscall.Conn
}

func TestWhatIsReadAwayIsNoMoreThanThereIs(t *testing.T) {
	r, w := pipe(t)
	raw, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 10, 1000} {
		w.WriteString(strings.Repeat("x", n))
		raw.Control(func(fd uintptr) { discard(fd, make([]byte, 10)) })
		if readable(number(t, r), true) {
			t.Errorf("of %d bytes some are left", n)
		}
	}
	w.WriteString("bit by bit")
	raw.Control(func(fd uintptr) { discard(fd, make([]byte, 1)) })
	if readable(number(t, r), true) {
		t.Error("bit by bit, and some are left")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	raw.Control(func(fd uintptr) { discard(fd, make([]byte, 10)) }) // it ends at the end
}

func TestNoMoreIsReadAwayThanTheLimit(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(4 * driver.DiscardLimit); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{driver.DiscardLimit, driver.DiscardLimit / 16, driver.DiscardLimit/4 + 1, driver.DiscardLimit - 1} {
		f.Seek(0, io.SeekStart)
		discard(number(t, f), make([]byte, size))
		want := (driver.DiscardLimit + size - 1) / size * size
		if n, err := f.Seek(0, io.SeekCurrent); n != int64(want) || err != nil {
			t.Errorf("by %d bytes %d were read away, and not %d, %v", size, n, want, err)
		}
	}
}

func TestTheCauseOfAnErrorIsTheSystems(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct{ err, want error }{
		{nil, nil},
		{boom, boom},
		{&net.OpError{Op: "read", Err: boom}, boom},
		{&os.PathError{Op: "read", Err: os.ErrClosed}, net.ErrClosed},
	} {
		if got := cause(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
	err := cause(&os.PathError{Op: "write", Path: "pipe", Err: syscall.EPIPE})
	var call *os.SyscallError
	if !errors.As(err, &call) || call.Syscall != "write" || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("of a file: %v", err)
	}
}
