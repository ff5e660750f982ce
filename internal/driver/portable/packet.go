package portable

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// packet is a datagram socket. A goroutine waits for one datagram, hands it
// over, and ends; ReadFrom starts the next one. Another writes out what is
// pending, as for a connection.
type packet struct {
	source
	pc      net.PacketConn
	network string      // "udp", "unixgram"; empty: not one of net's own
	remote  net.Addr    // nil when not connected
	size    int         // of the buffer to read into
	node    os.FileInfo // a unix socket's node in the file system, to remove; or nil
	in      packetReader
	out     packetWriter
}

// packetReader is the reading side. waiter and got belong to the goroutine from
// when busy is set until done is, and to the loop otherwise.
type packetReader struct {
	waiter
	busy bool
	done atomic.Bool
	got  struct {
		buf  []byte
		n    int
		from net.Addr
		err  error
	}
}

// packetWriter is the writing side. mu guards all of it.
type packetWriter struct {
	mu      sync.Mutex
	pending []outgoing
	size    int   // bytes in pending
	busy    bool  // there is a goroutine
	refused bool  // WriteTo found no room
	closing bool  // Close was called: the goroutine closes
	err     error // of a datagram that was sent earlier, to be told once
	timer   *time.Timer
}

// outgoing is a datagram to be sent.
type outgoing struct {
	data []byte
	to   net.Addr // nil: to the remote address
}

const (
	maxPendingPackets = 64
	// The longest datagram that can be read. Those of UDP have at most 65507
	// bytes; those of unix sockets may have more.
	maxPacket     = large
	maxUnixPacket = 256 << 10
)

// OpenPacket implements [driver.Driver]. spec.Control is called before the
// address is bound.
func (d *Driver) OpenPacket(spec driver.PacketSpec, h driver.Handler) (driver.PacketConn, error) {
	at := spec.Local
	if at == nil {
		at = spec.Remote
	}
	network, err := packetNetworkOf(at, spec.V6Only)
	if err != nil {
		return nil, err
	}
	control := func(network, address string, c syscall.RawConn) error {
		if network != "unixgram" {
			if err := setPacketOptions(c, spec); err != nil {
				return err
			}
		}
		if spec.Control != nil {
			return spec.Control(network, address, c)
		}
		return nil
	}
	open := func() (net.PacketConn, error) { return openPacket(network, spec, control) }
	pc, err := open()
	local, unix := spec.Local.(*net.UnixAddr)
	if unix && errors.Is(cause(err), syscall.EADDRINUSE) && removeDead("unixgram", local.Name) {
		pc, err = open()
	}
	if err != nil {
		return nil, cause(err)
	}
	p := d.newPacket(pc, h)
	if unix && local.Name != "" && local.Name[0] != '@' {
		p.node, _ = os.Stat(local.Name)
	}
	return p, nil
}

func openPacket(network string, spec driver.PacketSpec, control driver.Control) (net.PacketConn, error) {
	if spec.Remote == nil {
		config := net.ListenConfig{Control: control}
		return config.ListenPacket(context.Background(), network, spec.Local.String())
	}
	// A datagram socket is connected at once: the system only notes the address.
	dialer := net.Dialer{LocalAddr: spec.Local, Control: control}
	nc, err := dialer.Dial(network, spec.Remote.String())
	if err != nil {
		return nil, err
	}
	return nc.(net.PacketConn), nil
}

// packetNetworkOf returns the network that serves addr's family and no other.
func packetNetworkOf(addr net.Addr, v6only bool) (string, error) {
	switch a := addr.(type) {
	case *net.UDPAddr:
		switch {
		case a.IP == nil || a.IP.Equal(net.IPv6unspecified) && !v6only:
			return "udp", nil
		case a.IP.To4() != nil:
			return "udp4", nil
		default:
			return "udp6", nil
		}
	case *net.UnixAddr:
		return "unixgram", nil
	case nil:
		return "", &net.AddrError{Err: "missing address"}
	}
	return "", net.UnknownNetworkError(addr.Network())
}

// FromPacket implements [driver.Driver]. It takes any datagram socket. While a
// datagram is awaited from one that is neither a [net.UDPConn] nor a
// [net.UnixConn] a buffer is held.
func (d *Driver) FromPacket(pc net.PacketConn, h driver.Handler) (driver.PacketConn, error) {
	if u, ok := pc.(*net.UnixConn); ok && u.LocalAddr().Network() != "unixgram" {
		_ = pc.Close()
		return nil, fmt.Errorf("take over a datagram socket of %s: %w", u.LocalAddr().Network(), errors.ErrUnsupported)
	}
	if err := usedUp(pc); err != nil {
		return nil, err
	}
	return d.newPacket(pc, h), nil
}

func (d *Driver) newPacket(pc net.PacketConn, h driver.Handler) *packet {
	p := &packet{source: source{d: d, handler: h}, pc: pc, size: maxPacket}
	switch pc := pc.(type) {
	case *net.UDPConn:
		p.in.raw, _ = pc.SyscallConn()
		p.network, p.remote = "udp", pc.RemoteAddr()
	case *net.UnixConn:
		p.in.raw, _ = pc.SyscallConn()
		p.network, p.remote = "unixgram", pc.RemoteAddr()
		p.size = maxUnixPacket
	}
	d.keep(p)
	p.fill()
	return p
}

