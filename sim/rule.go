package sim

import (
	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
)

// A Packet is what a [Rule] decides on: a segment of a connection between two hosts, or
// a datagram.
type Packet struct {
	From, To *Host
	Port     uint16 // to which it goes
	UDP      bool
	Conn     uint64 // the connection's number, not of a datagram
	Syn      bool   // it asks for a connection, or with Reply says that there is one
	Reply    bool   // it answers a Syn
	Fin      bool   // it ends a direction
	Rst      bool   // it resets the connection, or refuses it
	Data     []byte // not to be changed
}

// A Verdict is what a [Rule] says of a packet.
type Verdict uint8

// What may be said of a packet.
const (
	Pass Verdict = iota // nothing: the next rule is asked, or it goes its way
	Drop                // it is lost. A stream sends it again, and the rule is asked again
	Hold                // it waits until the rule is released, and what is behind it on its connection, too
)

// A Rule decides on packets. See [World.Rule].
type Rule struct {
	w *World
	r *netsim.Rule
}

// Rule has decide say what becomes of each packet between two hosts that is sent from
// now on, before chance does. Acknowledgements are not asked about.
func (w *World) Rule(decide func(p Packet) Verdict) *Rule {
	return &Rule{w, w.net.Rule(func(p netsim.Packet) netsim.Verdict {
		return netsim.Verdict(decide(Packet{
			From: w.hosts[p.From.ID-1], To: w.hosts[p.To.ID-1], Port: p.Dst.Port(), UDP: p.UDP, Conn: p.Conn,
			Syn: p.Flags&netsim.FlagSyn != 0, Reply: p.Flags&(netsim.FlagSyn|netsim.FlagAck) == netsim.FlagSyn|netsim.FlagAck,
			Fin: p.Flags&netsim.FlagFin != 0, Rst: p.Flags&netsim.FlagRst != 0, Data: p.Data,
		}))
	})}
}

// Release sends what the rule holds, in its order. What comes after that the rule
// decides on again.
func (r *Rule) Release() { r.r.Release() }

// End ends the rule, and sends what it holds.
func (r *Rule) End() { r.r.End() }

// Held returns how many packets the rule holds.
func (r *Rule) Held() int { return r.r.Held() }
