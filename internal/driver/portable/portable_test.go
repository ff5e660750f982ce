package portable_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/drivertest"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func BenchmarkDriver(b *testing.B) {
	drivertest.Bench(b, func() (driver.Driver, error) { return portable.New() })
}

func TestDriver(t *testing.T) {
	drivertest.Run(t, func() (driver.Driver, error) { return portable.New() }, nil)
}

// TestDriverWithExistingConns runs the tests with accepted connections that the
// driver knows nothing of but that they are net.Conns.
func TestDriverWithExistingConns(t *testing.T) {
	drivertest.Run(t, func() (driver.Driver, error) {
		d, err := portable.New()
		return existing{d}, err
	}, nil)
}

type existing struct{ *portable.Driver }

func (d existing) Listen(spec driver.ListenSpec, h driver.Handler) (driver.Listener, error) {
	if _, ok := spec.Addr.(*net.TCPAddr); !ok || spec.V6Only || spec.ReusePort || spec.Control != nil {
		return d.Driver.Listen(spec, h)
	}
	network := "tcp"
	if spec.Addr.(*net.TCPAddr).IP.To4() != nil {
		network = "tcp4"
	}
	ln, err := net.Listen(network, spec.Addr.String())
	if err != nil {
		return nil, err
	}
	return d.FromListener(disguised{ln.(*net.TCPListener)}, h)
}

type disguised struct{ *net.TCPListener }

func (l disguised) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return struct{ *net.TCPConn }{c}, nil
}

// notes is a handler that takes note.
type notes struct{ seen driver.Event }

func (n *notes) Ready(e driver.Event) { n.seen |= e }

