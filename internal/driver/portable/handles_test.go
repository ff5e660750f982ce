package portable_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
)

var loopback4 = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// openings are the ways to open a handle.
func openings(t *testing.T, d *portable.Driver) map[string]func() (io.Closer, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return map[string]func() (io.Closer, error){
		"Dial": func() (io.Closer, error) { return d.Dial(driver.DialSpec{Remote: ln.Addr()}, &notes{}) },
		"Listen": func() (io.Closer, error) {
			return d.Listen(driver.ListenSpec{Addr: loopback4, Backlog: 1}, &notes{})
		},
		"OpenFile": func() (io.Closer, error) {
			r, w, err := os.Pipe()
			if err != nil {
				return nil, err
			}
			w.Close()
			return d.OpenFile(r)
		},
		"FromConn": func() (io.Closer, error) {
			nc, err := net.Dial("tcp4", ln.Addr().String())
			if err != nil {
				return nil, err
			}
			return d.FromConn(nc)
		},
		"FromListener": func() (io.Closer, error) {
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			return d.FromListener(ln, &notes{})
		},
		"OpenPacket": func() (io.Closer, error) {
			return d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: loopback4.IP}}, &notes{})
		},
		"FromPacket": func() (io.Closer, error) {
			pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			return d.FromPacket(pc, &notes{})
		},
	}
}

