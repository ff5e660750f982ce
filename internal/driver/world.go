package driver

import (
	"context"
	"net/netip"
	"time"
)

// A Fence is a driver of a world that is closed: what would lead out of it, to a
// thread, a process or a signal of the system, is an error there.
type Fence interface {
	// Escape returns the error of what would lead out. It says what that is.
	Escape(what string) error
}

// A Resolver is a driver that knows names itself.
type Resolver interface {
	// LookupNetIP returns the addresses of a host's name for the network "ip", "ip4"
	// or "ip6", and how long the answer takes, also where it is an error.
	LookupNetIP(network, host string) ([]netip.Addr, time.Duration, error)
}

// A NameResolver is a Resolver that knows the names of addresses, too.
type NameResolver interface {
	// LookupAddr returns the names of an address, none where it has none, and how
	// long the answer takes.
	LookupAddr(ip netip.Addr) ([]string, time.Duration)
}

// A WallClock is a driver of a machine with a time of day of its own.
type WallClock interface{ WallTime() time.Time }

// A Chooser is a driver of a world in which nothing is left to chance.
type Chooser interface {
	// Choose returns a number of at least 0 and less than n.
	Choose(n int64) int64
}

// An Executor is a driver that runs the jobs of all executors itself.
type Executor interface {
	// Submit is as that of asyncio.Executor.
	Submit(ctx context.Context, fn func(ctx context.Context)) error
	// Shutdown is as that of asyncio.Executor.
	Shutdown(ctx context.Context) error
}

// A JobRunner is a driver that runs the jobs of all executors itself, and chooses when
// the loop learns of their ends.
type JobRunner interface{ RunJob(Job) }

// A Job is a function that is to run beside the loop. It is the context that the
// function is given.
type Job interface {
	context.Context
	// Compute calls the function, on any goroutine.
	Compute()
	// Result returns where Compute has put what the function returned: a pointer to
	// its value, and its error.
	Result() (value any, err *error)
	// Deliver tells the loop that there is a result. It is called once.
	Deliver()
}

// A DeadlineClock is a driver that says itself how far away a time of package time is.
type DeadlineClock interface {
	Until(t time.Time) time.Duration
}

// A PeerTeller is a Conn of a world without descriptors, which knows who is at its other
// end.
type PeerTeller interface {
	// PeerCredentials returns the process, the user and the group of a unix socket's peer.
	PeerCredentials() (pid, uid, gid int)
}

// A Program is a driver of a world that knows which of the world's programs it is of.
type Program interface {
	// Identity returns the name of the program's machine, and its number there.
	Identity() (host string, process int)
	// NewName returns a name that nobody else in the world has, or gets.
	NewName() string
}
