// Package sim is a driver whose network is in memory: machines with addresses, links
// between them, and all that goes wrong there, at moments that somebody else chooses.
// One goroutine has all of it.
package sim

import (
	"context"
	"hash/crc32"
	"net/netip"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A World is what a [Network] is in.
type World interface {
	// Pick returns a choice of the network's, at least 0 and less than n; 0 is the
	// tame one.
	Pick(n int) int
	// Chance returns a choice of the network's that is true with probability p; false
	// is the tame one.
	Chance(p float64) bool
	// Trace takes note of something. The host is 0 where it is of no machine.
	Trace(kind Kind, host uint8, a, b uint64)
	// Escape returns the error of what would lead out of the world.
	Escape(what string) error
	// Lookup returns the addresses of a name, seen from a machine, and how long the
	// answer takes.
	Lookup(from *Machine, network, host string) ([]netip.Addr, time.Duration, error)
	// Submit runs a job of a program, unless that is no more when it is to begin.
	Submit(of *Driver, ctx context.Context, job func(context.Context)) error
	// StartProcess is as that of driver.Starter.
	StartProcess(of *Driver, s *driver.ProcessSpec) (driver.Process, error)
	// RunWorker is as that of driver.WorkerHost.
	RunWorker(of *Driver, pool any, most int, call func(), end func(died bool))
}

// A Network is machines and the links between them, and the time.
type Network struct {
	Timeline
	world    World
	machines []*Machine
	byAddr   map[netip.Addr]*Machine
	links    map[[2]uint8]*Link
	conns    uint64 // numbers connections
	record   func(Packet)
	rules    []*Rule
	Default  Link // what links are of which nothing was said
	Window   int  // bytes on their way to a program that does not read
	Partial  int  // one read or write in so many does less than it could; 0: none
}

// NewNetwork makes a network without machines.
func NewNetwork(w World) *Network {
	return &Network{
		world:   w,
		byAddr:  make(map[netip.Addr]*Machine),
		links:   make(map[[2]uint8]*Link),
		Default: DefaultLink,
		Window:  64 << 10,
		Partial: 8,
	}
}

// A Machine is a computer: it has addresses, and while it runs a kernel.
type Machine struct {
	ID   uint8 // from 1
	Name string
	V4   netip.Addr
	V6   netip.Addr
	Disk Disk // or nil

	net  *Network
	up   *kernel // nil: it is down
	boot uint64  // how often it was started
	home Link    // of what it sends to itself
}

// MaxMachines is how many machines a network may have.
const MaxMachines = 250

// Machine adds a machine, which is down.
func (n *Network) Machine(name string) *Machine {
	id := uint8(len(n.machines) + 1)
	m := &Machine{
		ID: id, Name: name, net: n,
		V4: netip.AddrFrom4([4]byte{10, 0, 0, id}),
		V6: netip.AddrFrom16([16]byte{0: 0xfd, 15: id}),
	}
	n.machines = append(n.machines, m)
	n.byAddr[m.V4], n.byAddr[m.V6] = m, m
	return m
}

// Link returns the link from one machine to another.
func (n *Network) Link(from, to *Machine) *Link {
	if from == to {
		return &from.home
	}
	key := [2]uint8{from.ID, to.ID}
	l := n.links[key]
	if l == nil {
		l = new(Link)
		*l = n.Default
		n.links[key] = l
	}
	return l
}

// Boot starts the machine, with nothing of what it was, and a program on it.
func (m *Machine) Boot() *Driver {
	m.boot++
	m.up = newKernel(m)
	m.net.world.Trace(Boot, m.ID, m.boot, 0)
	return m.up.newDriver()
}

// Start starts a program on a machine that runs.
func (m *Machine) Start() *Driver { return m.up.newDriver() }

// Running reports whether the machine runs.
func (m *Machine) Running() bool { return m.up != nil }

// Boots returns how often the machine was started.
func (m *Machine) Boots() uint64 { return m.boot }

// Crash stops the machine. Nobody is told.
func (m *Machine) Crash() {
	m.net.world.Trace(Crash, m.ID, m.boot, 0)
	k := m.up
	k.dead, m.up = true, nil
	for _, d := range k.drivers {
		d.pending = nil
		for _, h := range d.open {
			if c, ok := h.self.(*conn); ok && c.peer != nil && c.peer.full {
				c.peer.probe() // or it would wait for room for ever
			}
		}
	}
}

// at returns the machine that has an address, seen from m; nil: none has.
func (m *Machine) at(ip netip.Addr) *Machine {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return m
	}
	return m.net.byAddr[ip]
}

// has reports whether an address is one of the machine's own.
func (m *Machine) has(ip netip.Addr) bool {
	return ip.IsLoopback() || ip.IsUnspecified() || ip == m.V4 || ip == m.V6
}

// source returns the address that the machine has for one who is at ip.
func (m *Machine) source(ip netip.Addr) netip.Addr {
	switch {
	case ip.IsLoopback():
		return ip
	case ip.Is4():
		return m.V4
	}
	return m.V6
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digest is the length and the checksum of what was sent, for the trace: two runs
// that send other bytes differ, also where they send as many.
func digest(p []byte) uint64 {
	return uint64(len(p))<<32 | uint64(crc32.Checksum(p, castagnoli))
}