func newDriver(t *testing.T) *portable.Driver {
	t.Helper()
	d, err := portable.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func never() bool { return false }

// until parks until ok.
func until(t *testing.T, d *portable.Driver, ok func() bool) {
	t.Helper()
	for limit := d.Now() + 20*time.Second; !ok(); {
		if d.Now() > limit {
			t.Fatal("waited in vain")
		}
		if err := d.Park(limit, never); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads from c, whose handler is n, until the end or an error.
func readAll(t *testing.T, d *portable.Driver, c driver.Conn, n *notes) ([]byte, error) {
	t.Helper()
	var all []byte
	p := make([]byte, 1<<10)
	for {
		n.seen = 0
		got, err := c.Read(p)
		all = append(all, p[:got]...)
		switch {
		case errors.Is(err, driver.ErrWouldBlock):
			until(t, d, func() bool { return n.seen&driver.Readable != 0 })
		case err == io.EOF:
			return all, nil
		case err != nil:
			return all, err
		}
	}
}

// tcpPair returns a connection made by the driver, and its peer.
func tcpPair(t *testing.T, d *portable.Driver) (driver.Conn, *notes, *net.TCPConn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	var n notes
	c, err := d.Dial(driver.DialSpec{Remote: ln.Addr()}, &n)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	until(t, d, func() bool { return n.seen&driver.Writable != 0 })
	if err := c.ConnectError(); err != nil {
		t.Fatal(err)
	}
	return c, &n, peer
}

func TestFromConnOverPipe(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	var n notes
	c, _ := d.FromConn(near)
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	echoed := make(chan error, 1)
	go func() {
		_, err := io.CopyN(far, far, 5)
		echoed <- errors.Join(err, far.Close())
	}()
	if got, err := c.Write([]byte("hello")); got != 5 || err != nil {
		t.Fatal(got, err)
	}
	if got, err := readAll(t, d, c, &n); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite gave %v", err)
	}
	if _, err := c.SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SyscallConn gave %v", err)
	}
	if err := <-echoed; err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestFromConnOverTLS(t *testing.T) {
	site := httptest.NewTLSServer(nil) // for its certificate
	config := site.TLS.Clone()
	config.NextProtos = nil
	site.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	sent := bytes.Repeat([]byte("0123456789"), 20000)
	served := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			err = errors.Join(err, c.Close())
		}
		served <- err
	}()
	nc, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	d := newDriver(t)
	var n notes
	c, _ := d.FromConn(nc)
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	var got []byte
	left, p := sent, make([]byte, 32<<10)
	until(t, d, func() bool {
		wrote, _ := c.Write(left)
		left = left[wrote:]
		read, _ := c.Read(p)
		got = append(got, p[:read]...)
		return len(got) == len(sent)
	})
	if !bytes.Equal(got, sent) {
		t.Error("what came back is not what was sent")
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	if rest, err := readAll(t, d, c, &n); len(rest) != 0 || err != nil {
		t.Errorf("at the end got %d bytes, %v", len(rest), err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestEventsBeforeStartAreNotLost(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	c, _ := d.FromConn(near)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, driver.ErrWouldBlock) {
		t.Fatalf("read gave %v", err)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	// Something else goes through the driver meanwhile.
	other, _, _ := tcpPair(t, d)
	defer func() { _ = other.Close() }()
	var n notes
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	until(t, d, func() bool { return n.seen&driver.Hangup != 0 })
}

func TestCloseOfDriverWaitsForWhatIsStillSent(t *testing.T) {
	d := newDriver(t)
	c, _, peer := tcpPair(t, d)
	sent := 0
	p := make([]byte, 100<<10)
	for {
		n, err := c.Write(p)
		sent += n
		if err != nil {
			break
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	got := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, peer)
		got <- n
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != int64(sent) {
		t.Errorf("%d bytes were taken, %d arrived", sent, n)
	}
}

// stuck is a connection whose peer takes nothing.
type stuck struct {
	net.Conn
	once     sync.Once
	closed   chan struct{}
	lingered int
}

func (s *stuck) Write([]byte) (int, error) {
	<-s.closed
	return 0, net.ErrClosed
}

func (s *stuck) SetLinger(seconds int) error {
	s.lingered = seconds
	return nil
}

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

func TestPeerThatTakesNothingIsReset(t *testing.T) {
	d := newDriver(t)
	d.Linger = time.Millisecond
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	s := &stuck{Conn: near, closed: make(chan struct{}), lingered: -1}
	c, _ := d.FromConn(s)
	if _, err := c.Write([]byte("something")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil { // it waits for the connection to end
		t.Fatal(err)
	}
	<-s.closed
	if s.lingered != 0 {
		t.Error("the peer was not told that the stream was cut")
	}
}

// deaf is a connection whose Read and Write do not heed Close.
type deaf struct {
	net.Conn
	end chan struct{}
}

func (d deaf) Read([]byte) (int, error) {
	<-d.end
	return 0, io.EOF
}

func (d deaf) Write([]byte) (int, error) {
	<-d.end
	return 0, io.EOF
}

func TestReadThatDoesNotEndHoldsNobodyUp(t *testing.T) {
	d := newDriver(t)
	near, _ := net.Pipe()
	end := make(chan struct{})
	defer close(end)
	c, _ := d.FromConn(deaf{near, end})
	if err := c.Start(&notes{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestWriteThatDoesNotEndIsAnErrorAtLast(t *testing.T) {
	t.Parallel()
	d, err := portable.New()
	if err != nil {
		t.Fatal(err)
	}
	d.Linger = time.Millisecond
	near, _ := net.Pipe()
	end := make(chan struct{})
	defer close(end)
	c, _ := d.FromConn(deaf{near, end})
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err == nil {
		t.Error("the driver says that all is done")
	}
}

func TestCloseOfDriverResetsWhatWasNotClosed(t *testing.T) {
	d := newDriver(t)
	c, _, peer := tcpPair(t, d)
	ln, err := d.Listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the peer read %v", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing the connection again gave %v", err)
	}
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing the listener again gave %v", err)
	}
}

func TestPausedConnectionHasNoGoroutine(t *testing.T) {
	d := newDriver(t)
	c, n, peer := tcpPair(t, d)
	defer func() { _ = c.Close() }()
	n.seen = 0
	if _, err := peer.Write([]byte("for nobody")); err != nil {
		t.Fatal(err)
	}
	until(t, d, func() bool { return n.seen&driver.Readable != 0 })
	stacks := make([]byte, 1<<20)
	until(t, d, func() bool {
		d.Wake()
		runtime.Gosched()
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "portable.(*conn)")
	})
}

// failing is a listener that cannot accept.
type failing struct {
	net.Listener
	tries chan struct{}
}

func (l *failing) Accept() (net.Conn, error) {
	l.tries <- struct{}{}
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
}

func TestAcceptBacksOffAfterErrors(t *testing.T) {
	d := newDriver(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{ln, make(chan struct{}, 100)}
	var n notes
	l, _ := d.FromListener(f, &n)
	began := d.Now()
	for range 3 {
		until(t, d, func() bool { return n.seen&driver.Readable != 0 })
		n.seen = 0
		if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("accept gave %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, driver.ErrWouldBlock) {
			t.Fatalf("accept gave %v", err)
		}
	}
	// It has waited for 5 and 10 milliseconds, and waits again.
	if took := d.Now() - began; took < 15*time.Millisecond {
		t.Errorf("three attempts took %v", took)
	}
	if got := len(f.tries); got > 4 {
		t.Errorf("there were %d attempts", got)
	}
	if err := l.Close(); err != nil { // in the middle of waiting
		t.Fatal(err)
	}
}
