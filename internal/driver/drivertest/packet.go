package drivertest

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// post is a datagram socket.
type post struct {
	notes
	driver.PacketConn
}

// Close implements [io.Closer]. Closing again does nothing.
func (p *post) Close() error {
	if p.closed || p.PacketConn == nil {
		return nil
	}
	p.closed = true
	return p.PacketConn.Close()
}

func (r *rig) openPacket(spec driver.PacketSpec) *post {
	r.Helper()
	p, err := r.tryPacket(spec)
	r.must(err)
	return p
}

func (r *rig) tryPacket(spec driver.PacketSpec) (*post, error) {
	p := &post{notes: notes{r: r}}
	c, err := r.d.OpenPacket(spec, p)
	if err != nil {
		return nil, err
	}
	p.PacketConn = c
	r.ends = append(r.ends, p)
	return p, nil
}

// receive waits for a datagram, or an error.
func (p *post) receive() (data []byte, from net.Addr, err error) {
	p.r.Helper()
	b := make([]byte, 64<<10)
	for {
		p.seen = 0
		n, from, err := p.ReadFrom(b)
		if !errors.Is(err, driver.ErrWouldBlock) {
			return b[:n], from, err
		}
		p.r.until("a datagram", func() bool { return p.seen&driver.Readable != 0 })
	}
}

// want waits for the datagram data, and returns its sender.
func (p *post) want(data []byte) net.Addr {
	p.r.Helper()
	got, from, err := p.receive()
	if err != nil || !bytes.Equal(got, data) {
		p.r.Fatalf("received %d bytes and %v, wanted %d", len(got), err, len(data))
	}
	return from
}

// send sends, and waits for room when there is none.
func (p *post) send(data []byte, to net.Addr) {
	p.r.Helper()
	for {
		p.seen &^= driver.Writable
		n, err := p.WriteTo(data, to)
		if !errors.Is(err, driver.ErrWouldBlock) {
			p.r.must(err)
			if n != len(data) {
				p.r.Fatalf("sent %d bytes of %d", n, len(data))
			}
			return
		}
		p.r.until("room for a datagram", func() bool { return p.seen&driver.Writable != 0 })
	}
}

func udpLoopback() *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// unixgramAddr is a name for a unix socket that nobody has.
func (r *rig) unixgramAddr() *net.UnixAddr {
	r.Helper()
	if runtime.GOOS == "windows" {
		r.Skip("no datagrams on unix sockets here")
	}
	return &net.UnixAddr{Net: "unixgram", Name: r.unixAddr().Name}
}

// exchange sends both ways between a socket at addr and one that is connected
// to it, of which client is nil or the address.
func exchange(r *rig, addr, client net.Addr) {
	r.Helper()
	server := r.openPacket(driver.PacketSpec{Local: addr})
	c := r.openPacket(driver.PacketSpec{Local: client, Remote: server.LocalAddr()})
	if server.RemoteAddr() != nil || c.RemoteAddr().String() != server.LocalAddr().String() {
		r.Errorf("the remote addresses are %v and %v", server.RemoteAddr(), c.RemoteAddr())
	}
	for _, size := range []int{5, 0, 1, 9000} {
		c.send(pattern(size), nil)
		from := server.want(pattern(size))
		if from == nil || from.String() != c.LocalAddr().String() {
			r.Fatalf("from %v, and not from %v", from, c.LocalAddr())
		}
		server.send(pattern(size+1), from)
		if from := c.want(pattern(size + 1)); from.String() != server.LocalAddr().String() {
			r.Errorf("from %v, and not from %v", from, server.LocalAddr())
		}
	}
	if _, _, err := server.ReadFrom(make([]byte, 1)); !errors.Is(err, driver.ErrWouldBlock) {
		r.Errorf("after the last one, reading gave %v", err)
	}
	if _, err := c.WriteTo(nil, server.LocalAddr()); !errors.Is(err, syscall.EISCONN) {
		r.Errorf("sending elsewhere from a connected socket gave %v", err)
	}
	if _, err := server.WriteTo(nil, nil); !errors.Is(err, syscall.EDESTADDRREQ) {
		r.Errorf("sending to nobody gave %v", err)
	}
}

func testPacketUDP(r *rig) { exchange(r, udpLoopback(), nil) }

