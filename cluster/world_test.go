package cluster_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

var worldSeeds = flag.Int("world.seeds", 4, "run clusters in a bubble with so many `seeds`")

// worldFunction is what the workers of a world run: it takes its time, and says which
// run of all it was.
var worldFunction = asyncio.RegisterWorker("cluster_test.world", func(ctx context.Context, in worldJob) (worldResult, error) {
	run := worldRuns.Add(1)
	select {
	case <-ctx.Done():
		return worldResult{}, context.Cause(ctx)
	case <-time.After(in.Takes):
		return worldResult{in.Number, run}, nil
	}
})

var worldRuns atomic.Int64

type worldJob struct {
	Number int
	Takes  time.Duration
}

type worldResult struct {
	Number int
	Run    int64
}

// A bubbled is a cluster in a bubble of testing/synctest: NATS itself, its client, the
// workers and a loop, on the bubble's clock, with connections that are made of pipes. Its
// troubles come from a seed. The order of goroutines does not, so a seed does not go the
// same way each time; but an hour of it takes a moment.
type bubbled struct {
	t    *testing.T
	rand *rand.Rand
	dir  string

	mu      sync.Mutex
	engine  *server.Server // nil: it is down
	workers []*bubbledWorker
	all     sync.WaitGroup
}

// A bubbledWorker is a worker and its machine.
type bubbledWorker struct {
	b    *bubbled
	stop context.CancelFunc

	mu    sync.Mutex
	dead  bool
	wires []*wire
}

// A wire is a connection to the engine. When its machine has died it swallows what is
// sent, and nothing comes any more, but nobody is told.
type wire struct {
	net.Conn
	dead atomic.Bool
}

func (c *wire) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if !c.dead.Load() || err != nil {
			return n, err
		}
	}
}

func (c *wire) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

var errDown = errors.New("the engine is down")

// Dial implements [nats.CustomDialer], for the client.
func (b *bubbled) Dial(string, string) (net.Conn, error) {
	b.mu.Lock()
	s := b.engine
	b.mu.Unlock()
	if s == nil {
		return nil, errDown
	}
	return s.InProcessConn()
}

// Dial implements [nats.CustomDialer].
func (w *bubbledWorker) Dial(network, address string) (net.Conn, error) {
	c, err := w.b.Dial(network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		c.Close()
		return nil, errDown
	}
	wr := &wire{Conn: c}
	w.wires = append(w.wires, wr)
	return wr, nil
}

// die is a loss of power: the machine's network falls silent for ever.
func (w *bubbledWorker) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
	for _, c := range w.wires {
		c.dead.Store(true)
	}
}

// start starts the engine, with what is on its disk.
func (b *bubbled) start() {
	s, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: b.dir, NoSigs: true, NoLog: true})
	if err != nil {
		b.t.Error(err)
		return
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		b.t.Error("the engine does not get ready")
	}
	b.mu.Lock()
	b.engine = s
	b.mu.Unlock()
}

func (b *bubbled) shutdown() {
	b.mu.Lock()
	s := b.engine
	b.engine = nil
	b.mu.Unlock()
	s.Shutdown()
	s.WaitForShutdown()
}

// serve starts a worker on a machine of its own.
func (b *bubbled) serve(opts ...cluster.ServeOption) {
	ctx, stop := context.WithCancel(context.Background())
	w := &bubbledWorker{b: b, stop: stop}
	b.workers = append(b.workers, w)
	opts = append(opts, quiet, cluster.WithConcurrency(2), cluster.WithNATS(nats.SetCustomDialer(w)), cluster.WithGrace(time.Second))
	b.all.Go(func() {
		for ctx.Err() == nil {
			// One that comes while the engine is down tries again, as a supervisor does.
			if err := cluster.Serve(ctx, "nats://192.0.2.1:4222", opts...); err != nil {
				<-time.After(100 * time.Millisecond)
			}
		}
	})
}

// trouble kills a worker, and starts another, or stops the engine for a while.
func (b *bubbled) trouble(opts ...cluster.ServeOption) {
	if b.rand.IntN(3) == 0 {
		b.shutdown()
		<-time.After(time.Duration(b.rand.IntN(2000)) * time.Millisecond)
		b.start()
		return
	}
	b.workers[b.rand.IntN(len(b.workers))].die()
	b.serve(opts...)
}

