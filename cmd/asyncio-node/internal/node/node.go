package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

// joinTime is how long the servers of a NATS cluster have to find each other.
const joinTime = 30 * time.Second

// member is a running node. Its state is of its loop.
type member struct {
	o    *options
	out  io.Writer
	url  string // for workers
	loop *asyncio.Loop
	stop *asyncio.Event // set when it shall leave
}

// runNode runs server and workers until ctx ends.
func runNode(ctx context.Context, o *options, out io.Writer) error {
	m := &member{o: o, out: out, url: o.joined()}
	opts := o.client()
	connect := m.url
	if len(o.join) == 0 {
		s, err := startServer(o)
		if err != nil {
			return err
		}
		defer s.stop()
		m.url, connect = s.url, s.url
		if o.config == "" {
			// Not by the address: whether that is in the certificate is not this
			// process's affair.
			opts = append(opts, cluster.WithNATS(nats.InProcessServer(s)))
		}
	}
	// The end of ctx is to leave in order, not to be cut off.
	return asyncio.Run(context.WithoutCancel(ctx), func(loopCtx context.Context) error {
		var err error
		if m.loop, err = asyncio.RunningLoop(loopCtx); err != nil {
			return err
		}
		m.stop = asyncio.NewEvent()
		defer context.AfterFunc(ctx, func() { _, _ = m.loop.CallSoonThreadsafe(m.stop.Set) })()
		return m.run(loopCtx, connect, opts)
	}, asyncio.WithInterrupts(false))
}

func (m *member) run(ctx context.Context, url string, opts []cluster.Option) (err error) {
	connectOpts := []cluster.ConnectOption{
		cluster.WithWorkerNews(m.workerNews),
		cluster.WithLogger(slog.New(slog.NewTextHandler(m.out, &slog.HandlerOptions{Level: slog.LevelWarn}))),
	}
	for _, o := range opts {
		connectOpts = append(connectOpts, o)
	}
	c, err := m.connect(ctx, url, connectOpts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	if len(m.o.join) == 0 {
		// Not before: the first who connects decides where jobs are kept.
		fmt.Fprintf(m.out, "serving at %s, store %s\n", m.url, m.o.store)
	}
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		if len(m.o.program) > 0 {
			for i := range m.o.workers {
				g.Go(func(ctx context.Context) error { return m.keepWorker(ctx, i+1) })
			}
		}
		if m.o.every > 0 {
			g.Go(func(ctx context.Context) error { return m.printStatus(ctx, c) })
		}
		return m.stop.Wait(ctx)
	})
}

// connect connects to the cluster. The servers of a NATS cluster have to find each
// other first.
func (m *member) connect(ctx context.Context, url string, opts []cluster.ConnectOption) (*cluster.Client, error) {
	deadline := m.loop.Time() + joinTime
	for {
		c, err := cluster.Connect(ctx, url, opts...)
		if err == nil || m.o.clusterName == "" || m.stop.IsSet() || m.loop.Time() > deadline {
			return c, err
		}
		if err := m.pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

// pause sleeps until the time is over or the node is to leave.
func (m *member) pause(ctx context.Context, d time.Duration) error {
	err := asyncio.Timeout(ctx, d, m.stop.Wait)
	var timeout *asyncio.TimeoutError
	if errors.As(err, &timeout) {
		return nil
	}
	return err
}

// workerNews prints what becomes of workers, also those of other nodes.
func (m *member) workerNews(w cluster.Worker) {
	fmt.Fprintf(m.out, "worker %d on %s is %s\n", w.Process, printable(w.Host), w.State)
}

// printStatus prints the state of the cluster every so often.
func (m *member) printStatus(ctx context.Context, c *cluster.Client) error {
	for {
		if err := m.pause(ctx, m.o.every); err != nil || m.stop.IsSet() {
			return err
		}
		s, err := readState(ctx, c)
		if err != nil {
			if asyncio.IsCancelled(err) {
				return err
			}
			fmt.Fprintf(m.out, "status: %v\n", err)
			continue
		}
		fmt.Fprintln(m.out, s.line())
	}
}