func testPacketUDP6(r *rig) {
	r.loopback6()
	exchange(r, &net.UDPAddr{IP: net.IPv6loopback}, nil)
}

func testPacketUnix(r *rig) { exchange(r, r.unixgramAddr(), r.unixgramAddr()) }

// testPacketBothFamilies sends by IPv4 from, and to, a socket of both families.
func testPacketBothFamilies(r *rig) {
	r.loopback6()
	both := r.openPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv6unspecified}})
	four := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	both.send([]byte("question"), four.LocalAddr())
	from := four.want([]byte("question"))
	four.send([]byte("answer"), from)
	if from := both.want([]byte("answer")); from.String() != four.LocalAddr().String() {
		r.Errorf("from %v, and not from %v", from, four.LocalAddr())
	}
	idle := r.openPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv6unspecified}})
	port := idle.LocalAddr().(*net.UDPAddr).Port
	r.must(idle.Close())
	six := r.openPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv6unspecified, Port: port}, V6Only: true})
	r.openPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4zero, Port: port}}) // beside it
	r.must(six.Close())
}

func testPacketIsCut(r *rig) {
	server := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	c := r.openPacket(driver.PacketSpec{Remote: server.LocalAddr()})
	c.send(pattern(100), nil)
	c.send([]byte("next"), nil)
	r.until("a datagram", func() bool { return server.seen&driver.Readable != 0 })
	b := make([]byte, 10)
	n, _, err := server.ReadFrom(b)
	if errors.Is(err, driver.ErrWouldBlock) || n != 10 || !bytes.Equal(b, pattern(100)[:10]) {
		r.Errorf("read %d bytes, %v", n, err)
	}
	server.want([]byte("next"))
}

func testPacketTooLong(r *rig) {
	server := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	c := r.openPacket(driver.PacketSpec{Remote: server.LocalAddr()})
	_, err := c.WriteTo(make([]byte, 70_000), nil)
	if err == nil { // it is told later
		_, _, err = c.receive()
	}
	if !errors.Is(err, syscall.EMSGSIZE) && runtime.GOOS != "windows" {
		r.Errorf("a datagram too long gave %v", err)
	}
	c.send([]byte("short"), nil)
	server.want([]byte("short"))
}

// testPacketRefused sends to where nobody is.
func testPacketRefused(r *rig) {
	server := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	addr := server.LocalAddr()
	c := r.openPacket(driver.PacketSpec{Remote: addr}) // later it could have the server's port
	r.must(server.Close())
	c.send([]byte("x"), nil)
	if _, _, err := c.receive(); !errors.Is(err, syscall.ECONNREFUSED) && runtime.GOOS != "windows" {
		r.Fatalf("reading gave %v", err)
	}
	// That was no end: somebody may come.
	server = r.openPacket(driver.PacketSpec{Local: addr})
	c.send([]byte("again"), nil)
	server.want([]byte("again"))
}

// testPacketNoRoom sends to one who does not read until there is no room.
func testPacketNoRoom(r *rig) {
	server := r.openPacket(driver.PacketSpec{Local: r.unixgramAddr()})
	c := r.openPacket(driver.PacketSpec{Remote: server.LocalAddr()})
	sent := 0
	for {
		c.seen = 0
		if _, err := c.WriteTo(pattern(1000), nil); errors.Is(err, driver.ErrWouldBlock) {
			break
		} else if err != nil {
			r.Fatal(err)
		}
		if sent++; sent > 100_000 {
			r.Fatal("there is room without end")
		}
	}
	for range sent {
		server.want(pattern(1000))
	}
	r.until("room for a datagram", func() bool { return c.seen&driver.Writable != 0 })
	c.send([]byte("last"), nil)
	server.want([]byte("last"))
}

func testPacketBroadcast(r *rig) {
	if runtime.GOOS != "linux" {
		r.Skip("a broadcast within the machine is Linux's")
	}
	server := r.openPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4zero}})
	to := &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: server.LocalAddr().(*net.UDPAddr).Port}
	c := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	_, err := c.WriteTo([]byte("x"), to)
	if err == nil {
		_, _, err = c.receive()
	}
	if !errors.Is(err, syscall.EACCES) {
		r.Errorf("a broadcast from a socket without leave gave %v", err)
	}
	c = r.openPacket(driver.PacketSpec{Local: udpLoopback(), Broadcast: true})
	c.send([]byte("to all"), to)
	server.want([]byte("to all"))
}

