package drivertest

import (
	"errors"
	"io/fs"
	"net"
	"runtime"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/addresstest"
	"github.com/asyncio-go/asyncio/internal/driver"
)

func testRefused(r *rig) {
	// At an address of this process alone: others take each port that is free.
	h := r.listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.ParseIP(addresstest.Host())}})
	addr := h.Addr()
	r.must(h.Close())
	if err := r.dialError(driver.DialSpec{Remote: addr}); !errors.Is(err, syscall.ECONNREFUSED) {
		r.Errorf("connecting gave %v", err)
	}
}

func testUnixRefused(r *rig) {
	addr := r.unixAddr()
	if err := r.dialError(driver.DialSpec{Remote: addr}); !errors.Is(err, fs.ErrNotExist) && runtime.GOOS != "windows" {
		r.Errorf("connecting to a name that is not there gave %v", err)
	} else if err == nil {
		r.Error("connected to a name that is not there")
	}
	leaveDeadNode(r, addr)
	if err := r.dialError(driver.DialSpec{Remote: addr}); !errors.Is(err, syscall.ECONNREFUSED) {
		r.Errorf("connecting to a dead node gave %v", err)
	}
}

// leaveDeadNode makes a node at which nobody listens.
func leaveDeadNode(r *rig, addr *net.UnixAddr) {
	r.Helper()
	leave, err := r.machine.Occupy(addr)
	r.must(err)
	r.must(leave())
}

func testLocalAddress(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	free := r.listen(driver.ListenSpec{Addr: loopback()})
	local := free.Addr().(*net.TCPAddr)
	r.must(free.Close())
	c := r.dial(driver.DialSpec{Remote: h.Addr(), Local: local}).connected()
	if got := c.LocalAddr().String(); got != local.String() {
		r.Errorf("connected from %s, wanted %s", got, local)
	}
	if got := h.accept().RemoteAddr().String(); got != local.String() {
		r.Errorf("accepted from %s, wanted %s", got, local)
	}
	other := &net.TCPAddr{IP: net.IPv6loopback}
	if err := r.dialError(driver.DialSpec{Remote: h.Addr(), Local: other}); err == nil {
		r.Error("connected from an address of another family")
	}
}

func testBadAddress(r *rig) {
	for _, addr := range []net.Addr{nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}} {
		if _, err := r.d.Dial(driver.DialSpec{Remote: addr}, r.newEnd()); err == nil {
			r.Errorf("connecting to %v began", addr)
		}
		if _, err := r.tryListen(driver.ListenSpec{Addr: addr}); err == nil {
			r.Errorf("listening at %v began", addr)
		}
	}
}

func testCloseConnecting(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	for range 20 {
		c := r.dial(driver.DialSpec{Remote: h.Addr()})
		r.must(c.Close())
		if err := c.ConnectError(); !errors.Is(err, net.ErrClosed) {
			r.Fatalf("after Close, connecting gave %v", err)
		}
	}
	// The events of those, if any, would come with these.
	c := r.dial(driver.DialSpec{Remote: h.Addr()}).connected()
	c.write([]byte("x"))
}

func testControl(r *rig) {
	var listened, dialled string
	control := func(to *string) driver.Control {
		return func(network, address string, c syscall.RawConn) error {
			*to = network + " " + address
			return r.hasDescriptor(c)
		}
	}
	h := r.listen(driver.ListenSpec{Addr: loopback(), Control: control(&listened)})
	c := r.dial(driver.DialSpec{Remote: h.Addr(), Control: control(&dialled)}).connected()
	if want := "tcp4 127.0.0.1:0"; listened != want {
		r.Errorf("listening called it with %q, wanted %q", listened, want)
	}
	if want := "tcp4 " + c.RemoteAddr().String(); dialled != want {
		r.Errorf("connecting called it with %q, wanted %q", dialled, want)
	}
}

// hasDescriptor looks whether a new socket has one, where sockets have.
func (r *rig) hasDescriptor(c syscall.RawConn) error {
	var fd uintptr
	err := c.Control(func(n uintptr) { fd = n })
	if _, lacking := r.lacks[Descriptors]; lacking {
		if !errors.Is(err, errors.ErrUnsupported) {
			r.Errorf("without descriptors, Control gave %v", err)
		}
		return nil
	}
	if err == nil && fd == ^uintptr(0) {
		r.Error("Control was given no descriptor")
	}
	return err
}

func testControlError(r *rig) {
	wrong := errors.New("wrong")
	control := func(string, string, syscall.RawConn) error { return wrong }
	if _, err := r.tryListen(driver.ListenSpec{Addr: loopback(), Control: control}); !errors.Is(err, wrong) {
		r.Errorf("listening gave %v", err)
	}
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	if err := r.dialError(driver.DialSpec{Remote: h.Addr(), Control: control}); !errors.Is(err, wrong) {
		r.Errorf("connecting gave %v", err)
	}
}

