package sim

import (
	"slices"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/heap"
)

// What is lost is sent again after firstRetry, and each time after twice as long, up
// to lastRetry; after maxTries the connection has timed out.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 10 * time.Second
	maxTries   = 10
)

// sending is the half of a conn that sends: reliable, in order and bounded.
type sending struct {
	link   *Link         // to the peer
	seq    uint32        // of the next segment
	put    uint32        // bytes before it, with its beginning and its end, as TCP counts
	got    uint32        // of the peer's, likewise
	want   uint32        // the seq that comes next from the peer
	last   time.Duration // when the last segment arrives
	stuck  []*segment    // those that were lost, and those behind them
	tries  int
	retry  bool       // stuck will be sent again
	unread int        // bytes written that the peer's program has not read, as far as is known here
	readBy int        // bytes that it has read, and that is not known here
	acking bool       // that is under way
	full   bool       // a write has had no room
	held   []*segment // by a rule: the first, and those behind it
}

// A segment is what is sent at once.
type segment struct {
	node heap.Node[Event]
	from *conn
	seq  uint32
	at   uint32 // of its first byte
	fin  bool
	data []byte
}

// newSegment returns one with room for so many bytes. Small ones, which most are, lie in
// one piece with their bytes.
func newSegment(size int) *segment {
	if size > smallSegment {
		return &segment{data: make([]byte, 0, size)}
	}
	s := new(struct {
		segment
		room [smallSegment]byte
	})
	s.data = s.room[:0:size]
	return &s.segment
}

const smallSegment = 48

// room returns how many bytes may be written.
func (c *conn) room() int { return c.d.net.Window - c.unread }

// wantRoom is for a write that had too little room: an event follows.
func (c *conn) wantRoom() {
	c.full = true
	if c.readBy > 0 {
		c.acknowledge()
	}
	if c.peer.d.dead {
		c.probe()
	}
}

// probe sends nothing, to find out whether the peer is still there.
func (c *conn) probe() { c.send(&segment{}) }

// credit notes that the peer's program has read n bytes. The news travels when they
// are many or somebody waits for it.
func (c *conn) credit(n int) {
	c.readBy += n
	if c.full || c.readBy >= c.d.net.Window/2 {
		c.acknowledge()
	}
}

// acknowledge brings the news back to the sender.
func (c *conn) acknowledge() {
	if c.acking || c.peer.d.dead || c.d.dead {
		return
	}
	c.acking = true
	n := c.d.net
	back := n.Link(c.peer.d.machine, c.d.machine)
	if back.loses(n) {
		c.peer.recorded(c.d.machine, Never, FlagAck, 1+c.peer.put, nil)
		n.At(n.now+firstRetry, EventFunc(func() {
			c.acking = false
			c.acknowledge()
		}))
		return
	}
	at := back.arrival(n, 0)
	c.peer.recorded(c.d.machine, at, FlagAck, 1+c.peer.put, nil)
	n.At(at, EventFunc(func() {
		c.acking = false
		c.unread -= c.readBy
		c.readBy = 0
		if c.full {
			c.full = false
			c.tell(driver.Writable)
		}
	}))
}

// send sends a segment, behind those that are stuck.
func (c *conn) send(s *segment) {
	s.from, s.seq, s.at, s.node.Value = c, c.seq, c.put, s
	c.seq++
	c.put += s.length()
	if len(c.stuck) > 0 {
		c.stuck = append(c.stuck, s)
		return
	}
	c.transmit(s)
}

// length is how far a segment takes the count of bytes.
func (s *segment) length() uint32 {
	n := uint32(len(s.data))
	if s.fin {
		n++
	}
	return n
}

// recorded tells who records that the segment is sent.
func (s *segment) recorded(arrives time.Duration) {
	c := s.from
	if c.d.net.record == nil {
		return
	}
	flags := FlagAck
	if s.fin {
		flags |= FlagFin
	}
	c.recorded(c.peer.d.machine, arrives, flags, 1+s.at, s.data)
}

