package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A DatagramTransport is a datagram socket as its [DatagramProtocol] sees it.
// All methods are for the loop's goroutine, in a callback or a task; none of
// them waits, and none calls the protocol: what follows from them is told in a
// later turn. Python: DatagramTransport.
type DatagramTransport interface {
	// SendTo sends p, which may be empty, as one datagram to the address, a
	// *net.UDPAddr or a *net.UnixAddr; nil is the remote address of a connected
	// endpoint, which takes no other. What the kernel does not take at once is
	// copied and queued; PauseWriting asks to stop. It never waits.
	//
	// The error is that of the call: the transport is closed, or the address is
	// not one that it can send to. What the network does to the datagram is
	// told by ErrorReceived, if at all. Python: sendto.
	//
	// What is sent, while DatagramReceived is told of datagrams that have come
	// together, to the sender of the one that it is told of may leave together
	// with other such answers, behind what other endpoints have sent meanwhile, and
	// at the latest when the last of them was told. It waits for no others where
	// the calls take longer than some microseconds, nor after SyscallConn.
	SendTo(p []byte, to net.Addr) error
	// SendBatch sends datagrams in their order, each as SendTo does, with fewer
	// calls of the system's: on Linux one for many, and less for those of one
	// length to one receiver. It returns how many it has sent or queued; if not
	// all, the error is what SendTo would have returned for the next one. It
	// copies what it keeps. Python: none.
	SendBatch(batch []Datagram) (n int, err error)

	// Close stops receiving and closes the socket after what is queued.
	// ConnectionLost follows, with nil. Closing twice does nothing. Python:
	// close.
	Close()
	// Abort closes the socket at once and drops what is queued. ConnectionLost
	// follows, with nil. Python: abort.
	Abort()
	// IsClosing reports whether the socket is closed or closes. Python:
	// is_closing.
	IsClosing() bool

	// SetProtocol makes p be told what follows. Python: set_protocol.
	SetProtocol(p DatagramProtocol)
	// Protocol returns the protocol. Python: get_protocol.
	Protocol() DatagramProtocol

	// SetWriteBufferLimits sets the water marks, in bytes, as that of a
	// [Transport] does. Python: set_write_buffer_limits.
	SetWriteBufferLimits(low, high int)
	// WriteBufferLimits returns the water marks. Python:
	// get_write_buffer_limits.
	WriteBufferLimits() (low, high int)
	// WriteBufferSize returns the number of bytes that are queued, with eight
	// more for each datagram: so empty ones are counted too. Python:
	// get_write_buffer_size.
	WriteBufferSize() int

	// LocalAddr returns this side's address; nil for a unix socket without a
	// name. Python: get_extra_info('sockname').
	LocalAddr() net.Addr
	// RemoteAddr returns the address that a connected endpoint sends to, or nil.
	// Python: get_extra_info('peername').
	RemoteAddr() net.Addr
	// SyscallConn gives access to the descriptor, for options of the system's.
	// It is not to be read from, written to or closed. Python:
	// get_extra_info('socket').
	SyscallConn() (syscall.RawConn, error)
	// Loop returns the transport's loop.
	Loop() *Loop
}

// A DatagramProtocol is told what happens to a datagram endpoint. The loop
// calls it from its ready queue, on its goroutine, one call at a time, and
// never inside a call of the transport's: ConnectionMade first, ConnectionLost
// last, and the others any number of times between. The methods must not wait.
// One that panics ends its endpoint. Python: DatagramProtocol.
type DatagramProtocol interface {
	// ConnectionMade is called when the socket is open. Python:
	// connection_made.
	ConnectionMade(t DatagramTransport)
	// DatagramReceived is called with each datagram and its sender, which is
	// nil for a unix socket without a name. The slice belongs to the loop and
	// is valid during the call; the address may be kept and is not to be
	// changed. Datagrams longer than 64 KiB, on unix sockets 256, are cut.
	// Python: datagram_received.
	DatagramReceived(data []byte, from net.Addr)
	// ErrorReceived is called when a datagram could not be sent, or a connected
	// endpoint is told that nobody is there (syscall.ECONNREFUSED). The
	// endpoint goes on. Python: error_received.
	ErrorReceived(err error)
	// ConnectionLost is called when the socket is closed: with nil after Close
	// or Abort, otherwise with the reason. Python: connection_lost.
	ConnectionLost(err error)
	// PauseWriting is called when more is queued than the high-water mark.
	// Python: pause_writing.
	PauseWriting()
	// ResumeWriting is called when the queue has sunk to the low-water mark.
	// Python: resume_writing.
	ResumeWriting()
}