func TestWhatIsOpenedIsAHandleUntilItIsClosed(t *testing.T) {
	d := newDriver(t)
	for name, open := range openings(t, d) {
		c, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if n := d.Handles(); n != 1 {
			t.Errorf("%s: %d handles", name, n)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := d.Handles(); n != 0 {
			t.Errorf("%s: %d handles are left", name, n)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: closed again: %v", name, err)
		}
	}
}

func TestWhatIsClosedIsNotTakenOver(t *testing.T) {
	d := newDriver(t)
	near, _ := net.Pipe()
	near.Close()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	ln.Close()
	pc.Close()
	for _, nc := range []net.Conn{near, nc} {
		if c, err := d.FromConn(nc); c != nil || err != net.ErrClosed {
			t.Errorf("%T: %v, %v", nc, c, err)
		}
	}
	if l, err := d.FromListener(ln, &notes{}); l != nil || err != net.ErrClosed {
		t.Errorf("a listener: %v, %v", l, err)
	}
	if p, err := d.FromPacket(pc, &notes{}); p != nil || err != net.ErrClosed {
		t.Errorf("datagrams: %v, %v", p, err)
	}
	r, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if c, err := d.OpenFile(r); c != nil || !errors.Is(err, os.ErrClosed) {
		t.Errorf("a pipe: %v, %v", c, err)
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

// What its owner before has set does not end the waits of a driver.
func TestADeadlineOfTheOwnerBeforeIsTakenAway(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	defer far.Close()
	near.SetDeadline(time.Unix(1, 0))
	c, err := d.FromConn(near)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var n notes
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	go far.Write([]byte("x"))
	until(t, d, func() bool { return n.seen != 0 })
	if got, err := c.Read(make([]byte, 2)); got != 1 || err != nil {
		t.Errorf("read %d, %v", got, err)
	}
}

func TestWhatIsAlwaysReadyIsNotOpened(t *testing.T) {
	d := newDriver(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	regular, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{null, dir, regular} {
		var path *os.PathError
		if c, err := d.OpenFile(f); c != nil || !errors.As(err, &path) || path.Path != f.Name() {
			t.Errorf("%s: %v, %v", f.Name(), c, err)
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s was left open", f.Name())
		}
	}
}

func TestAnAddressThatIsNoneOpensNothing(t *testing.T) {
	d := newDriver(t)
	udp := &net.UDPAddr{IP: loopback4.IP, Port: 9}
	if c, err := d.Dial(driver.DialSpec{Remote: udp}, &notes{}); c != nil || err == nil {
		t.Errorf("Dial: %v, %v", c, err)
	}
	if l, err := d.Listen(driver.ListenSpec{Addr: udp}, &notes{}); l != nil || err == nil {
		t.Errorf("Listen: %v, %v", l, err)
	}
	if p, err := d.OpenPacket(driver.PacketSpec{Local: loopback4}, &notes{}); p != nil || err == nil {
		t.Errorf("OpenPacket: %v, %v", p, err)
	}
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if l, err := d.Listen(driver.ListenSpec{Addr: taken.Addr()}, &notes{}); l != nil || !errors.Is(err, syscall.EADDRINUSE) && runtime.GOOS != "windows" {
		t.Errorf("where another is: %v, %v", l, err)
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles", n)
	}
}

func TestAWaitDoesNotEndBeforeItsTime(t *testing.T) {
	d := newDriver(t)
	for range 3 {
		until := d.Now() + 10*time.Millisecond
		if err := d.Park(until, never); err != nil || d.Now() < until {
			t.Errorf("it ended %v early, %v", until-d.Now(), err)
		}
	}
	began := d.Now()
	if err := d.Park(began-time.Second, never); err != nil {
		t.Error(err)
	}
	var woken atomic.Bool
	time.AfterFunc(20*time.Millisecond, func() { woken.Store(true); d.Wake() })
	if err := d.Park(driver.Forever, never); err != nil || !woken.Load() {
		t.Errorf("for ever has ended after %v, %v", d.Now()-began, err)
	}
	if err := d.Park(driver.Forever, func() bool { return true }); err != nil {
		t.Error(err)
	}
}

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

func TestAWriteTakesWhatThereIsRoomFor(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe() // which takes nothing before it is read
	defer far.Close()
	c, err := d.FromConn(near)
	if err != nil {
		t.Fatal(err)
	}
	var n notes
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 50<<10)
	if got, err := c.Writev([][]byte{p, nil, p}); got != 64<<10 || err != nil {
		t.Errorf("Writev took %d, %v", got, err)
	}
	// It has taken less than it was given, and tells when there is room again:
	// what the goroutine is writing is not among what is pending.
	until(t, d, func() bool { return n.seen&driver.Writable != 0 })
	got := 0
	until(t, d, func() bool {
		for {
			k, err := c.Write(p)
			if got += k; err == driver.ErrWouldBlock && k == 0 {
				return got > 0
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if got != 64<<10 {
		t.Errorf("%d bytes were taken", got)
	}
	if k, err := c.Write(p); k != 0 || err != driver.ErrWouldBlock {
		t.Errorf("Write took %d, %v", k, err)
	}
	if k, err := c.Writev(nil); k != 0 || err != nil {
		t.Errorf("Writev of nothing took %d, %v", k, err)
	}
	n.seen = 0
	go io.CopyN(io.Discard, far, 128<<10)
	until(t, d, func() bool { return n.seen&driver.Writable != 0 })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// slowClose is a connection of others whose Close waits.
type slowClose struct {
	net.Conn
	proceed chan struct{}
}

func (s slowClose) Close() error { <-s.proceed; return s.Conn.Close() }

func TestTheCloseOfAConnectionOfOthersHoldsNobodyUp(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	s := slowClose{near, make(chan struct{})}
	c, err := d.FromConn(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	close(s.proceed)
	if err := d.Close(); err != nil { // which waits for it
		t.Error(err)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end read %v", err)
	}

	d = newDriver(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if c, err = d.FromConn(nc); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("one of net's is not closed at once: %v", err)
	}
}

func TestEventsAreToldOnce(t *testing.T) {
	d := newDriver(t)
	near, far := net.Pipe()
	c, err := d.FromConn(near)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Read(make([]byte, 1))
	far.Close()
	var first, second notes
	for d.Park(d.Now()+5*time.Millisecond, never) == nil && first.seen == 0 {
		if err := c.Start(&first); err != nil {
			t.Fatal(err)
		}
		d.Poll()
	}
	if err := c.Start(&second); err != nil {
		t.Fatal(err)
	}
	d.Poll()
	if first.seen&driver.Hangup == 0 || second.seen != 0 {
		t.Errorf("the first was told of %b, the second of %b", first.seen, second.seen)
	}
	c.Close()
	if err := c.Start(&first); err != net.ErrClosed {
		t.Errorf("Start of what is closed gave %v", err)
	}
}

// packets opens two sockets for datagrams, of which the second is connected to the
// first.
func packets(t *testing.T, d *portable.Driver, network string) (server, client driver.PacketConn, n *notes) {
	t.Helper()
	var at, from net.Addr = &net.UDPAddr{IP: loopback4.IP}, nil
	if network == "unixgram" {
		if runtime.GOOS == "windows" {
			t.Skip("no datagrams on unix sockets here")
		}
		dir := t.TempDir()
		at, from = &net.UnixAddr{Name: filepath.Join(dir, "a"), Net: network}, &net.UnixAddr{Name: filepath.Join(dir, "b"), Net: network}
	}
	n = &notes{}
	server, err := d.OpenPacket(driver.PacketSpec{Local: at}, n)
	if err != nil {
		t.Fatal(err)
	}
	client, err = d.OpenPacket(driver.PacketSpec{Local: from, Remote: server.LocalAddr()}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client, n
}

func TestADatagramToAWrongAddressIsNotTaken(t *testing.T) {
	d := newDriver(t)
	for _, network := range []string{"udp", "unixgram"} {
		server, client, _ := packets(t, d, network)
		wrong := []net.Addr{loopback4, &net.UnixAddr{Name: "x", Net: "unixgram"}}
		if network == "unixgram" {
			wrong[1] = &net.UDPAddr{IP: loopback4.IP, Port: 9}
		}
		for _, to := range wrong {
			var bad *net.AddrError
			if n, err := server.WriteTo([]byte("x"), to); n != 0 || !errors.As(err, &bad) {
				t.Errorf("%s to %T: %d, %v", network, to, n, err)
			}
		}
		if n, err := server.WriteTo([]byte("x"), nil); n != 0 || !errors.Is(err, syscall.EDESTADDRREQ) {
			t.Errorf("%s to nobody: %d, %v", network, n, err)
		}
		if n, err := client.WriteTo([]byte("x"), server.LocalAddr()); n != 0 || !errors.Is(err, syscall.EISCONN) {
			t.Errorf("%s of a connected one: %d, %v", network, n, err)
		}
		if a := client.RemoteAddr(); a == nil || a.String() != server.LocalAddr().String() || server.RemoteAddr() != nil {
			t.Errorf("%s: the peers are %v and %v", network, a, server.RemoteAddr())
		}
		server.Close()
		if n, err := server.WriteTo([]byte("x"), client.LocalAddr()); n != 0 || err != net.ErrClosed {
			t.Errorf("%s of a closed one: %d, %v", network, n, err)
		}
		if n, from, err := server.ReadFrom(make([]byte, 1)); n != 0 || from != nil || err != net.ErrClosed {
			t.Errorf("%s of a closed one: read %d, %v, %v", network, n, from, err)
		}
	}
}

// slowPacket is a datagram socket of others that waits before it sends.
type slowPacket struct {
	net.PacketConn
	sends, proceed chan struct{}
	sent           chan int
}

func (s *slowPacket) WriteTo(p []byte, _ net.Addr) (int, error) {
	s.sends <- struct{}{}
	<-s.proceed
	s.sent <- len(p)
	return len(p), nil
}

func TestDatagramsAreTakenWhileThereIsRoomForThem(t *testing.T) {
	for _, c := range []struct{ size, most int }{
		{0, 64}, {1, 64}, {1 << 10, 64}, {10 << 10, 6}, {32 << 10, 2}, {32<<10 + 1, 1}, {100 << 10, 1},
	} {
		d := newDriver(t)
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &slowPacket{pc, make(chan struct{}, 200), make(chan struct{}), make(chan int, 200)}
		var n notes
		p, err := d.FromPacket(s, &n)
		if err != nil {
			t.Fatal(err)
		}
		to := &net.UDPAddr{IP: loopback4.IP, Port: 9}
		if k, err := p.WriteTo([]byte("first"), to); k != 5 || err != nil {
			t.Fatal(k, err)
		}
		<-s.sends // it is being sent, and not among what is pending
		data := make([]byte, c.size)
		taken := 0
		for {
			k, err := p.WriteTo(data, to)
			if err != nil {
				if k != 0 || err != driver.ErrWouldBlock {
					t.Errorf("%d, %v", k, err)
				}
				break
			}
			if taken++; k != c.size || taken > 100 {
				t.Fatal(k, taken)
			}
		}
		if taken != c.most {
			t.Errorf("%d of %d bytes were taken", taken, c.size)
		}
		n.seen = 0
		close(s.proceed)
		until(t, d, func() bool { return n.seen&driver.Writable != 0 })
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if len(s.sent) != taken+1 {
			t.Errorf("%d were taken, %d were sent", taken+1, len(s.sent))
		}
		if _, err := pc.WriteTo(nil, to); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the socket is not closed: %v", err)
		}
	}
}

func TestDatagramsComeWithTheirSendersAndTheirErrors(t *testing.T) {
	d := newDriver(t)
	for _, network := range []string{"udp", "unixgram"} {
		server, client, n := packets(t, d, network)
		for i := range 3 {
			if _, err := client.WriteTo(make([]byte, i), nil); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 10)
			for {
				k, from, err := server.ReadFrom(b)
				if err == driver.ErrWouldBlock {
					n.seen = 0
					until(t, d, func() bool { return n.seen&driver.Readable != 0 })
					continue
				}
				if k != i || err != nil || from == nil || from.String() != client.LocalAddr().String() {
					t.Errorf("%s: %d bytes from %v, %v", network, k, from, err)
				}
				break
			}
			if k, from, err := server.ReadFrom(b); k != 0 || from != nil || err != driver.ErrWouldBlock {
				t.Errorf("%s: then %d from %v, %v", network, k, from, err)
			}
		}
	}
}

// A reset waits for nothing that is still to be written.
func TestAResetConnectionIsClosedAtOnce(t *testing.T) {
	d := newDriver(t)
	d.Linger = time.Hour
	near, far := net.Pipe()
	defer far.Close()
	s := &stuck{Conn: near, closed: make(chan struct{}), lingered: -1}
	c, err := d.FromConn(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("something")); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.closed
	if s.lingered != 0 {
		t.Errorf("it lingers for %d seconds", s.lingered)
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

// lastWords is a connection of others that gives its end together with the last
// that comes.
type lastWords struct {
	net.Conn
	words string
}

func (c *lastWords) Read(p []byte) (int, error) {
	n := copy(p, c.words)
	c.words = ""
	return n, io.EOF
}

func TestAnEndThatComesWithTheLastBytesIsToldAfterThem(t *testing.T) {
	d := newDriver(t)
	near, _ := net.Pipe()
	c, err := d.FromConn(&lastWords{near, "goodbye"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var n notes
	if err := c.Start(&n); err != nil {
		t.Fatal(err)
	}
	until(t, d, func() bool { return n.seen&driver.Readable != 0 })
	n.seen = 0
	p := make([]byte, 100)
	if got, err := c.Read(p[:4]); string(p[:got]) != "good" || err != nil {
		t.Errorf("read %q, %v", p[:got], err)
	}
	if got, err := c.Read(p); string(p[:got]) != "bye" || err != nil {
		t.Errorf("read %q, %v", p[:got], err)
	}
	until(t, d, func() bool { return n.seen == driver.Readable|driver.Hangup })
	for range 2 {
		if got, err := c.Read(p); got != 0 || err != io.EOF {
			t.Errorf("read %d, %v", got, err)
		}
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

// keeping is a datagram socket of others that keeps what it is given to send.
type keeping struct {
	net.PacketConn
	proceed chan struct{}
	sent    chan string
}

func (k *keeping) WriteTo(p []byte, _ net.Addr) (int, error) {
	<-k.proceed
	k.sent <- string(p)
	return len(p), nil
}

func TestADatagramIsTakenAsItIsThen(t *testing.T) {
	d := newDriver(t)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &keeping{pc, make(chan struct{}), make(chan string, 10)}
	p, err := d.FromPacket(k, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b := []byte("one")
	for _, text := range []string{"one", "two"} {
		copy(b, text)
		if n, err := p.WriteTo(b, &net.UDPAddr{IP: loopback4.IP, Port: 9}); n != 3 || err != nil {
			t.Fatal(n, err)
		}
	}
	copy(b, "xxx")
	close(k.proceed)
	if first, second := <-k.sent, <-k.sent; first != "one" || second != "two" {
		t.Errorf("%q and %q were sent", first, second)
	}
}
