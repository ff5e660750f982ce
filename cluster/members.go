package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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

// presence is what this worker tells of itself.
func (w *worker) presence(state WorkerState) []byte {
	host, process := w.place.self()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leaving && state == Working {
		state = Leaving
	}
	p, _ := json.Marshal(Worker{
		ID: w.id, Host: host, Process: process, State: state, Running: w.running, Held: len(w.held),
		Places: w.config.concurrency, Finished: w.finished, Failed: w.failed, Began: w.began,
	})
	return p
}

// tellPresence tells clients how this worker is. The stream of workers keeps what was
// told last, for those that come later.
func (w *worker) tellPresence(state WorkerState) {
	_ = w.nc.Publish(w.streams.workerSubject(w.id), w.presence(state))
}

// introduce tells it for the first time, and returns when the stream has it: a worker
// that dies or stands still in its first job would else be missed by nobody.
func (w *worker) introduce(ctx context.Context) error {
	err := w.streams.patiently(ctx, func(ctx context.Context) error {
		_, err := w.streams.js.Publish(ctx, w.streams.workerSubject(w.id), w.presence(Working))
		return err
	})
	if err != nil {
		return fmt.Errorf("cluster: tell that a worker is there: %w", err)
	}
	return nil
}

// members are the workers of which a client has heard.
type members struct {
	c     *Client
	all   map[string]*Worker
	ready *asyncio.Event // set when those that were there are known
	timer *asyncio.TimerHandle
}

// watchWorkers begins to listen to workers: to what they tell from now on, and then
// to what the stream has of those that told it before, which may be dead by now.
func (c *Client) watchWorkers() error {
	if c.members != nil {
		return nil
	}
	m := &members{c: c, all: map[string]*Worker{}, ready: asyncio.NewEvent()}
	_, err := c.nc.listen(c.streams.workerSubject("*"), func(msg *nats.Msg) {
		if w, ok := decodePresence(msg.Subject, msg.Data); ok {
			c.in.post(func() { m.heard(w) })
		}
	})
	if err != nil {
		return err
	}
	c.members = m
	m.timer = c.loop.CallLater(beatEvery, m.look)
	c.others.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, setupTime)
		defer cancel()
		all, err := c.streams.presences(ctx)
		c.in.post(func() { m.known(all, err) })
	})
	return nil
}

// decodePresence reads what a worker tells under a subject.
func decodePresence(subject string, p []byte) (w Worker, ok bool) {
	err := json.Unmarshal(p, &w)
	return w, err == nil && strings.HasSuffix(subject, "."+w.ID)
}

// told is the last that a worker told, and how long ago.
type told struct {
	worker Worker
	ago    time.Duration
}

// presences returns the last that each worker told, as far as it is kept.
func (s *streams) presences(ctx context.Context) ([]told, error) {
	var c jetstream.Consumer
	err := s.patiently(ctx, func(ctx context.Context) (err error) {
		c, err = s.js.CreateConsumer(ctx, s.workers, jetstream.ConsumerConfig{
			DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
			FilterSubject: s.workerSubject("*"), InactiveThreshold: setupTime, MemoryStorage: true,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: ask for the workers: %w", err)
	}
	info := c.CachedInfo()
	if info.NumPending == 0 {
		return nil, nil
	}
	batch, err := c.FetchNoWait(int(info.NumPending))
	if err != nil {
		return nil, fmt.Errorf("cluster: ask for the workers: %w", err)
	}
	var all []told
	for m := range batch.Messages() {
		w, ok := decodePresence(m.Subject(), m.Data())
		if !ok {
			continue
		}
		t := told{worker: w}
		// Both times are of the server's clock.
		if meta, err := m.Metadata(); err == nil && !info.TimeStamp.IsZero() {
			t.ago = max(0, info.TimeStamp.Sub(meta.Timestamp))
		}
		all = append(all, t)
	}
	return all, batch.Error()
}

// known takes what the stream has of workers of which nothing else was heard yet.
func (m *members) known(all []told, err error) {
	if m.c.closed {
		return
	}
	if err != nil {
		m.c.config.log.Warn("cluster: workers that are silent already are not known", "error", err)
	}
	for _, t := range all {
		w := t.worker
		if m.all[w.ID] != nil || w.State == Left {
			continue
		}
		if w.Heard = m.c.loop.Time() - t.ago; t.ago > silence {
			w.State = Silent
		}
		m.all[w.ID] = &w
		m.tell(w)
	}
	m.ready.Set()
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
	for _, id := range slices.Sorted(maps.Keys(m.all)) {
		w := m.all[id]
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
// The first call begins to listen, and suspends the running task until NATS has
// answered who has been there within the last minute.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	if c.closing {
		return nil, ErrClosed
	}
	if c.members == nil {
		if err := c.watchWorkers(); err != nil {
			return nil, err
		}
	}
	if err := c.members.ready.Wait(ctx); err != nil {
		return nil, err
	}
	if c.closing {
		return nil, ErrClosed
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
