package sim

import (
	"net/netip"
	"slices"
)

// A Verdict is what a [Rule] says of a packet.
type Verdict uint8

// What may be said of a packet.
const (
	Pass Verdict = iota
	Drop
	Hold
)

// A Rule decides on packets between machines.
type Rule struct {
	n      *Network
	decide func(Packet) Verdict
	held   []func() // each sends a packet again, past the rules
}

// Rule adds a rule, which is asked after those that there are.
func (n *Network) Rule(decide func(Packet) Verdict) *Rule {
	r := &Rule{n: n, decide: decide}
	n.rules = append(n.rules, r)
	return r
}

// Release sends what is held.
func (r *Rule) Release() {
	held := r.held
	r.held = nil
	for _, send := range held {
		send()
	}
}

// End ends the rule.
func (r *Rule) End() {
	r.n.rules = slices.DeleteFunc(slices.Clone(r.n.rules), func(o *Rule) bool { return o == r })
	r.Release()
}

// Held returns how many packets are held.
func (r *Rule) Held() int { return len(r.held) }

// ruled asks the rules about a packet, and reports what becomes of it. A packet that is
// held is sent by send later.
func (n *Network) ruled(p Packet, send func()) Verdict {
	if p.From == p.To {
		return Pass
	}
	for _, r := range n.rules {
		switch v := r.decide(p); v {
		case Pass:
		case Hold:
			r.held = append(r.held, send)
			return Hold
		default:
			return v
		}
	}
	return Pass
}

// ofConn describes a segment of a connection.
func (c *conn) ofConn(to *Machine, flags Flags, data []byte) Packet {
	return Packet{Sent: c.d.net.now, From: c.d.machine, To: to, Src: c.src, Dst: c.dst, Conn: c.id, Flags: flags, Data: data}
}

// ofDatagram describes a datagram.
func (p *packetConn) ofDatagram(g datagram, to *Machine, target netip.AddrPort) Packet {
	return Packet{Sent: p.d.net.now, From: p.d.machine, To: to, Src: g.from, Dst: target, UDP: true, Data: g.data}
}