func testSyscallConn(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	c := r.dial(driver.DialSpec{Remote: h.Addr()}).connected()
	for _, of := range []syscall.Conn{c, h} {
		raw, err := of.SyscallConn()
		r.must(err)
		called := false
		r.must(raw.Control(func(fd uintptr) { called = fd != ^uintptr(0) }))
		if !called {
			r.Error("Control was given no descriptor")
		}
	}
}

func testAcceptMany(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	const n = 300
	clients := make([]*end, n)
	for i := range clients {
		clients[i] = r.dial(driver.DialSpec{Remote: h.Addr()})
	}
	servers := map[string]*end{}
	for range n {
		s := h.accept()
		servers[s.RemoteAddr().String()] = s
	}
	for i, c := range clients {
		s := servers[c.connected().LocalAddr().String()]
		if s == nil {
			r.Fatalf("connection %d was not accepted", i)
		}
		c.write([]byte{byte(i)})
		p := make([]byte, 2)
		if n, err := s.read(p); n != 1 || err != nil || p[0] != byte(i) {
			r.Fatalf("connection %d read %d bytes, %v, %v", i, n, p, err)
		}
	}
	if _, err := h.Accept(); !errors.Is(err, driver.ErrWouldBlock) {
		r.Errorf("after the last one, accept gave %v", err)
	}
}

func testPeerAddress(r *rig) {
	check := func(at, to net.IP) {
		r.Helper()
		h := r.listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: at}})
		c := r.dial(driver.DialSpec{Remote: &net.TCPAddr{IP: to, Port: h.Addr().(*net.TCPAddr).Port}})
		accepted := h.accept()
		want := c.connected().LocalAddr().(*net.TCPAddr)
		c.Reset()
		r.must(c.Close())
		if _, err := accepted.readAll(); err == nil {
			r.Error("the connection was not reset")
		}
		r.must(accepted.Close())
		got := accepted.RemoteAddr().(*net.TCPAddr)
		if !got.IP.Equal(want.IP) || got.Port != want.Port || got.Zone != want.Zone {
			r.Errorf("the peer was %v, not %v", want, got)
		}
	}
	four := net.IPv4(127, 0, 0, 1)
	check(four, four)
	r.loopback6()
	check(net.IPv6loopback, net.IPv6loopback)
	if runtime.GOOS != "openbsd" { // which has no IPv4 on IPv6 sockets
		check(net.IPv6unspecified, four)
	}
}

func testUsedAddress(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	if _, err := r.tryListen(driver.ListenSpec{Addr: h.Addr()}); !errors.Is(err, syscall.EADDRINUSE) {
		r.Errorf("listening gave %v", err)
	}
	u := r.listen(driver.ListenSpec{Addr: r.unixAddr()})
	if _, err := r.tryListen(driver.ListenSpec{Addr: u.Addr()}); !errors.Is(err, syscall.EADDRINUSE) {
		r.Errorf("listening gave %v", err)
	}
	echoThrough(r, u) // the attempt has not hurt it
}

// echoThrough connects and sends something.
func echoThrough(r *rig, h *host) {
	r.Helper()
	c := r.dial(driver.DialSpec{Remote: h.Addr()})
	c.connected()
	c.write([]byte("x"))
	r.must(c.CloseWrite())
	for {
		s := h.accept()
		if got, err := s.readAll(); err == nil && string(got) == "x" {
			return
		} // else it was a probe, which has gone again
	}
}

func testV6Only(r *rig) {
	r.loopback6()
	// The IPv4 port of the same number may be another program's. The listener stays
	// open then, so that the next one has another port.
	for tries := 10; ; tries-- {
		six := r.listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.IPv6unspecified}, V6Only: true})
		port := six.Addr().(*net.TCPAddr).Port
		four, err := r.tryListen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.IPv4zero, Port: port}})
		if err == nil {
			r.must(six.Close())
			r.must(four.Close())
			break
		}
		if tries == 0 || !errors.Is(err, syscall.EADDRINUSE) {
			r.Fatalf("the IPv4 port beside it: %v", err)
		}
	}

	both := r.listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.IPv6unspecified}})
	port := both.Addr().(*net.TCPAddr).Port
	if err := r.dialError(driver.DialSpec{Remote: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}); err != nil {
		if runtime.GOOS == "openbsd" {
			r.Skip("no IPv4 on IPv6 sockets here")
		}
		r.Errorf("IPv4 to a listener of both: %v", err)
	}
}

