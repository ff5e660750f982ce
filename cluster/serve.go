package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio/internal/natslink"
)

// ErrLeaving is the cause of the end of a job's context whose worker leaves. The
// job is given to another.
var ErrLeaving = errors.New("cluster: the worker leaves")

// errCancelled is the cause of the end of a job's context that was cancelled.
var errCancelled = errors.New("cluster: the job was cancelled")

// Serve runs jobs of a cluster: the functions that [asyncio.RegisterWorker] has
// named in this program. It returns when ctx ends and it has left: it takes no new
// jobs then, gives back those that it has not begun, and waits for the others as
// [WithGrace] says. It returns nil, or an error when it could not connect or had
// to give up running jobs.
//
// The url and the environment are those of [Connect]. Serve needs no loop: it calls
// functions on goroutines of its own. The contexts that they are given end when the
// job is cancelled, its time is over, or the worker leaves and can wait no longer. A
// function that does not heed it keeps its place until it returns.
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//		defer stop()
//		if err := cluster.Serve(ctx, ""); err != nil {
//			log.Fatal(err)
//		}
//	}
func Serve(ctx context.Context, url string, opts ...ServeOption) error {
	cfg := newConfig()
	for _, o := range opts {
		o.applyServe(cfg)
	}
	if cfg.err != nil {
		return cfg.err
	}
	if os.Getenv(natslink.EnvNode) != "" {
		var leave context.CancelFunc
		ctx, leave = context.WithCancel(ctx)
		defer leave()
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			leave()
		}()
	}
	w := newWorker(cfg, placeOf(ctx))
	if err := w.open(ctx, url); err != nil {
		if ctx.Err() != nil {
			return nil // it was to leave before it had come
		}
		return err
	}
	return w.serve(ctx)
}

// worker is a Serve under way. Its state is shared by goroutines of NATS, those
// that run jobs, and the one that keeps leases.
type worker struct {
	config  *config
	streams *streams
	place   place
	nc      link
	id      string
	inbox   string
	inline  int
	base    context.Context // of the jobs
	endJobs context.CancelCauseFunc
	pulls   subscription
	began   time.Time
	opened  atomic.Bool
	runners crew // those who run jobs
	others  crew // those who wait for NATS

	mu       sync.Mutex
	arrived  cond // the queue has grown, or the worker leaves
	queue    []*held
	held     map[messageID]*held
	byID     map[string][]*held
	results  map[string]*held // whose result is on its way to its stream, by subject of the answer
	lookups  map[string]*held // of whose keys NATS is asked for a result, by subject of the answer
	done     recent
	running  int
	wanted   int // messages that NATS was asked for and has not sent
	pulled   time.Time
	heard    time.Time // when something last came for a pull
	average  time.Duration
	leaving  bool
	late     bool // it waits no longer for what runs
	finished uint64
	failed   uint64
	n        uint64
	idle     cond // nothing runs
}

// afterGrace is how long functions have to return once their contexts have ended.
const afterGrace = time.Second

// held is a job that this worker has taken.
type held struct {
	worker    *worker
	job       job
	raw       []byte
	message   messageID
	ack       string // the subject by which it is acknowledged
	delivered uint64
	taken     time.Time
	started   time.Time
	state     heldState
	cancel    context.CancelCauseFunc
	tries     tries
	lookup    string  // the word in the subject of the answer
	stored    mailbox // what NATS answers: whether there is a result for the key
	result    []byte  // on its way to the stream of results
	answer    string  // the word in the subject of the answer to that
	sent      time.Time
	reported  atomic.Int64 // when progress was last told, in Unix nanoseconds
}

type heldState byte

const (
	queued  heldState = iota
	running           // its function runs, or is about to
	claimed           // what becomes of it is decided, and is being done
	settled           // nothing is to be done any more
)

func newWorker(c *config, at place) *worker {
	w := &worker{
		config: c, place: at, runners: at.crew(), others: at.crew(), id: at.id(), began: time.Now(), average: 10 * time.Millisecond,
		held: map[messageID]*held{}, byID: map[string][]*held{}, results: map[string]*held{},
		lookups: map[string]*held{},
	}
	w.arrived, w.idle = at.cond(&w.mu), at.cond(&w.mu)
	w.base, w.endJobs = context.WithCancelCause(at.base())
	return w
}

func (w *worker) open(ctx context.Context, url string) (err error) {
	if w.nc, err = w.place.connect(w.config, url, "worker", w.reconnected); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.nc.Close()
			w.endJobs(err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, setupTime)
	defer cancel()
	js, err := w.nc.jetStream()
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	w.streams = newStreams(w.config, w.place, w.nc, js)
	if err := w.streams.ensure(ctx, w.config); err != nil {
		return err
	}
	w.inbox, w.inline = w.nc.NewInbox(), inlineLimit(w.nc)
	if w.pulls, err = w.nc.listen(w.inbox+".p", w.taken); err != nil {
		return err
	}
	for _, l := range []listening{
		{w.inbox + ".s.*", w.resultStored}, {w.inbox + ".k.*", w.resultLooked}, {w.streams.cancelSubject(), w.cancelJob},
	} {
		if _, err = w.nc.listen(l.subject, l.fn); err != nil {
			return err
		}
	}
	if err := w.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("cluster: listen for jobs: %w", err)
	}
	if err := w.introduce(ctx); err != nil {
		// Clients may have heard of it all the same.
		w.tellPresence(Leaving)
		w.tellPresence(Left)
		w.flush()
		return err
	}
	w.opened.Store(true)
	return nil
}

// listening is a subject and what handles its messages.
type listening struct {
	subject string
	fn      nats.MsgHandler
}

// flush waits until NATS has what was published, if it has a connection.
func (w *worker) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), setupTime)
	defer cancel()
	_ = w.nc.FlushWithContext(ctx)
}

// serve runs jobs until ctx ends, and leaves.
func (w *worker) serve(ctx context.Context) error {
	for range w.config.concurrency {
		w.runners.Go(w.runJobs)
	}
	stop := w.keep()
	w.pull()
	w.place.ended(ctx)
	left := w.leave()
	stop() // a beat after the last news would take it back
	w.tellPresence(Left)
	w.others.Wait()
	w.flush()
	w.nc.Close()
	if left > 0 {
		return fmt.Errorf("cluster: the worker has left %d jobs that did not end within %v", left, w.config.grace)
	}
	w.runners.Wait()
	return nil
}

// leave gives back what has not begun, waits for what runs, and returns how many
// functions run still.
func (w *worker) leave() int {
	w.mu.Lock()
	w.leaving = true
	back := w.queue
	w.queue = nil
	for _, h := range back {
		w.release(h)
	}
	w.arrived.Broadcast()
	w.mu.Unlock()
	w.giveBack(back)
	w.tellPresence(Leaving)

	// What is on its way is given back by taken.
	_ = w.pulls.Drain()
	defer w.place.after(w.config.grace, func() { w.endJobs(ErrLeaving) })()
	defer w.place.after(w.config.grace+afterGrace, func() {
		w.mu.Lock()
		w.late = true
		w.idle.Broadcast()
		w.mu.Unlock()
	})()
	w.mu.Lock()
	for (w.running > 0 || len(w.results) > 0) && !w.late {
		w.idle.Wait()
	}
	left := w.running
	rest := w.inOrder()
	for _, h := range rest {
		w.release(h)
	}
	w.mu.Unlock()
	w.giveBack(rest)
	w.endJobs(ErrLeaving)
	return left
}
