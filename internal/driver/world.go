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

// An Executor is a driver that runs the jobs of all executors itself.
type Executor interface {
	// Submit is as that of asyncio.Executor.
	Submit(ctx context.Context, fn func(ctx context.Context)) error
	// Shutdown is as that of asyncio.Executor.
	Shutdown(ctx context.Context) error
}
