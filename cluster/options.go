package cluster

import (
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"time"

	"github.com/nats-io/nats.go"
)

type config struct {
	name        string
	nats        []nats.Option
	file        bool
	replicas    int
	queueLimit  int64
	resultTTL   time.Duration
	maxMessage  int
	lease       time.Duration
	pending     int
	onWorker    func(Worker)
	concurrency int
	grace       time.Duration
	log         *slog.Logger
	err         error
}

// A ConnectOption is an option of [Connect].
type ConnectOption interface{ applyConnect(*config) }

// A ServeOption is an option of [Serve].
type ServeOption interface{ applyServe(*config) }

// An Option is an option of both sides, [Connect] and [Serve].
type Option interface {
	ConnectOption
	ServeOption
}

type (
	option        func(*config)
	connectOption func(*config)
	serveOption   func(*config)
)

func (f option) applyConnect(c *config)        { f(c) }
func (f option) applyServe(c *config)          { f(c) }
func (f connectOption) applyConnect(c *config) { f(c) }
func (f serveOption) applyServe(c *config)     { f(c) }

// WithName names the cluster, "asyncio" without it. Clients and workers with the
// same name share their jobs; several clusters may use the same NATS system.
// Letters, digits, - and _ are allowed.
func WithName(name string) Option {
	return option(func(c *config) {
		c.name = name
		if !validName.MatchString(name) {
			c.err = fmt.Errorf("cluster: WithName(%q): only letters, digits, - and _ may be in it, 32 at most", name)
		}
	})
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// WithNATS adds options of the connection, as for TLS or credentials.
func WithNATS(options ...nats.Option) Option {
	return option(func(c *config) { c.nats = append(c.nats, options...) })
}

// WithFileStore has NATS keep jobs, results and dead letters in files, where they
// outlive the server. Without it they are in its memory. It counts where it is
// given to the first that uses a cluster of this name.
func WithFileStore() Option {
	return option(func(c *config) { c.file = true })
}

// WithReplicas has that many servers of a NATS cluster keep each job, 1 without it.
// It counts where it is given to the first that uses a cluster of this name.
func WithReplicas(n int) Option {
	return option(func(c *config) { c.replicas = max(n, 1) })
}

// WithQueueLimit bounds how many jobs of all clients may be in the cluster, 1
// million without it. A client whose job finds no room offers it again until there
// is some. It counts where it is given to the first that uses a cluster of this
// name.
func WithQueueLimit(n int64) Option {
	return option(func(c *config) { c.queueLimit = max(n, 1) })
}

// WithResultTTL sets how long the results of jobs with a key are kept, and large
// values that nobody has taken: a day without it. It counts where it is given to
// the first that uses a cluster of this name.
func WithResultTTL(d time.Duration) Option {
	return option(func(c *config) { c.resultTTL = max(d, time.Second) })
}

// WithMaxMessage bounds the bytes of an encoded argument, for a client, or result,
// for a worker: 64 MiB without it. One that is larger gives
// [asyncio.ErrMessageTooLarge].
func WithMaxMessage(n int) Option {
	return option(func(c *config) { c.maxMessage = max(n, 1) })
}

// WithLogger sets where it is told what goes wrong beside the jobs, as a connection
// that is lost: [slog.Default] without it, nowhere for nil.
func WithLogger(l *slog.Logger) Option {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return option(func(c *config) { c.log = l })
}

// WithLease sets after how long without news from its worker a job is given to
// another, 1 second without it; the worker tells four times as often that it is
// there. A worker that is held up for longer only has its jobs run twice. It counts
// where it is given to the first that uses a cluster of this name.
func WithLease(d time.Duration) Option {
	return option(func(c *config) { c.lease = max(d, 100*time.Millisecond) })
}

// WithMaxPending bounds how many jobs of this client may be under way, 1024 without
// it. [Submit] suspends its task while there are so many.
func WithMaxPending(n int) ConnectOption {
	return connectOption(func(c *config) { c.pending = max(n, 1) })
}

// WithWorkerNews calls fn on the loop when a worker is first heard of, leaves, or
// falls silent, or comes back.
func WithWorkerNews(fn func(Worker)) ConnectOption {
	return connectOption(func(c *config) { c.onWorker = fn })
}

// WithConcurrency sets how many jobs a worker runs at a time, each on a goroutine:
// as many as there are processors without it.
func WithConcurrency(n int) ServeOption {
	return serveOption(func(c *config) { c.concurrency = max(n, 1) })
}

// WithGrace sets how long a worker that leaves waits for the jobs that it runs, 10
// seconds without it. Then their contexts end, and they are given back.
func WithGrace(d time.Duration) ServeOption {
	return serveOption(func(c *config) { c.grace = max(d, 0) })
}

func newConfig() *config {
	return &config{
		name: "asyncio", replicas: 1, queueLimit: 1_000_000, resultTTL: 24 * time.Hour,
		maxMessage: 64 << 20, lease: time.Second, pending: 1024,
		concurrency: runtime.NumCPU(), grace: 10 * time.Second, log: slog.Default(),
	}
}