func testPacketReuse(r *rig) {
	one, err := r.tryPacket(driver.PacketSpec{Local: udpLoopback(), ReusePort: true})
	if errors.Is(err, errors.ErrUnsupported) {
		r.Skip(err)
	}
	r.must(err)
	other := r.openPacket(driver.PacketSpec{Local: one.LocalAddr(), ReusePort: true})
	r.must(one.Close())
	if _, err := r.tryPacket(driver.PacketSpec{Local: other.LocalAddr()}); !errors.Is(err, syscall.EADDRINUSE) {
		r.Errorf("a used address gave %v", err)
	}
	c := r.openPacket(driver.PacketSpec{Remote: other.LocalAddr()})
	c.send([]byte("x"), nil)
	other.want([]byte("x"))

	group := driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4zero}, ReuseAddr: true}
	first := r.openPacket(group)
	group.Local = &net.UDPAddr{IP: net.IPv4zero, Port: first.LocalAddr().(*net.UDPAddr).Port}
	r.openPacket(group)
}

func testPacketUnixNode(r *rig) {
	addr := r.unixgramAddr()
	leave, err := r.machine.Occupy(addr)
	r.must(err)
	if _, err := r.tryPacket(driver.PacketSpec{Local: addr}); !errors.Is(err, syscall.EADDRINUSE) {
		r.Errorf("a used address gave %v", err)
	}
	r.must(leave())
	p := r.openPacket(driver.PacketSpec{Local: addr})
	c := r.openPacket(driver.PacketSpec{Remote: addr})
	c.send([]byte("x"), nil)
	if from := p.want([]byte("x")); from != nil {
		r.Errorf("from %v, which has no name", from)
	}
	r.must(p.Close())
	if _, err := r.machine.Nodes().Lstat(addr.Name); !errors.Is(err, fs.ErrNotExist) {
		r.Errorf("the node is still there: %v", err)
	}
	file := filepath.Join(filepath.Dir(addr.Name), "f")
	r.must(r.machine.Nodes().WriteFile(file, []byte("precious"), 0o600))
	if _, err := r.tryPacket(driver.PacketSpec{Local: &net.UnixAddr{Net: "unixgram", Name: file}}); err == nil {
		r.Error("a socket took the place of a file")
	}
}

// testPacketUnixErrors sends to who does not take it.
func testPacketUnixErrors(r *rig) {
	if runtime.GOOS != "linux" {
		r.Skip("these errors are Linux's")
	}
	check := func(what string, err error, want syscall.Errno) {
		r.Helper()
		if !errors.Is(err, want) {
			r.Errorf("%s gave %v, wanted %v", what, err, want)
		}
	}
	server := r.openPacket(driver.PacketSpec{Local: r.unixgramAddr()})
	c := r.openPacket(driver.PacketSpec{Remote: server.LocalAddr()})
	other := r.openPacket(driver.PacketSpec{Local: r.unixgramAddr()})
	own := r.openPacket(driver.PacketSpec{Local: r.unixgramAddr(), Remote: server.LocalAddr()})
	send := func(p *post, size int, to net.Addr) error {
		_, err := p.WriteTo(make([]byte, size), to)
		if err == nil { // it is told later
			_, _, err = p.receive()
		}
		return err
	}
	check("a datagram too long", send(c, 1<<20, nil), syscall.EMSGSIZE)
	check("sending to one who hears another", send(other, 1, own.LocalAddr()), syscall.EPERM)
	check("sending to a name that is not there", send(other, 1, r.unixgramAddr()), syscall.ENOENT)
	dead := r.unixgramAddr()
	leave, err := r.machine.Occupy(dead)
	r.must(err)
	r.must(leave())
	check("sending to a dead node", send(other, 1, dead), syscall.ECONNREFUSED)
	stream := r.listen(driver.ListenSpec{Addr: r.unixAddr()})
	check("sending to a stream's listener", send(other, 1, &net.UnixAddr{Net: "unixgram", Name: stream.Addr().String()}), syscall.EPROTOTYPE)
	_, err = r.tryPacket(driver.PacketSpec{Remote: &net.UnixAddr{Net: "unixgram", Name: stream.Addr().String()}})
	check("connecting to a stream's listener", err, syscall.EPROTOTYPE)
	check("connecting a stream to a datagram socket", r.dialError(driver.DialSpec{Remote: &net.UnixAddr{Net: "unix", Name: server.LocalAddr().String()}}), syscall.EPROTOTYPE)
	r.must(server.Close())
	check("sending to one that is closed", send(c, 1, nil), syscall.ECONNREFUSED)
	check("sending to it again", send(c, 1, nil), syscall.ENOTCONN)
}