func testReusePort(r *rig) {
	one, err := r.tryListen(driver.ListenSpec{Addr: loopback(), ReusePort: true})
	if errors.Is(err, errors.ErrUnsupported) {
		r.Skip(err)
	}
	r.must(err)
	other := r.listen(driver.ListenSpec{Addr: one.Addr(), ReusePort: true})
	r.must(one.Close())
	echoThrough(r, other)
}

func testBacklog(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback(), Backlog: 3})
	echoThrough(r, h)
}

func testUnixNode(r *rig) {
	addr := r.unixAddr()
	h := r.listen(driver.ListenSpec{Addr: addr})
	echoThrough(r, h)
	r.must(h.Close())
	if _, err := r.machine.Nodes().Lstat(addr.Name); !errors.Is(err, fs.ErrNotExist) {
		r.Errorf("the node is still there: %v", err)
	}

	// One that another has put there since is left alone.
	h = r.listen(driver.ListenSpec{Addr: addr})
	r.must(r.machine.Nodes().Rename(addr.Name, addr.Name+"2"))
	r.must(r.machine.Nodes().WriteFile(addr.Name, nil, 0o600))
	r.must(h.Close())
	if _, err := r.machine.Nodes().Lstat(addr.Name); err != nil {
		r.Errorf("another's node was removed: %v", err)
	}
}

func testDeadUnixNode(r *rig) {
	addr := r.unixAddr()
	leaveDeadNode(r, addr)
	echoThrough(r, r.listen(driver.ListenSpec{Addr: addr}))

	file := r.unixAddr()
	r.must(r.machine.Nodes().WriteFile(file.Name, []byte("precious"), 0o600))
	if _, err := r.tryListen(driver.ListenSpec{Addr: file}); err == nil {
		r.Error("listening took the place of a file")
	}
	if _, err := r.machine.Nodes().Lstat(file.Name); err != nil {
		r.Error("a file was removed")
	}
}

func testCloseListener(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	c := r.dial(driver.DialSpec{Remote: h.Addr()}).connected()
	r.must(h.Close()) // with c in its backlog, or accepted by the driver
	if n, err := c.read(make([]byte, 1)); n != 0 || err == nil {
		r.Errorf("read gave %d, %v", n, err)
	}
	if err := r.dialError(driver.DialSpec{Remote: h.Addr()}); !errors.Is(err, syscall.ECONNREFUSED) {
		r.Errorf("connecting gave %v", err)
	}
	// The address is free at once.
	r.listen(driver.ListenSpec{Addr: h.Addr()})
}

// testAcceptAtLimit runs out of descriptors while accepting. The connections
// that are there live on, and those that wait are accepted later.
func testAcceptAtLimit(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	const n = 20
	clients := make([]*end, n)
	for i := range clients {
		clients[i] = r.dial(driver.DialSpec{Remote: h.Addr()}).connected()
	}
	first := h.accept()

	undo, err := r.machine.LimitDescriptors()
	if err != nil {
		r.Skip("the number of descriptors cannot be limited: ", err)
	}
	limited := true
	defer func() {
		if limited {
			r.must(undo())
		}
	}()
	accepted := 1
	for {
		h.seen = 0
		c, err := h.Accept()
		if errors.Is(err, driver.ErrWouldBlock) {
			r.until("a connection to accept", func() bool { return h.seen&driver.Readable != 0 })
			continue
		}
		if err != nil {
			if !errors.Is(err, syscall.EMFILE) {
				r.Fatalf("accept gave %v", err)
			}
			break
		}
		if accepted++; accepted == n {
			r.Fatal("all were accepted, beyond the limit")
		}
		e := r.newEnd()
		e.Conn = c
		r.must(c.Start(e))
	}
	var served *end
	for _, c := range clients {
		if c.LocalAddr().String() == first.RemoteAddr().String() {
			served = c
		}
	}
	served.write([]byte("x"))
	first.readFull(make([]byte, 1))

	limited = false
	r.must(undo())
	for ; accepted < n; accepted++ {
		h.accept()
	}
}

// testConnectToAll connects to the address that stands for all of this machine:
// once it is made, the connection knows to which one.
func testConnectToAll(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	port := h.Addr().(*net.TCPAddr).Port
	c := r.dial(driver.DialSpec{Remote: &net.TCPAddr{IP: net.IPv4zero, Port: port}})
	s := h.accept()
	c.connected()
	if got, want := c.RemoteAddr().String(), h.Addr().String(); got != want {
		r.Errorf("it is connected to %s, want %s", got, want)
	}
	r.must(c.ConnectError()) // again, and there is no news
	if got, want := s.RemoteAddr().String(), c.LocalAddr().String(); got != want {
		r.Errorf("the peer is %s, want %s", got, want)
	}
}
