// Package sharedport lets several loops of one process listen on the same port.
// Where the system deals connections out to several sockets (Linux), each has a
// socket of its own; elsewhere one goroutine accepts for all.
//
// Its listeners are Go's own and belong to no loop, so it may be used from any
// goroutine.
package sharedport

import (
	"net"
	"sync"
)

// Ports are the listeners that a fixed number of members share.
type Ports struct {
	n      int
	mu     sync.Mutex
	all    map[key]*share
	closed bool
}

// key names a listener: that of a member's call'th call for an address.
type key struct {
	network, address string
	call             int
}

// share is what the first member to come has made for all: nil where it was
// taken.
type share struct {
	listeners []net.Listener
	err       error
}

// New returns the ports of n members. They must be closed.
func New(n int) *Ports { return &Ports{n: n, all: make(map[key]*share)} }

// Member returns the side of the i'th member.
func (p *Ports) Member(i int) *Member {
	return &Member{ports: p, index: i, calls: make(map[key]int)}
}

// Close closes the listeners that no member has taken. What comes to ask later
// gets [net.ErrClosed].
func (p *Ports) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.all {
		closeAll(s.listeners)
	}
}

// take returns the listener of member i. It makes those of all members when
// none has asked before.
func (p *Ports) take(k key, i int) (net.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, net.ErrClosed
	}
	s := p.all[k]
	if s == nil {
		s = &share{}
		s.listeners, s.err = listen(k.network, k.address, p.n)
		p.all[k] = s
	}
	if s.err != nil {
		return nil, s.err
	}
	ln := s.listeners[i]
	s.listeners[i] = nil
	return ln, nil
}

// A Member is one who listens. It is for one goroutine.
type Member struct {
	ports *Ports
	index int
	calls map[key]int // how often an address was asked for
}

// Listen returns the member's listener on the address, which it must close. The
// first call for an address stands for the other members' first, the second for
// their second, and so on: of port 0 all get the same. What is dealt to a member
// that has not called yet waits for it. An error is the same for all.
func (m *Member) Listen(network, address string) (net.Listener, error) {
	k := key{network: network, address: address}
	call := m.calls[k]
	m.calls[k]++
	k.call = call
	return m.ports.take(k, m.index)
}

func closeAll(all []net.Listener) {
	for _, ln := range all {
		if ln != nil {
			_ = ln.Close()
		}
	}
}
