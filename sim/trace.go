package sim

import (
	"fmt"
	"strings"
	"time"

	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
)

// A line is one event of a trace.
type line struct {
	at   time.Duration
	kind netsim.Kind
	host uint8
	a, b uint64
	text string // of a note
}

// A trace is what has happened in a world: a hash of all of it, and where it is kept,
// the events themselves.
type trace struct {
	hash  uint64
	n     int
	keep  bool
	lines []line

	stackAt int // the number of the event whose stack is wanted, from 1
	stack   string
}

// add takes note of an event.
func (t *trace) add(e line) {
	x := t.hash
	x = (x ^ uint64(e.at)) * 0x9e3779b97f4a7c15
	x = (x ^ x>>29 ^ uint64(e.kind)<<8 ^ uint64(e.host) ^ e.a<<16) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>32 ^ e.b) * 0x94d049bb133111eb
	t.hash = x ^ x>>31
	t.n++
	if t.keep {
		t.lines = append(t.lines, e)
		if len(t.lines) == t.stackAt {
			t.stack = userStack()
		}
	}
}

// diverge returns the number of the first event, from 1, in which two traces differ.
func diverge(a, b []line) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i + 1
		}
	}
	return min(len(a), len(b)) + 1
}

// timeline writes events for people, at most so many, the last ones.
func timeline(lines []line, hosts []string, most int) string {
	var b strings.Builder
	if left := len(lines) - most; left > 0 {
		fmt.Fprintf(&b, "(%d events before)\n", left)
		lines = lines[left:]
	}
	for _, e := range lines {
		name := ""
		if i := int(e.host); i > 0 && i <= len(hosts) {
			name = hosts[i-1]
		}
		fmt.Fprintf(&b, "%12v  %-10s %s\n", e.at, name, e.what())
	}
	return b.String()
}

// what says what has happened.
func (e line) what() string {
	size, sum := e.b>>32, uint32(e.b)
	switch e.kind {
	case netsim.Turn:
		return "turn"
	case netsim.Leap:
		return "the clock goes on"
	case netsim.Stall:
		return fmt.Sprintf("all hosts are held up for %v", time.Duration(e.a))
	case netsim.Boot:
		return fmt.Sprintf("starts, the %s time", ordinal(e.a))
	case netsim.Crash:
		return "crashes"
	case netsim.Pause:
		return fmt.Sprintf("stands still for %v", time.Duration(e.a))
	case netsim.Skew:
		return fmt.Sprintf("its clock is set by %v", time.Duration(e.a))
	case netsim.Cut:
		if e.b == 0 {
			return fmt.Sprintf("the link to host %d is whole", e.a)
		}
		return fmt.Sprintf("the link to host %d is cut", e.a)
	case netsim.Dial, netsim.Connect, netsim.Refuse:
		return fmt.Sprintf("%v, connection %d to port %d", e.kind, e.a, e.b)
	case netsim.Segment:
		return fmt.Sprintf("%d bytes arrive, connection %d (%08x)", size, e.a, sum)
	case netsim.Lost:
		return fmt.Sprintf("lost under way, connection %d, try %d", e.a, e.b+1)
	case netsim.Fin, netsim.Reset, netsim.TimedOut:
		return fmt.Sprintf("%v, connection %d", e.kind, e.a)
	case netsim.Datagram:
		return fmt.Sprintf("datagram of %d bytes at port %d (%08x)", size, e.a, sum)
	case netsim.Dropped:
		return fmt.Sprintf("datagram of %d bytes to port %d is dropped", e.b, e.a)
	case netsim.Job:
		return fmt.Sprintf("job %d of an executor runs", e.a)
	case netsim.Name:
		return fmt.Sprintf("looks a name up, %d addresses (%08x)", e.b, uint32(e.a))
	}
	return e.text
}

func ordinal(n uint64) string {
	switch n {
	case 1:
		return "first"
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return fmt.Sprintf("%dth", n)
}