// BaseDatagramProtocol does nothing in each method of a [DatagramProtocol].
// Embed it for the methods that are not needed. Python: the base class's
// methods.
type BaseDatagramProtocol struct{}

var _ DatagramProtocol = BaseDatagramProtocol{}

// ConnectionMade does nothing.
func (BaseDatagramProtocol) ConnectionMade(DatagramTransport) {}

// DatagramReceived does nothing.
func (BaseDatagramProtocol) DatagramReceived([]byte, net.Addr) {}

// ErrorReceived does nothing.
func (BaseDatagramProtocol) ErrorReceived(error) {}

// ConnectionLost does nothing.
func (BaseDatagramProtocol) ConnectionLost(error) {}

// PauseWriting does nothing.
func (BaseDatagramProtocol) PauseWriting() {}

// ResumeWriting does nothing.
func (BaseDatagramProtocol) ResumeWriting() {}

// CreateDatagramEndpoint opens a datagram socket and gives it to the protocol
// that factory makes. The network is "udp", "udp4", "udp6" or "unixgram".
//
// [WithLocalAddr] says where to receive, [WithRemoteAddr] whom alone to
// send to and to hear from. A UDP endpoint with neither receives at a port that
// the system chooses. When a name has several addresses the first that works is
// taken.
//
// It returns when ConnectionMade was called. It is for a task of the loop.
// Python: loop.create_datagram_endpoint.
func (l *Loop) CreateDatagramEndpoint(ctx context.Context, network string, factory func() DatagramProtocol, opts ...DatagramOption) (DatagramTransport, DatagramProtocol, error) {
	tr, err := createDatagramEndpoint(ctx, l, network, factory, opts)
	if err != nil {
		return nil, nil, err
	}
	return tr, tr.protocol, nil
}

// createDatagramEndpoint is CreateDatagramEndpoint for a task of l, or of any loop
// where that is nil.
func createDatagramEndpoint(ctx context.Context, l *Loop, network string, factory func() DatagramProtocol, opts []DatagramOption) (*datagramTransport, error) {
	var o datagramOptions
	for _, opt := range opts {
		opt.applyDatagram(&o)
	}
	task, level, err := enter(ctx)
	if err == nil && l != nil && task.loop != l {
		err = ErrWrongLoop
	}
	if err != nil {
		if o.conn != nil {
			_ = o.conn.Close()
		}
		return nil, err
	}
	tr := newDatagramTransport(task.loop)
	if err := tr.open(task, level, network, factory, &o); err != nil {
		return nil, &net.OpError{Op: "open", Net: network, Addr: o.text(network), Err: err}
	}
	tr.waiter = &future{loop: task.loop}
	tr.schedule()
	if err := task.wait(tr.waiter, level); err != nil {
		tr.waiter = nil
		tr.finish(nil)
		return nil, err
	}
	return tr, nil
}

// open gives the transport its socket and its protocol.
func (t *datagramTransport) open(task *task, level context.Context, network string, factory func() DatagramProtocol, o *datagramOptions) error {
	conn, err := o.open(task, level, network, t)
	if err != nil {
		return err
	}
	opened := false
	defer func() {
		if !opened { // factory may have panicked
			_ = conn.Close()
		}
	}()
	for _, g := range o.groups {
		if err := g.join(conn); err != nil {
			return err
		}
	}
	if t.protocol = factory(); t.protocol == nil {
		return errors.New("the factory gave no protocol")
	}
	t.attach(conn)
	opened = true
	return nil
}

