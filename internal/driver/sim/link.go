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
