//go:build linux

package epoll_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// onDescriptor calls f with the descriptor of c.
func onDescriptor(t *testing.T, c syscall.Conn, f func(fd int)) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// option returns the value of an option of a socket.
func option(t *testing.T, c syscall.Conn, level, name int) (value int) {
	t.Helper()
	onDescriptor(t, c, func(fd int) {
		var err error
		if value, err = unix.GetsockoptInt(fd, level, name); err != nil {
			t.Error(err)
		}
	})
	return value
}

// wantOwn checks that a descriptor does not block, and is not passed on to
// processes.
func wantOwn(t *testing.T, what string, c syscall.Conn) {
	t.Helper()
	onDescriptor(t, c, func(fd int) {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s is passed on to processes: %v", what, err)
		}
		status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || status&unix.O_NONBLOCK == 0 {
			t.Errorf("%s blocks: %v", what, err)
		}
		if fd > 900 {
			t.Errorf("%s has the number %d", what, fd)
		}
	})
}

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

func TestConnectionsSendAtOnceAndAreNotPassedOn(t *testing.T) {
	d := open(t)
	var ls, cs seen
	ln, err := d.Listen(driver.ListenSpec{Addr: loopback}, &ls)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	wantOwn(t, "the listener", ln)
	c, err := d.Dial(driver.DialSpec{Remote: ln.Addr()}, &cs)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantOwn(t, "the connection that was made", c)
	until(t, d, func() bool { return ls.events&driver.Readable != 0 })
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	wantOwn(t, "the connection that was accepted", accepted)
	for what, c := range map[string]syscall.Conn{"made": c, "accepted": accepted} {
		if option(t, c, unix.IPPROTO_TCP, unix.TCP_NODELAY) == 0 {
			t.Errorf("the connection that was %s waits with what is small", what)
		}
		if option(t, c, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0 {
			t.Errorf("the connection that was %s is asked whether it lives", what)
		}
	}
	if accepted.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("the peer is %v, want %v", accepted.RemoteAddr(), c.LocalAddr())
	}
}

func TestWhatIsTakenOverIsNotPassedOn(t *testing.T) {
	d := open(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.FromConn(nc)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantOwn(t, "a connection", c)
	l, err := d.FromListener(ln, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantOwn(t, "a listener", l)
	p, err := d.FromPacket(pc, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wantOwn(t, "a datagram socket", p)
}

func TestOptionsOfADatagramSocketAreSetWhereTheyAreAskedFor(t *testing.T) {
	d := open(t)
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	names := map[string]int{"broadcast": unix.SO_BROADCAST, "address": unix.SO_REUSEADDR, "port": unix.SO_REUSEPORT}
	for what, spec := range map[string]driver.PacketSpec{
		"none":      {Local: local},
		"broadcast": {Local: local, Broadcast: true},
		"address":   {Local: local, ReuseAddr: true},
		"port":      {Local: local, ReusePort: true},
	} {
		p, err := d.OpenPacket(spec, &seen{})
		if err != nil {
			t.Fatal(err)
		}
		wantOwn(t, "a datagram socket", p)
		for name, number := range names {
			if got := option(t, p, unix.SOL_SOCKET, number) != 0; got != (name == what) {
				t.Errorf("%s: %s is %v", what, name, got)
			}
		}
		p.Close()
	}
	for _, only := range []bool{false, true} {
		p, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv6unspecified}, V6Only: only}, &seen{})
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Skip("no IPv6 here: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := option(t, p, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) != 0; got != only {
			t.Errorf("IPv6 only is %v, want %v", got, only)
		}
		p.Close()
	}
}

var errControl = errors.New("no such socket, please")

func TestWhatFailsToOpenLeavesNoDescriptor(t *testing.T) {
	d := open(t)
	refuse := func(string, string, syscall.RawConn) error { return errControl }
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := nextDescriptor(t)
	for what, open := range map[string]func() error{
		"a listener that is refused": func() error {
			_, err := d.Listen(driver.ListenSpec{Addr: loopback, Control: refuse}, &seen{})
			return err
		},
		"a listener where one is": func() error {
			_, err := d.Listen(driver.ListenSpec{Addr: taken.Addr()}, &seen{})
			return err
		},
		"a connection that is refused": func() error {
			_, err := d.Dial(driver.DialSpec{Remote: taken.Addr(), Control: refuse}, &seen{})
			return err
		},
		"a datagram socket that is refused": func() error {
			_, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, Control: refuse}, &seen{})
			return err
		},
		"a connection from an address of others": func() error {
			_, err := d.Dial(driver.DialSpec{Remote: taken.Addr(), Local: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}}, &seen{})
			return err
		},
	} {
		if err := open(); err == nil {
			t.Errorf("%s: it was opened", what)
		}
		if after := nextDescriptor(t); after != before {
			t.Errorf("%s: descriptor %d is in use", what, before)
			before = after
		}
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

func TestWhatAListenerThatWasTakenOverAcceptsSendsAtOnce(t *testing.T) {
	d := open(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var s seen
	l, err := d.FromListener(ln, &s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	until(t, d, func() bool { return s.events&driver.Readable != 0 })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantOwn(t, "the connection", c)
	if option(t, c, unix.IPPROTO_TCP, unix.TCP_NODELAY) == 0 {
		t.Error("the connection waits with what is small")
	}
	if c.RemoteAddr().String() != peer.LocalAddr().String() || c.LocalAddr().String() != peer.RemoteAddr().String() {
		t.Errorf("it is from %v to %v", c.RemoteAddr(), c.LocalAddr())
	}
}

// A socket of both families sees the addresses of IPv4 as Go writes them: in four
// bytes, so that they can be compared.
func TestAnAddressOfIPv4HasFourBytesOnASocketOfBothFamilies(t *testing.T) {
	d := open(t)
	var s seen
	p, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv6unspecified}}, &s)
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	defer p.Close()
	port := p.LocalAddr().(*net.UDPAddr).Port
	peer, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	peer.Write([]byte("x"))
	until(t, d, func() bool { return s.events&driver.Readable != 0 })
	n, from, err := p.ReadFrom(make([]byte, 10))
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if ip := from.(*net.UDPAddr).IP; len(ip) != net.IPv4len || !ip.Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("the address has %d bytes: %v", len(ip), from)
	}
	if n, err := p.WriteTo([]byte("back"), from); n != 4 || err != nil {
		t.Errorf("the answer: %d, %v", n, err)
	}
}

func TestNothingIsSentToWhatIsNoAddressOfADatagramSocket(t *testing.T) {
	d := open(t)
	p, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}}, &seen{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n, err := p.WriteTo([]byte("x"), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}); n != 0 || err == nil {
		t.Errorf("to an address of TCP: %d, %v", n, err)
	}
	if n, err := p.WriteTo([]byte("x"), nil); n != 0 || !errors.Is(err, unix.EDESTADDRREQ) {
		t.Errorf("to nobody: %d, %v", n, err)
	}
	if n, err := p.WriteTo(make([]byte, 1<<17), p.LocalAddr()); n != 0 || !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("too much: %d, %v", n, err)
	}
}

func TestAFileThatIsClosedIsNotOpened(t *testing.T) {
	d := open(t)
	r, _ := pipe(t)
	r.Close()
	if c, err := d.OpenFile(r); c != nil || err == nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestADriverHasItsName(t *testing.T) {
	if name := open(t).Name(); name != "epoll" {
		t.Errorf("the name is %q", name)
	}
}