func testPacketBadAddress(r *rig) {
	for _, spec := range []driver.PacketSpec{
		{}, {Local: loopback()}, {Remote: loopback()},
		{Local: &net.UDPAddr{IP: net.IPv6loopback}, Remote: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}},
	} {
		if _, err := r.tryPacket(spec); err == nil {
			r.Errorf("%+v was opened", spec)
		}
	}
	p := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	for _, to := range []net.Addr{loopback(), &net.UnixAddr{Name: "x", Net: "unixgram"}} {
		if _, err := p.WriteTo(nil, to); !errors.As(err, new(*net.AddrError)) && err == nil {
			r.Errorf("sending to %v of %T gave no error", to, to)
		}
	}
}

func testPacketControl(r *rig) {
	var called string
	spec := driver.PacketSpec{Local: udpLoopback(), Control: func(network, address string, c syscall.RawConn) error {
		called = network + " " + address
		return r.hasDescriptor(c)
	}}
	p := r.openPacket(spec)
	if called != "udp4 127.0.0.1:0" {
		r.Errorf("it was called with %q", called)
	}
	if raw, err := p.SyscallConn(); err == nil {
		r.must(r.hasDescriptor(raw))
	} else if _, lacking := r.lacks[Descriptors]; !lacking {
		r.Error(err)
	}
	wrong := errors.New("wrong")
	spec.Control = func(string, string, syscall.RawConn) error { return wrong }
	if _, err := r.tryPacket(spec); !errors.Is(err, wrong) {
		r.Errorf("opening gave %v", err)
	}
}

func testPacketTakeOver(r *rig) {
	pc, err := net.ListenUDP("udp4", udpLoopback())
	r.must(err)
	p := &post{notes: notes{r: r}}
	p.PacketConn, err = r.d.FromPacket(pc, p)
	r.must(err)
	r.ends = append(r.ends, p)
	nc, err := net.DialUDP("udp4", nil, p.LocalAddr().(*net.UDPAddr))
	r.must(err)
	c := &post{notes: notes{r: r}}
	local := nc.LocalAddr().String()
	c.PacketConn, err = r.d.FromPacket(nc, c)
	r.must(err)
	r.ends = append(r.ends, c)
	c.send([]byte("question"), nil)
	from := p.want([]byte("question"))
	if from.String() != local {
		r.Errorf("from %v, and not from %v", from, local)
	}
	p.send([]byte("answer"), from)
	c.want([]byte("answer"))
}

func testPacketClose(r *rig) {
	p := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	c := r.openPacket(driver.PacketSpec{Remote: p.LocalAddr()})
	for range 10 {
		c.send([]byte("pending"), nil)
	}
	r.must(p.Close())
	if n, from, err := p.ReadFrom(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || n != 0 || from != nil {
		r.Errorf("reading gave %d, %v, %v", n, from, err)
	}
	if n, err := p.WriteTo(nil, c.LocalAddr()); !errors.Is(err, net.ErrClosed) || n != 0 {
		r.Errorf("sending gave %d, %v", n, err)
	}
	if _, err := p.SyscallConn(); !errors.Is(err, net.ErrClosed) {
		r.Errorf("SyscallConn gave %v", err)
	}
	if err := p.PacketConn.Close(); !errors.Is(err, net.ErrClosed) {
		r.Errorf("closing again gave %v", err)
	}
	// Its events, if any, would come before this.
	q := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	c2 := r.openPacket(driver.PacketSpec{Remote: q.LocalAddr()})
	c2.send([]byte("x"), nil)
	q.want([]byte("x"))
}