// ReadFrom implements [driver.PacketConn].
func (p *packet) ReadFrom(b []byte) (int, net.Addr, error) {
	if p.closed {
		return 0, nil, net.ErrClosed
	}
	if err := p.out.takeError(); err != nil {
		return 0, nil, err
	}
	r := &p.in
	if !r.busy || !r.done.Load() {
		p.fill()
		return 0, nil, driver.ErrWouldBlock
	}
	got := r.got
	r.got.buf, r.got.from, r.got.err = nil, nil, nil
	r.busy = false
	r.done.Store(false)
	n := copy(b, got.buf[:got.n])
	p.d.buffers.put(got.buf)
	if got.err != nil {
		return 0, nil, got.err
	}
	if p.remote != nil {
		return n, p.remote, nil
	}
	return n, got.from, nil
}

// fill starts a goroutine that reads, unless there is one.
func (p *packet) fill() {
	if !p.in.busy {
		p.in.busy = true
		p.d.work.Go(p.readOnce)
	}
}

// readOnce runs on a goroutine of its own.
func (p *packet) readOnce() {
	got := &p.in.got
	got.buf, got.n, got.from, got.err = nil, 0, nil, p.in.wait()
	if got.err == nil {
		got.buf = p.buffer()
		got.n, got.from, got.err = p.pc.ReadFrom(got.buf)
		got.from = withName(got.from)
	}
	got.err = cause(got.err)
	p.in.done.Store(true)
	p.post(driver.Readable)
}

func (p *packet) buffer() []byte {
	if p.size > large {
		return make([]byte, p.size)
	}
	return p.d.buffers.get(p.size)
}

// withName returns nil for the address of a unix socket without a name.
func withName(a net.Addr) net.Addr {
	if u, ok := a.(*net.UnixAddr); ok && (u == nil || u.Name == "") {
		return nil
	}
	return a
}

// takeError returns the error of an earlier datagram, once.
func (w *packetWriter) takeError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.err
	w.err = nil
	return err
}

var errNoReceiver = fmt.Errorf("send to nobody from a socket that is not connected: %w", syscall.EDESTADDRREQ)

// WriteTo implements [driver.PacketConn]. It copies b; what comes of it is told
// by a later ReadFrom or WriteTo.
func (p *packet) WriteTo(b []byte, to net.Addr) (int, error) {
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case p.remote != nil && to != nil:
		return 0, fmt.Errorf("send to %v from a socket that is connected: %w", to, syscall.EISCONN)
	case p.remote == nil && to == nil:
		return 0, errNoReceiver
	}
	to, err := p.receiver(to)
	if err != nil {
		return 0, err
	}
	w := &p.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) > 0 && (w.size+len(b) > maxPending || len(w.pending) == maxPendingPackets) {
		w.refused = true
		return 0, driver.ErrWouldBlock
	}
	w.pending = append(w.pending, outgoing{append([]byte(nil), b...), to})
	w.size += len(b)
	if !w.busy {
		w.busy = true
		p.d.work.Go(p.writeOut)
	}
	return len(b), nil
}

// receiver returns to as net wants it.
func (p *packet) receiver(to net.Addr) (net.Addr, error) {
	ok := true
	switch a := to.(type) {
	case nil:
	case *net.UDPAddr:
		ok = p.network != "unixgram"
	case *net.UnixAddr:
		ok = p.network != "udp"
		to = &net.UnixAddr{Name: a.Name, Net: "unixgram"}
	default:
		ok = p.network == ""
	}
	if !ok {
		return nil, &net.AddrError{Err: "an address of another family than that of the socket", Addr: to.String()}
	}
	return to, nil
}

// writeOut runs on a goroutine of its own.
func (p *packet) writeOut() {
	w := &p.out
	w.mu.Lock()
	for len(w.pending) > 0 {
		all := w.pending
		w.pending, w.size = nil, 0
		if w.refused {
			w.refused = false
			p.post(driver.Writable)
		}
		w.mu.Unlock()
		for _, o := range all {
			if err := cause(p.send(o)); err != nil {
				w.mu.Lock()
				w.err = err
				w.mu.Unlock()
				p.post(driver.Readable)
			}
		}
		w.mu.Lock()
	}
	w.busy = false
	closing := w.closing
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	if closing {
		_ = p.pc.Close()
	}
}

func (p *packet) send(o outgoing) error {
	if nc, ok := p.pc.(net.Conn); ok && o.to == nil {
		_, err := nc.Write(o.data)
		return err
	}
	_, err := p.pc.WriteTo(o.data, o.to)
	return err
}

// Close implements [driver.PacketConn]. What WriteTo has taken is sent in the
// background, for a bounded time; see [Driver.Linger].
func (p *packet) Close() error {
	if p.closed {
		return net.ErrClosed
	}
	p.closed = true
	p.handler = nil
	p.d.forget(p)
	if p.node != nil {
		name := p.pc.LocalAddr().String()
		if now, err := os.Stat(name); err == nil && os.SameFile(now, p.node) {
			_ = os.Remove(name)
		}
	}
	w := &p.out
	w.mu.Lock()
	if w.busy {
		w.closing = true
		w.timer = time.AfterFunc(p.d.Linger, func() { _ = p.pc.Close() })
		w.mu.Unlock()
		_ = p.pc.SetReadDeadline(longAgo) // what comes now is for nobody
		return nil
	}
	w.mu.Unlock()
	return cause(p.pc.Close())
}

// LocalAddr implements [driver.PacketConn].
func (p *packet) LocalAddr() net.Addr { return withName(p.pc.LocalAddr()) }

// RemoteAddr implements [driver.PacketConn].
func (p *packet) RemoteAddr() net.Addr { return p.remote }

// SyscallConn implements [driver.PacketConn].
func (p *packet) SyscallConn() (syscall.RawConn, error) {
	if p.closed {
		return nil, net.ErrClosed
	}
	return rawConn(p.pc)
}
