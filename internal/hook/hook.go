// Package hook hands other packages of this module the verbs of a loop that they need
// and that users must not have: to turn a loop from outside, for package sim; to find the
// files of the world that a loop is in, for package asyncfile; and for those that are to
// go the same way twice in a simulated world, what would otherwise come from goroutines,
// from chance and from the system. Package asyncio fills it when it is initialised.
package hook

import (
	"context"
	"net/netip"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A SteppedLoop is an *asyncio.Loop that nobody runs: somebody turns it, one turn at
// a time, always on the goroutine on which it was made, which must have the mark of
// coro.MarkGoroutine.
type SteppedLoop interface {
	// Turn is one turn of the loop: what is ready when it begins runs.
	Turn() error
	// Ready reports whether a turn at that time of the loop's clock would run
	// something. It knows nothing of what the driver has to tell.
	Ready(now time.Duration) bool
	// Next returns when the first timer is due, or driver.Forever.
	Next() time.Duration
	// Deadline returns the earliest deadline, on the clock of package time, of the
	// contexts that are to interrupt a wait.
	Deadline() (time.Time, bool)
	// Again has f called where a turn is over and the next would have nothing to do
	// but to run what is ready: it reports whether the loop is to take that, too, before
	// Turn returns. It may be called on the stack of a task that stops.
	Again(f func() bool)
	// Tasks returns what the tasks do that have not ended, the oldest first.
	Tasks() []TaskState
	// Close is Loop.Close.
	Close() error
	// Abandon makes the turn that is under way end with the step that runs.
	Abandon()
	// Arrange has f called in each turn that has something to run, and after that
	// only what it wants. It is given the numbers of the tasks whose steps are
	// ready, 0 for a callback, and returns the order in which all of them are to
	// stand, and how many of them are to run in this turn.
	Arrange(f func(tasks []uint64) (order []int, run int))
}

// A TaskState is what a task does between two turns.
type TaskState struct {
	ID    uint64
	Name  string
	State string // "ready", "waits" or "not started"
	Waits string // for what; "" where that is not known
	Steps uint32 // that it has taken
}

// Step makes a loop that does not run, an *asyncio.Loop, one that is stepped.
var Step func(loop any) SteppedLoop

// WhenDone calls fn on the goroutine of loop, an *asyncio.Loop, when ctx has ended,
// unless stop was called before. Both it and stop are for the loop's goroutine. In a
// simulated world no other goroutine takes part in that.
var WhenDone func(loop any, ctx context.Context, fn func()) (stop func())

// Rand returns a number of at least 0 and less than n, by chance, or as a choice of
// the simulated world in which loop is.
var Rand func(loop any, n int64) int64

// Clock returns what shows the time of day: [time.Now], or the clock of the simulated
// machine on which loop is.
var Clock func(loop any) func() time.Time

// LookupNetIP looks a name up where the running task's loop knows names itself, as
// in a simulated world. Where it does not, known is false.
var LookupNetIP func(ctx context.Context, network, host string) (ips []netip.Addr, known bool, err error)

// WithDriver returns an asyncio.Option that makes a loop use d.
var WithDriver func(d driver.Driver) (option any)

// Driver returns the driver of a loop, an *asyncio.Loop.
var Driver func(loop any) driver.Driver

// WrapDriver returns an asyncio.Option that makes a loop use what wrap makes of the
// driver that it would have.
var WrapDriver func(wrap func(driver.Driver) (driver.Driver, error)) (option any)
