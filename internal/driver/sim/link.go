package sim

import "time"

// A Link is how packets fare from one machine to another. It is one way.
type Link struct {
	Latency   time.Duration // the least
	Jitter    time.Duration // how much more it may be, in steps of Quantum
	Quantum   time.Duration // not coarse enough, and nothing ever happens at the same time
	Loss      float64       // how likely a packet is lost
	Duplicate float64       // how likely a datagram arrives twice
	Rate      int           // bytes a second; 0: no bound
	Cut       bool          // nothing gets through
	MTU       int           // bytes of a packet, with its heads; 0: no bound. Streams heed it by themselves
	TooLong   TooLong       // what becomes of a longer datagram

	busy time.Duration // until when what was sent before keeps it busy
}

// DefaultLink is a link between two machines of which nothing was said.
var DefaultLink = Link{Latency: time.Millisecond, Jitter: 3 * time.Millisecond, Quantum: time.Millisecond}

// arrival returns when a packet of so many bytes that is sent now arrives.
func (l *Link) arrival(n *Network, size int) time.Duration {
	at := n.now
	if l.Rate > 0 {
		l.busy = max(l.busy, at) + time.Duration(size)*time.Second/time.Duration(l.Rate)
		at = l.busy
	}
	at += l.Latency
	if l.Jitter > 0 {
		quantum := l.Quantum
		if quantum <= 0 {
			quantum = l.Jitter
		}
		at += time.Duration(n.world.Pick(int(min(l.Jitter/quantum, 254))+1)) * quantum
	}
	return at
}

// loses reports whether a packet that is sent now is lost.
func (l *Link) loses(n *Network) bool {
	return l.Cut || l.Loss > 0 && n.world.Chance(l.Loss)
}

// TooLong says what becomes of a datagram that is longer than a link's MTU.
type TooLong uint8

// What may become of it.
const (
	Fragmented TooLong = iota // it goes in pieces, and is lost with any of them
	Refused                   // its sender is told
	Swallowed                 // it is lost, and nobody is told
)

// fragmentLost reports whether a datagram that has to go in pieces is lost by that. The
// first piece is asked about elsewhere.
func (l *Link) fragmentLost(n *Network, size int) bool {
	if size+packetHead <= l.MTU {
		return false
	}
	if l.TooLong == Swallowed {
		return true
	}
	for left := size + packetHead - l.MTU; left > 0; left -= max(l.MTU-packetHead, 1) {
		if l.loses(n) {
			return true
		}
	}
	return false
}
