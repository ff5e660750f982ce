package sim

import (
	"fmt"
	"time"
)

// A Kind is a kind of event in a world's trace. The kinds are a table, to which each
// file that has events of its own adds with [NewKind].
type Kind uint8

// A Group is what events of a kind are about, for those who look for some of them.
type Group string

// The groups of kinds.
const (
	OfTime   Group = "time"
	OfHosts  Group = "host"
	OfNet    Group = "net"
	OfSystem Group = "system" // executors, names, files, processes
	OfUser   Group = "user"
)

type kind struct {
	name  string
	group Group
	what  func(a, b uint64) string
}

var kinds []kind

// NewKind adds a kind to the table; it is to be called when the program is initialised,
// for a variable of a package. The name is one word. what says in a few words what has
// happened, given what [World.Trace] was; nil: the event's text says all.
func NewKind(name string, group Group, what func(a, b uint64) string) Kind {
	if len(kinds) == 256 {
		panic("sim: more than 256 kinds of events")
	}
	kinds = append(kinds, kind{name, group, what})
	return Kind(len(kinds) - 1)
}

// String returns the kind as one word.
func (k Kind) String() string { return kinds[k].name }

// Group returns what such events are about.
func (k Kind) Group() Group { return kinds[k].group }

// What says what has happened; it returns "" where only the text of the event does.
func (k Kind) What(a, b uint64) string {
	if what := kinds[k].what; what != nil {
		return what(a, b)
	}
	return ""
}

// The kinds of a host's events, and of the network's. What A and B of an event are is
// what the functions do with them; where b is the digest of a message, see size and sum.
var (
	Turn  = NewKind("turn", OfHosts, func(_, _ uint64) string { return "turn" })
	Boot  = NewKind("boot", OfHosts, func(a, _ uint64) string { return fmt.Sprintf("starts, the %s time", ordinal(a)) })
	Crash = NewKind("crash", OfHosts, func(_, _ uint64) string { return "crashes" })
	Pause = NewKind("pause", OfHosts, func(a, _ uint64) string { return fmt.Sprintf("stands still for %v", time.Duration(a)) })
	Skew  = NewKind("skew", OfHosts, func(a, _ uint64) string { return fmt.Sprintf("its clock is set by %v", time.Duration(a)) })

	Leap  = NewKind("leap", OfTime, func(_, _ uint64) string { return "the clock goes on" })
	Stall = NewKind("stall", OfTime, func(a, _ uint64) string { return fmt.Sprintf("all hosts are held up for %v", time.Duration(a)) })

	Cut = NewKind("cut", OfNet, func(a, b uint64) string {
		if b == 0 {
			return fmt.Sprintf("the link to host %d is whole", a)
		}
		return fmt.Sprintf("the link to host %d is cut", a)
	})
	Dial    = NewKind("dial", OfNet, toPort("dial"))
	Connect = NewKind("connect", OfNet, toPort("connect"))
	Refuse  = NewKind("refuse", OfNet, toPort("refuse"))
	Segment = NewKind("segment", OfNet, func(a, b uint64) string {
		return fmt.Sprintf("%d bytes arrive, connection %d (%08x)", size(b), a, sum(b))
	})
	Lost     = NewKind("lost", OfNet, func(a, b uint64) string { return fmt.Sprintf("lost under way, connection %d, try %d", a, b+1) })
	Fin      = NewKind("fin", OfNet, ofConnection("fin"))
	Reset    = NewKind("reset", OfNet, ofConnection("reset"))
	TimedOut = NewKind("timeout", OfNet, ofConnection("timeout"))
	Datagram = NewKind("datagram", OfNet, func(a, b uint64) string {
		return fmt.Sprintf("datagram of %d bytes at port %d (%08x)", size(b), a, sum(b))
	})
	Dropped = NewKind("dropped", OfNet, func(a, b uint64) string { return fmt.Sprintf("datagram of %d bytes to port %d is dropped", b, a) })

	Job  = NewKind("job", OfSystem, func(a, _ uint64) string { return fmt.Sprintf("job %d of an executor runs", a) })
	Name = NewKind("name", OfSystem, func(a, b uint64) string { return fmt.Sprintf("looks a name up, %d addresses (%08x)", b, uint32(a)) })

	Note = NewKind("note", OfUser, nil)
)

func toPort(name string) func(a, b uint64) string {
	return func(a, b uint64) string { return fmt.Sprintf("%s, connection %d to port %d", name, a, b) }
}

func ofConnection(name string) func(a, b uint64) string {
	return func(a, _ uint64) string { return fmt.Sprintf("%s, connection %d", name, a) }
}

// size and sum are what digest has put together.
func size(digest uint64) uint64 { return digest >> 32 }
func sum(digest uint64) uint32  { return uint32(digest) }

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