// open opens the socket at the first addresses that work.
func (o *datagramOptions) open(t *task, level context.Context, network string, h driver.Handler) (driver.PacketConn, error) {
	if o.conn != nil {
		return t.loop.driver.FromPacket(o.conn, h)
	}
	specs, err := o.specs(t, level, network)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, spec := range specs {
		conn, err := t.loop.driver.OpenPacket(spec, h)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, fmt.Errorf("all %d addresses failed: %w", len(errs), errors.Join(errs...))
}

// specs returns the sockets to try, in their order.
func (o *datagramOptions) specs(t *task, level context.Context, network string) ([]driver.PacketSpec, error) {
	base := driver.PacketSpec{
		Broadcast: o.broadcast,
		ReuseAddr: len(o.groups) > 0,
		ReusePort: o.reusePort,
		Control:   o.control,
		V6Only:    network == "udp6",
	}
	switch network {
	case "udp", "udp4", "udp6":
	case "unixgram":
		if o.local == nil && o.remote == nil {
			return nil, &net.AddrError{Err: "missing address"}
		}
		if o.local != nil {
			base.Local = &net.UnixAddr{Name: *o.local, Net: network}
		}
		if o.remote != nil {
			base.Remote = &net.UnixAddr{Name: *o.remote, Net: network}
		}
		return []driver.PacketSpec{base}, nil
	default:
		return nil, net.UnknownNetworkError(network)
	}
	locals, err := o.locals(t, level, network)
	if err != nil {
		return nil, err
	}
	if o.remote == nil {
		specs := make([]driver.PacketSpec, len(locals))
		for i, local := range locals {
			specs[i] = base
			specs[i].Local = local
		}
		return specs, nil
	}
	remotes, err := o.udpAddrs(t, level, network, *o.remote)
	if err != nil {
		return nil, err
	}
	return pairSpecs(base, locals, remotes)
}

// pairSpecs gives each remote address its local ones, of the same family.
func pairSpecs(base driver.PacketSpec, locals, remotes []*net.UDPAddr) ([]driver.PacketSpec, error) {
	var specs []driver.PacketSpec
	for _, remote := range remotes {
		base.Remote = remote
		if locals == nil {
			specs = append(specs, base)
		}
		for _, local := range locals {
			if (local.IP.To4() == nil) == (remote.IP.To4() == nil) {
				spec := base
				spec.Local = local
				specs = append(specs, spec)
			}
		}
	}
	if len(specs) == 0 {
		return nil, errors.New("the local and the remote address are of different families")
	}
	return specs, nil
}

// locals returns the addresses to receive at; nil when that is any and there is a
// remote address.
func (o *datagramOptions) locals(t *task, level context.Context, network string) ([]*net.UDPAddr, error) {
	address := ":0"
	switch {
	case o.local != nil:
		address = *o.local
	case o.remote != nil:
		return nil, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil || host != "" {
		return o.udpAddrs(t, level, network, address)
	}
	so := o.resolving()
	port, err := so.lookupPort(t, level, network, service)
	if err != nil {
		return nil, err
	}
	six := &net.UDPAddr{IP: net.IPv6unspecified, Port: port} // which takes IPv4 as well
	four := &net.UDPAddr{IP: net.IPv4zero, Port: port}
	switch {
	case network == "udp" && o.remote != nil:
		return []*net.UDPAddr{six, four}, nil
	case network == "udp4" || network == "udp" && !t.loop.hasIPv6():
		return []*net.UDPAddr{four}, nil
	}
	return []*net.UDPAddr{six}, nil
}

func (o *datagramOptions) udpAddrs(t *task, level context.Context, network, address string) ([]*net.UDPAddr, error) {
	so := o.resolving()
	found, err := so.lookupAddress(t, level, network, address)
	if err != nil {
		return nil, err
	}
	addrs := make([]*net.UDPAddr, len(found))
	for i, a := range found {
		addrs[i] = net.UDPAddrFromAddrPort(a)
	}
	return addrs, nil
}