func (c *conn) transmit(s *segment) {
	n := c.d.net
	if len(c.held) > 0 {
		c.held = append(c.held, s)
		return
	}
	if len(n.rules) > 0 && (s.fin || len(s.data) > 0) {
		flags := FlagAck
		if s.fin {
			flags |= FlagFin
		}
		switch n.ruled(c.ofConn(c.peer.d.machine, flags, s.data), c.release) {
		case Drop:
			s.recorded(Never)
			c.lost(s)
			return
		case Hold:
			c.held = append(c.held, s)
			return
		}
	}
	c.convey(s)
}

// release sends what a rule has held, the first of it past the rules.
func (c *conn) release() {
	all := c.held
	c.held = nil
	for i, s := range all {
		switch {
		case c.d.dead || c.state == broken:
			return
		case len(c.stuck) > 0: // one before it was lost
			c.stuck = append(c.stuck, s)
		case i == 0:
			c.convey(s)
		default:
			c.transmit(s)
		}
	}
}

// convey gives a segment to the link.
func (c *conn) convey(s *segment) {
	n := c.d.net
	if c.link == nil {
		c.link = n.Link(c.d.machine, c.peer.d.machine)
	}
	if c.link.loses(n) {
		s.recorded(Never)
		c.lost(s)
		return
	}
	c.last = max(c.last, c.link.arrival(n, len(s.data)))
	s.recorded(c.last)
	n.schedule(c.last, &s.node)
}

// lost keeps a segment to be sent again.
func (c *conn) lost(s *segment) {
	n := c.d.net
	if c.d.dead || c.state == broken {
		return
	}
	n.world.Trace(Lost, c.d.machine.ID, c.id, uint64(c.tries))
	at, _ := slices.BinarySearchFunc(c.stuck, s, func(a, b *segment) int { return int(a.seq) - int(b.seq) })
	c.stuck = slices.Insert(c.stuck, at, s)
	if c.retry {
		return
	}
	if c.tries++; c.tries > maxTries {
		n.world.Trace(TimedOut, c.d.machine.ID, c.id, 0)
		c.fail(syscall.ETIMEDOUT)
		return
	}
	c.retry = true
	n.At(n.now+min(firstRetry<<(c.tries-1), lastRetry), EventFunc(c.sendAgain))
}

func (c *conn) sendAgain() {
	c.retry = false
	if c.d.dead || c.state == broken {
		return
	}
	all := c.stuck
	c.stuck = nil
	for i, s := range all {
		if len(c.stuck) > 0 {
			c.stuck = append(c.stuck, all[i:]...)
			return
		}
		c.transmit(s)
	}
}

// Happen is the arrival of a segment.
func (s *segment) Happen() {
	c := s.from
	to := c.peer
	switch {
	case to.d.machine.up == nil, to.d.kernel == to.d.machine.up && to.want != s.seq:
		c.lost(s)
	case to.d.dead: // the machine knows nothing of it
		to.sendReset()
	default:
		to.want++
		to.got += s.length()
		c.tries = 0
		to.arrive(s)
	}
}

// sendReset tells the peer that the connection is no more. Nobody sees to it that
// this arrives.
func (c *conn) sendReset() {
	n := c.d.net
	c.state, c.stuck = broken, nil
	to := c.peer
	if len(n.rules) > 0 {
		send := func() {
			if !c.d.dead {
				c.conveyReset()
			}
		}
		if n.ruled(c.ofConn(to.d.machine, FlagRst|FlagAck, nil), send) != Pass {
			return
		}
	}
	c.conveyReset()
}

// conveyReset gives a reset to the link.
func (c *conn) conveyReset() {
	n, to := c.d.net, c.peer
	at := Never
	if link := n.Link(c.d.machine, to.d.machine); !link.loses(n) {
		at = max(c.last, link.arrival(n, 0))
		n.At(at, EventFunc(func() {
			if !to.d.dead && to.state != broken {
				n.world.Trace(Reset, to.d.machine.ID, to.id, 0)
				to.fail(syscall.ECONNRESET)
			}
		}))
	}
	c.recorded(to.d.machine, at, FlagRst|FlagAck, 1+c.put, nil)
}
