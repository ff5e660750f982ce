package sim

import (
	"net/netip"
	"time"
)

// A Packet is what one machine sends to another, as it is told to who records it.
type Packet struct {
	Sent, Arrives time.Duration // Arrives is Never where it is lost
	From, To      *Machine
	Src, Dst      netip.AddrPort
	UDP           bool
	Conn          uint64 // of TCP: the number of the connection
	Flags         Flags  // of TCP
	Seq, Ack      uint32 // of TCP: bytes since its beginning
	Data          []byte // not to be changed
}

// Never is when a packet arrives that is lost.
const Never time.Duration = -1

// Flags are those of a TCP segment, with the values that they have there.
type Flags uint8

// The flags of a TCP segment.
const (
	FlagFin Flags = 1 << iota
	FlagSyn
	FlagRst
	FlagPsh
	FlagAck
)

// Record makes fn be told what is sent from now on. Connections within a machine that
// have no addresses are not told of.
func (n *Network) Record(fn func(Packet)) { n.record = fn }

// recorded tells of a segment of a connection.
func (c *conn) recorded(to *Machine, arrives time.Duration, flags Flags, seq uint32, data []byte) {
	n := c.d.net
	if n.record == nil || to == nil || !c.src.IsValid() {
		return
	}
	if len(data) > 0 {
		flags |= FlagPsh
	}
	n.record(Packet{Sent: n.now, Arrives: arrives, From: c.d.machine, To: to, Src: c.src, Dst: c.dst, Conn: c.id, Flags: flags, Seq: seq, Ack: 1 + c.got, Data: data})
}

// recorded tells of a datagram.
func (p *packetConn) recorded(g datagram, to *Machine, target netip.AddrPort, arrives time.Duration) {
	if n := p.d.net; n.record != nil {
		n.record(Packet{Sent: n.now, Arrives: arrives, From: p.d.machine, To: to, Src: g.from, Dst: target, UDP: true, Data: g.data})
	}
}
