package sim

import (
	"fmt"
	"slices"
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
	hash    uint64
	keep    bool
	lines   []line
	dropped int // of those that were kept, before lines

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
	if t.keep {
		t.hold(e)
	}
}

// maxHeld is how many events are held at least, where there are so many.
const maxHeld = 1 << 20

// hold keeps an event.
func (t *trace) hold(e line) {
	if len(t.lines) == 2*maxHeld {
		t.lines = slices.Delete(t.lines, 0, maxHeld)
		t.dropped += maxHeld
	}
	t.lines = append(t.lines, e)
	if t.kept() == t.stackAt {
		t.stack = userStack()
	}
}

// kept counts the events that were kept.
func (t *trace) kept() int { return t.dropped + len(t.lines) }

// at returns the event of a number, from 1, if it is held.
func (t *trace) at(n int) (e line, ok bool) {
	if n <= t.dropped || n > t.kept() {
		return line{}, false
	}
	return t.lines[n-1-t.dropped], true
}

// diverge returns the number of the first event, from 1, in which two traces differ,
// as far as both are held.
func diverge(a, b *trace) int {
	n := max(a.dropped, b.dropped) + 1
	for ; ; n++ {
		x, more := a.at(n)
		y, also := b.at(n)
		if !more || !also || x != y {
			return n
		}
	}
}

// timeline writes events for people, at most so many, the last ones.
func (t *trace) timeline(hosts []string, most int) string {
	var b strings.Builder
	lines := t.lines
	if left := t.kept() - most; left > 0 {
		fmt.Fprintf(&b, "(%d events before)\n", left)
		lines = lines[max(len(lines)-most, 0):]
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
	if text := e.kind.What(e.a, e.b); text != "" {
		return text
	}
	return e.text
}
