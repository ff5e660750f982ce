package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A Driver is what a program on a machine has of it: the clock, its sockets, and what
// they have to tell. It never waits: whoever owns the world turns the loops.
type Driver struct {
	*kernel
	exited  bool
	open    []*handle // the program's
	pending []*handle // what has something to tell, in the order in which it happened
	telling []*handle // what pending was, for reuse
	signals map[os.Signal]*signalHandle

	PID         int // the program's number, of those that its machine has started
	Descriptors int // how many it may have open; 0: no bound
	names       int // that NewName has returned

	skew, shown time.Duration
}

// A kernel is a machine from its start to its crash: what its programs have in common.
type kernel struct {
	machine *Machine
	net     *Network
	dead    bool // the machine has crashed
	drivers []*Driver
	started int // programs

	listeners map[uint16][]*listener
	unix      map[any]any    // unix sockets by node, or by name where that is abstract: a *listener or a *unixPacket
	used      map[uint16]int // local ports of connections
	packets   map[uint16][]*packetConn
	nextPort  uint16
}

var (
	_ driver.Driver   = (*Driver)(nil)
	_ driver.Fence    = (*Driver)(nil)
	_ driver.Resolver = (*Driver)(nil)
	_ driver.Executor = (*Driver)(nil)
)

func newKernel(m *Machine) *kernel {
	return &kernel{
		machine: m, net: m.net, nextPort: firstEphemeral,
		listeners: make(map[uint16][]*listener),
		unix:      make(map[any]any),
		used:      make(map[uint16]int),
		packets:   make(map[uint16][]*packetConn),
	}
}

// newDriver starts a program.
func (k *kernel) newDriver() *Driver {
	k.started++
	d := &Driver{kernel: k, PID: k.started}
	k.drivers = append(k.drivers, d)
	return d
}

// Exit ends a program: the machine closes all that it has open. What was written is
// still sent, and nodes of unix sockets stay.
func (d *Driver) Exit() {
	if d.dead || d.exited {
		return
	}
	d.exited, d.pending = true, nil
	for len(d.open) > 0 {
		_ = d.open[len(d.open)-1].self.Close() // it is open
	}
	d.kernel.drivers = slices.DeleteFunc(d.kernel.drivers, func(o *Driver) bool { return o == d })
}

// A handle is what a loop has of a driver: it has a handler, which is told.
type handle struct {
	d       *Driver
	self    io.Closer      // what it is the handle of
	index   int            // in Driver.open
	handler driver.Handler // nil: not named yet
	events  driver.Event   // to be told
	queued  bool
	closed  bool
}

// add opens a handle, which is that of self.
func (d *Driver) add(h *handle, self io.Closer, to driver.Handler) {
	h.d, h.self, h.handler, h.index = d, self, to, len(d.open)
	d.open = append(d.open, h)
}

// tell notes that something has happened, to be told at the next Poll.
func (h *handle) tell(e driver.Event) {
	if h.closed || h.d.dead {
		return
	}
	h.events |= e
	if !h.queued && h.handler != nil {
		h.queued = true
		h.d.pending = append(h.d.pending, h)
	}
}

// shut ends a handle: it is told nothing any more.
func (h *handle) shut() error {
	if h.closed {
		return net.ErrClosed
	}
	h.closed = true
	d := h.d
	last := d.open[len(d.open)-1]
	d.open[h.index], last.index = last, h.index
	d.open[len(d.open)-1] = nil
	d.open = d.open[:len(d.open)-1]
	return nil
}

// mayOpen returns an error where the program has as many descriptors as it may.
func (d *Driver) mayOpen(call string) error {
	if d.Descriptors > 0 && d.OpenDescriptors() >= d.Descriptors {
		return os.NewSyscallError(call, syscall.EMFILE)
	}
	return nil
}

// OpenDescriptors counts what would be descriptors on a real machine.
func (d *Driver) OpenDescriptors() (n int) {
	for _, h := range d.open {
		switch s := h.self.(type) {
		case *Notice, *signalHandle:
		case *conn:
			if !s.backlogged {
				n++
			}
		default:
			n++
		}
	}
	return n
}

// Name implements [driver.Driver].
func (d *Driver) Name() string { return "simulated" }

// Now implements [driver.Clock]. A clock that was set back stands still.
func (d *Driver) Now() time.Duration {
	d.shown = max(d.shown, d.net.now+d.skew)
	return d.shown
}

// Skew sets the clock forward, or back.
func (d *Driver) Skew(by time.Duration) { d.skew += by }

// Skewed returns by how much the clock is ahead of the world's.
func (d *Driver) Skewed() time.Duration { return d.skew }

// Pending reports whether Poll has something to tell.
func (d *Driver) Pending() bool { return len(d.pending) > 0 }

// Poll implements [driver.Driver].
func (d *Driver) Poll() error {
	all := d.pending
	d.pending = d.telling[:0]
	for i, h := range all {
		all[i] = nil
		h.queued = false
		if e := h.events; e != 0 && !h.closed {
			h.events = 0
			h.handler.Ready(e)
		}
	}
	d.telling = all[:0]
	return nil
}

