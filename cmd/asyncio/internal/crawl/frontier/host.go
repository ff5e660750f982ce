package frontier

import (
	"net/netip"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/robots"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// A Host is one scheme, host and port. Its exported fields are for reading.
type Host struct {
	URL    urls.URL // of its root
	Rules  *robots.Rules
	Pages  int // that were fetched
	Failed int
	Bytes  int64
	Refuse string // why nothing of it is fetched; may be set

	queue  queue
	active int
	limit  int       // how many may be active; less after it was asked to slow down
	group  *address  // nil while the address is not known
	where  placement // where the frontier keeps it
	index  int       // in the heap

	next    time.Duration // no request starts before
	latency time.Duration // a moving mean
	backoff int           // how often in a row it has asked to slow down
	good    int           // responses since then

	busyUntil time.Duration // the pause that it has asked for last

	rulesUntil time.Duration // when the rules are too old
	asking     bool          // the rules are being fetched
	asked      int           // how often in vain

	idle               bool // it is in the list of those with nothing to do
	idleNext, idlePrev *Host
}

// placement is in which list of the frontier a host is.
type placement uint8

const (
	nowhere placement = iota // nothing is queued, or its bound is reached
	ready                    // something may start now
	later                    // something may start at next
	crowded                  // it waits for its address
)

// Queued is how many jobs wait for the host.
func (h *Host) Queued() int { return h.queue.len() }

// Active is how many requests to the host are under way.
func (h *Host) Active() int { return h.active }

// address is what hosts with the same address share.
type address struct {
	addr    netip.Addr
	hosts   int
	active  int
	waiting []*Host
}

// knows reports whether the rules of the host are known.
func (h *Host) knows(now time.Duration) bool { return h.Rules != nil && now < h.rulesUntil }
