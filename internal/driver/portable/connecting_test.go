package portable_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// While it is being made, a connection can do nothing yet.
func TestAConnectionThatIsBeingMadeWouldBlock(t *testing.T) {
	d := newDriver(t)
	hold := make(chan struct{})
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var n notes
	c, err := d.Dial(driver.DialSpec{Remote: ln.Addr(), Control: func(string, string, syscall.RawConn) error { <-hold; return nil }}, &n)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ConnectError(); err != driver.ErrWouldBlock {
		t.Errorf("ConnectError gave %v", err)
	}
	if got, err := c.Read(make([]byte, 1)); got != 0 || err != driver.ErrWouldBlock {
		t.Errorf("Read gave %d, %v", got, err)
	}
	if got, err := c.Write(make([]byte, 1)); got != 0 || err != driver.ErrWouldBlock {
		t.Errorf("Write gave %d, %v", got, err)
	}
	if err := c.CloseWrite(); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("CloseWrite gave %v", err)
	}
	if _, err := c.SyscallConn(); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("SyscallConn gave %v", err)
	}
	c.Reset()
	c.Discard(make([]byte, 10))
	if c.RemoteAddr().String() != ln.Addr().String() {
		t.Errorf("it goes to %v", c.RemoteAddr())
	}
	close(hold)
	until(t, d, func() bool { return n.seen&driver.Writable != 0 })
	for range 2 {
		if err := c.ConnectError(); err != nil || n.seen != driver.Writable {
			t.Errorf("it ended with %v, told %b", err, n.seen)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A connection that was given up while it was made is closed when it is there.
func TestAConnectionThatNobodyWantsAnyMoreIsClosed(t *testing.T) {
	d := newDriver(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, made := range []bool{false, true} {
		c, err := d.Dial(driver.DialSpec{Remote: ln.Addr()}, &notes{})
		if err != nil {
			t.Fatal(err)
		}
		var peer net.Conn
		if made {
			if peer, err = ln.Accept(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if peer != nil {
			peer.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := peer.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the peer read %v", err)
			}
			peer.Close()
		}
	}
}

func TestAFailureToConnectStays(t *testing.T) {
	d := newDriver(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	var n notes
	c, err := d.Dial(driver.DialSpec{Remote: ln.Addr()}, &n)
	if err != nil {
		t.Fatal(err)
	}
	until(t, d, func() bool { return n.seen != 0 })
	if n.seen != driver.Writable|driver.Hangup {
		t.Errorf("told %b", n.seen)
	}
	first := c.ConnectError()
	var op *net.OpError
	if first == nil || errors.As(first, &op) {
		t.Errorf("ConnectError gave %v", first)
	}
	if again := c.ConnectError(); again != first {
		t.Errorf("and then %v", again)
	}
	if got, err := c.Read(make([]byte, 1)); got != 0 || err != first {
		t.Errorf("Read gave %d, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// lateListener accepts a connection when it is told to, also after it was closed.
type lateListener struct {
	net.Listener
	proceed chan net.Conn
}

func (l lateListener) Accept() (net.Conn, error) { return <-l.proceed, nil }

func TestAConnectionThatComesWhenTheListenerIsClosedIsClosedToo(t *testing.T) {
	d := newDriver(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	late := lateListener{ln, make(chan net.Conn)}
	l, err := d.FromListener(late, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	late.proceed <- near
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer read %v", err)
	}
}

func TestControlOfAListenerThatSharesItsPortIsToldWhere(t *testing.T) {
	d := newDriver(t)
	told := ""
	l, err := d.Listen(driver.ListenSpec{Addr: loopback4, ReusePort: true, Control: func(network, address string, _ syscall.RawConn) error {
		told = network + " " + address
		return nil
	}}, &notes{})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if told != "tcp4 127.0.0.1:0" {
		t.Errorf("it was told %q", told)
	}
}