// Park implements [driver.Clock]. It does not wait.
func (d *Driver) Park(_ time.Duration, pending func() bool) error {
	pending()
	return d.Poll()
}

// Wake implements [driver.Driver]. Nobody ever sleeps.
func (d *Driver) Wake() {}

// Handles implements [driver.Driver].
func (d *Driver) Handles() int { return len(d.open) }

// Close implements [driver.Driver].
func (d *Driver) Close() error { return nil }

// Escape implements [driver.Fence].
func (d *Driver) Escape(what string) error { return d.net.world.Escape(what) }

// LookupNetIP implements [driver.Resolver].
func (d *Driver) LookupNetIP(network, host string) ([]netip.Addr, time.Duration, error) {
	return d.net.world.Lookup(d.machine, network, host)
}

// Submit implements [driver.Executor].
func (d *Driver) Submit(ctx context.Context, job func(context.Context)) error {
	return d.net.world.Submit(d, ctx, job)
}

// Shutdown implements [driver.Executor]. Jobs are events of the world, not of a
// pool that could be shut down.
func (d *Driver) Shutdown(context.Context) error { return nil }

// Up reports whether the program has not ended, nor the machine crashed.
func (d *Driver) Up() bool { return !d.dead && !d.exited }

var _ driver.Program = (*Driver)(nil)

// Identity implements [driver.Program].
func (d *Driver) Identity() (host string, process int) { return d.machine.Name, d.PID }

// NewName implements [driver.Program].
func (d *Driver) NewName() string {
	d.names++
	return fmt.Sprintf("%d_%d_%d_%d", d.machine.ID, d.machine.boot, d.PID, d.names)
}

// Machine returns the machine.
func (d *Driver) Machine() *Machine { return d.machine }

// OpenFile implements [driver.Driver]. There are no files.
func (d *Driver) OpenFile(f *os.File) (driver.Conn, error) {
	_ = f.Close()
	return nil, d.Escape("a file of the system")
}

// FromConn implements [driver.Driver]. A connection of the system's is none here.
func (d *Driver) FromConn(nc net.Conn) (driver.Conn, error) {
	_ = nc.Close()
	return nil, d.Escape("a connection of the system's network")
}

// FromListener implements [driver.Driver].
func (d *Driver) FromListener(ln net.Listener, _ driver.Handler) (driver.Listener, error) {
	_ = ln.Close()
	return nil, d.Escape("a listener of the system's network")
}

// FromPacket implements [driver.Driver].
func (d *Driver) FromPacket(pc net.PacketConn, _ driver.Handler) (driver.PacketConn, error) {
	_ = pc.Close()
	return nil, d.Escape("a datagram socket of the system's network")
}

const (
	firstEphemeral = 32768
	lastEphemeral  = 60999
)

// ephemeral returns a port that nobody has.
func (d *kernel) ephemeral() (uint16, error) {
	for range lastEphemeral - firstEphemeral + 1 {
		port := d.nextPort
		if d.nextPort++; d.nextPort > lastEphemeral {
			d.nextPort = firstEphemeral
		}
		if d.used[port] == 0 && d.listeners[port] == nil && d.packets[port] == nil {
			return port, nil
		}
	}
	return 0, syscall.EADDRNOTAVAIL
}

func (d *kernel) usePort(port uint16) { d.used[port]++ }

func (d *kernel) letPortGo(port uint16) {
	if d.used[port]--; d.used[port] <= 0 {
		delete(d.used, port)
	}
}

// endpointOf returns the address of a *net.TCPAddr or *net.UDPAddr.
func endpointOf(a net.Addr) (netip.AddrPort, error) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
		if len(a.IP) == 0 {
			ap = netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(a.Port))
		}
	case *net.UDPAddr:
		ap = a.AddrPort()
		if len(a.IP) == 0 {
			ap = netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(a.Port))
		}
	}
	if !ap.IsValid() {
		return ap, fmt.Errorf("address %v: %w", a, net.UnknownNetworkError("of that kind"))
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// control calls the function that is to set options of a new descriptor.
func control(f driver.Control, network string, addr net.Addr) error {
	if f == nil {
		return nil
	}
	return f(network, addr.String(), noDescriptor{})
}

// family is a network's name with that of the address's family.
func family(network string, ip netip.Addr) string {
	if ip.Is4() {
		return network + "4"
	}
	return network + "6"
}

// noDescriptor is access to a descriptor that there is not.
type noDescriptor struct{}

var errNoDescriptor = fmt.Errorf("a simulated socket has no descriptor: %w", errors.ErrUnsupported)

func (noDescriptor) Control(func(uintptr)) error    { return errNoDescriptor }
func (noDescriptor) Read(func(uintptr) bool) error  { return errNoDescriptor }
func (noDescriptor) Write(func(uintptr) bool) error { return errNoDescriptor }

func (h *handle) SyscallConn() (syscall.RawConn, error) {
	if h.closed {
		return nil, net.ErrClosed
	}
	return nil, errNoDescriptor
}