// TestEachResultComesOnceThoughWorkersDieAndTheEngineRestarts submits jobs, some of them
// twice with the same key, and lets machines die and the engine go away meanwhile. Each
// future gets the result of its job, and those with the same key the same.
//
// It is a process of its own: NATS keeps timers for the next who needs one, and those of a
// bubble are of no use outside of it.
func TestEachResultComesOnceThoughWorkersDieAndTheEngineRestarts(t *testing.T) {
	if os.Getenv(inBubble) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), self, "-test.v", "-test.timeout=5m", "-test.run=^"+t.Name()+"$", fmt.Sprintf("-world.seeds=%d", *worldSeeds))
		c.Env = append(os.Environ(), inBubble+"=1")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		return
	}
	ats.Register() // its clock is one of the process, and must not be made in a bubble
	defer ats.Unregister()
	top := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		for seed := range *worldSeeds {
			b := &bubbled{t: t, rand: rand.New(rand.NewPCG(uint64(seed), 0)), dir: filepath.Join(top, fmt.Sprint(seed))}
			if b.run(); t.Failed() {
				t.Fatalf("with seed %d", seed)
			}
		}
	})
}

// inBubble is set for the process of the bubble.
const inBubble = "CLUSTER_TEST_BUBBLE"

func (b *bubbled) run() {
	began, before := time.Now(), worldRuns.Load()
	b.start()
	const jobs = 24
	for range 2 {
		b.serve(cluster.WithFileStore())
	}
	var plan []worldJob
	for i := range jobs {
		plan = append(plan, worldJob{i / 2, time.Duration(b.rand.IntN(800)) * time.Millisecond})
	}
	troubles := b.rand.IntN(4)
	var troubled sync.WaitGroup
	troubled.Go(func() {
		for range troubles {
			<-time.After(time.Duration(b.rand.IntN(2000)) * time.Millisecond)
			b.trouble(cluster.WithFileStore())
		}
	})
	err := asyncio.Run(b.t.Context(), func(ctx context.Context) error {
		c, err := cluster.Connect(ctx, "nats://192.0.2.1:4222", quiet, cluster.WithFileStore(), cluster.WithNATS(nats.SetCustomDialer(b)))
		for err != nil && !asyncio.IsCancelled(err) { // the engine may be down
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			c, err = cluster.Connect(ctx, "nats://192.0.2.1:4222", quiet, cluster.WithFileStore(), cluster.WithNATS(nats.SetCustomDialer(b)))
		}
		if err != nil {
			return err
		}
		var futures []*asyncio.Future[worldResult]
		for i, j := range plan {
			var opts []cluster.JobOption
			if i >= jobs/2 {
				opts = append(opts, cluster.WithKey(fmt.Sprint("key ", j.Number)))
			}
			f, err := cluster.Submit(ctx, c, worldFunction, j, opts...)
			if err != nil {
				return err
			}
			futures = append(futures, f)
		}
		results, err := asyncio.WaitFor(ctx, 10*time.Minute, asyncio.CreateTask(ctx, func(ctx context.Context) ([]worldResult, error) {
			return asyncio.Gather[worldResult](ctx, futures...)
		}))
		if err != nil {
			return fmt.Errorf("%d jobs are under way after %v: %w", c.Pending(), time.Since(began), err)
		}
		seen := make(map[int64]int)
		for i, r := range results {
			if r.Number != plan[i].Number {
				b.t.Errorf("job %d has the result of another, %d", i, r.Number)
			}
			if other, twice := seen[r.Run]; twice && (i < jobs/2 || plan[other].Number != r.Number) {
				b.t.Errorf("jobs %d and %d have the result of one run", other, i)
			}
			if i >= jobs/2 && i%2 == 1 && results[i-1].Run != r.Run {
				b.t.Errorf("jobs %d and %d have the same key, and results of two runs", i-1, i)
			}
			seen[r.Run] = i
		}
		for { // the last acknowledgements; and the engine may be down
			left, err := queued(ctx, c)
			if err == nil && left == 0 {
				break
			}
			if time.Since(began) > time.Hour {
				b.t.Errorf("%d jobs are in the cluster, and all have their results: %v", left, err)
				break
			}
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		return c.Close(ctx)
	}, asyncio.WithPortableDriver())
	if err != nil {
		b.t.Error(err)
	}
	b.t.Logf("%d runs of %d jobs, %d troubles, %v", worldRuns.Load()-before, jobs, troubles, time.Since(began))
	troubled.Wait() // the last may come after the last result, and starts a worker
	for _, w := range b.workers {
		w.stop()
	}
	b.all.Wait()
	b.shutdown()
}
