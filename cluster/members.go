package cluster

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
)

const (
	beatEvery = 200 * time.Millisecond // how often a worker tells that it is there
	silence   = 800 * time.Millisecond // without news it counts as silent
	forgetful = time.Hour              // how long workers that are gone are known
)

// A WorkerState says how it is with a worker.
type WorkerState string

// The states of a worker.
const (
	Working WorkerState = "working"
	Leaving WorkerState = "leaving" // it takes no new jobs
	Left    WorkerState = "left"
	Silent  WorkerState = "silent" // dead, stopped, or cut off: its jobs are given to others
)

// A Worker is what a client knows of a worker.
type Worker struct {
	ID       string        // as it calls itself
	Host     string        // the machine's name
	Process  int           // the process id there
	State    WorkerState   // as far as the client knows
	Running  int           // jobs that it runs
	Held     int           // jobs that it has, with those that it runs
	Places   int           // as many as it runs at a time
	Finished uint64        // jobs that it is done with
	Failed   uint64        // calls of functions that have failed
	Began    time.Time     // when it came, by its own clock
	Heard    time.Duration // when it was last heard of, on the clock of the client's loop
}

// tellPresence tells clients how this worker is.
func (w *worker) tellPresence(state WorkerState) {
	host, _ := os.Hostname()
	w.mu.Lock()
	if w.leaving && state == Working {
		state = Leaving
	}
	me := Worker{
		ID: w.id, Host: host, Process: os.Getpid(), State: state, Running: w.running, Held: len(w.held),
		Places: w.config.concurrency, Finished: w.finished, Failed: w.failed, Began: w.began,
	}
	w.mu.Unlock()
	if p, err := json.Marshal(me); err == nil {
		_ = w.nc.Publish(w.streams.workerSubject(w.id), p)
	}
}

// members are the workers of which a client has heard.
type members struct {
	c     *Client
	all   map[string]*Worker
	timer *asyncio.TimerHandle
}

// watchWorkers begins to listen to workers.
func (c *Client) watchWorkers() error {
	if c.members != nil {
		return nil
	}
	m := &members{c: c, all: map[string]*Worker{}}
	_, err := c.nc.Subscribe(c.streams.workerSubject("*"), func(msg *nats.Msg) {
		var w Worker
		if json.Unmarshal(msg.Data, &w) == nil && strings.HasSuffix(msg.Subject, "."+w.ID) {
			c.in.post(func() { m.heard(w) })
		}
	})
	if err != nil {
		return err
	}
	c.members = m
	c.out.publish(c.streams.name+".who", "", nil, false)
	m.timer = c.loop.CallLater(beatEvery, m.look)
	return nil
}

// heard takes what a worker says of itself.
func (m *members) heard(w Worker) {
	if m.c.closed {
		return
	}
	w.Heard = m.c.loop.Time()
	old := m.all[w.ID]
	m.all[w.ID] = &w
	if old == nil || old.State != w.State {
		m.tell(w)
	}
}

func (m *members) tell(w Worker) {
	if fn := m.c.config.onWorker; fn != nil {
		fn(w)
	}
}

// look finds the workers that have fallen silent.
func (m *members) look() {
	if m.c.closed {
		return
	}
	m.timer = m.c.loop.CallLater(beatEvery/2, m.look)
	now := m.c.loop.Time()
	for id, w := range m.all {
		switch {
		case now-w.Heard > forgetful:
			delete(m.all, id)
		case now-w.Heard > silence && (w.State == Working || w.State == Leaving):
			w.State = Silent
			m.tell(*w)
		}
	}
}

// Workers returns the workers of which this client has heard, by host and process.
// The first call begins to listen, and suspends the running task until those that
// are there have had time to answer.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	if c.closing {
		return nil, ErrClosed
	}
	if c.members == nil {
		if err := c.watchWorkers(); err != nil {
			return nil, err
		}
		if err := asyncio.Sleep(ctx, 2*beatEvery); err != nil {
			return nil, err
		}
	}
	all := make([]Worker, 0, len(c.members.all))
	for _, w := range c.members.all {
		all = append(all, *w)
	}
	slices.SortFunc(all, func(a, b Worker) int {
		if n := strings.Compare(a.Host, b.Host); n != 0 {
			return n
		}
		if a.Process != b.Process {
			return a.Process - b.Process
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}
