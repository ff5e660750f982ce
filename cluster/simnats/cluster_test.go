package simnats_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
	"github.com/asyncio-go/asyncio/cluster/internal/simwire"
	"github.com/asyncio-go/asyncio/cluster/simnats"
	"github.com/asyncio-go/asyncio/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var clusterSeeds = flag.Int("cluster.seeds", 25, "simulate clusters with so many `seeds`")

const url = "nats://engine:4222"

var quiet = cluster.WithLogger(nil)

// work is what the workers run. It is in the world: it waits on its loop.
var work = asyncio.RegisterWorker("simnats_test.work", func(ctx context.Context, in job) (result, error) {
	runs++
	run := runs
	if err := asyncio.Sleep(ctx, in.Takes); err != nil { //asyncvet:ignore goroutine in the world it is a task
		return result{}, err
	}
	finished[in.Number]++
	return result{in.Number, run}, nil
})

var (
	runs     int
	finished map[int]int // how often each job has run to its end
)

type job struct {
	Number int
	Takes  time.Duration
}

type result struct{ Number, Run int }

// aCluster puts an engine and workers into a world.
func aCluster(w *sim.World, workers int, url string) (engine *sim.Host, all []*sim.Host) {
	runs, finished = 0, make(map[int]int)
	e := simnats.New()
	engine = w.Host("engine")
	engine.Serve(func(ctx context.Context) error { return e.Serve(ctx, ":4222") })
	for i := range workers {
		h := w.Host(fmt.Sprint("worker", i))
		h.Serve(func(ctx context.Context) error {
			for {
				// One that comes while the engine is down tries again, as a supervisor does.
				err := cluster.Serve(ctx, url, quiet, cluster.WithFileStore(), cluster.WithConcurrency(2))
				if err == nil {
					return nil
				}
				if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
			}
		})
		all = append(all, h)
	}
	return engine, all
}

func connect(ctx context.Context) (*cluster.Client, error) {
	for {
		c, err := cluster.Connect(ctx, url, quiet, cluster.WithFileStore())
		if err == nil || asyncio.IsCancelled(err) {
			return c, err
		}
		if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// submitAll submits jobs, the second half of them twice with a key, and looks at the
// results.
func submitAll(ctx context.Context, w *sim.World, c *cluster.Client, jobs int) error {
	var futures []*asyncio.Future[result]
	var plan []job
	for i := range jobs {
		j := job{i / 2, time.Duration(w.Pick(80)) * 10 * time.Millisecond}
		var opts []cluster.JobOption
		if i >= jobs/2 {
			opts = append(opts, cluster.WithKey(fmt.Sprint("key ", j.Number)))
		}
		f, err := cluster.Submit(ctx, c, work, j, opts...)
		if err != nil {
			return err
		}
		futures, plan = append(futures, f), append(plan, j)
	}
	results, err := asyncio.WaitFor(ctx, 5*time.Minute, asyncio.CreateTask(ctx, func(ctx context.Context) ([]result, error) {
		return asyncio.Gather[result](ctx, futures...)
	}))
	if err != nil {
		return fmt.Errorf("%d jobs are under way: %w", c.Pending(), err)
	}
	for i, r := range results {
		if r.Number != plan[i].Number {
			w.Failf("job %d has the result of another, %d", i, r.Number)
		}
		if i >= jobs/2 && i%2 == 1 && results[i-1].Run != r.Run {
			w.Failf("jobs %d and %d have the same key, and results of two runs", i-1, i)
		}
	}
	return nil
}

// drained waits until the cluster holds no jobs.
func drained(ctx context.Context, c *cluster.Client) error {
	for {
		s, err := c.Stats(ctx)
		if err == nil && s.Jobs == 0 {
			return nil
		}
		if asyncio.IsCancelled(err) {
			return err
		}
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

func TestAClusterRunsInTheWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		aCluster(w, 2, url)
		w.Host("client").Go(func(ctx context.Context) error {
			c, err := connect(ctx)
			if err != nil {
				return err
			}
			if err := submitAll(ctx, w, c, 16); err != nil {
				return err
			}
			if err := drained(ctx, c); err != nil {
				return err
			}
			return c.Close(ctx)
		})
	}, sim.Seeds(20))
}

// TestEachResultComesOnceByKeyThroughCrashesAndPartitions lets workers and the engine
// crash, and cuts links.
func TestEachResultComesOnceByKeyThroughCrashesAndPartitions(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		engine, workers := aCluster(w, 3, url)
		client := w.Host("client")
		hosts := append([]*sim.Host{client}, workers...)
		for range w.Pick(5) {
			at := time.Duration(w.Pick(30)) * 100 * time.Millisecond
			lasts := time.Duration(1+w.Pick(30)) * 100 * time.Millisecond
			switch victim := workers[w.Pick(len(workers))]; w.Pick(4) {
			case 0:
				w.At(at, victim.Crash)
				w.At(at+lasts, victim.Restart)
			case 1:
				cut := hosts[w.Pick(len(hosts))]
				w.At(at, func() { w.Partition(cut, engine) })
				w.At(at+lasts, func() { w.Heal(cut, engine) })
			case 2:
				w.At(at, engine.Crash)
				w.At(at+lasts, engine.Restart)
			case 3:
				w.At(at, func() { victim.Pause(lasts) })
			}
		}
		client.Go(func(ctx context.Context) error {
			c, err := connect(ctx)
			if err != nil {
				return err
			}
			if err := submitAll(ctx, w, c, 16); err != nil {
				return err
			}
			w.Sometimes("a job ran twice", runs > 12)
			if err := drained(ctx, c); err != nil {
				return err
			}
			return c.Close(ctx)
		})
	}, sim.Seeds(*clusterSeeds))
}

// leave has a client submit jobs and go away, which then nobody submits again; and workers
// crash. All jobs must be run.
func leave(w *sim.World, url string, lost func() error) {
	const jobs = 8
	_, workers := aCluster(w, 2, url)
	for range 1 + w.Pick(3) {
		victim := workers[w.Pick(len(workers))]
		at := time.Duration(w.Pick(30)) * 50 * time.Millisecond
		w.At(at, victim.Crash)
		w.At(at+500*time.Millisecond, victim.Restart)
	}
	w.Host("client").Go(func(ctx context.Context) error {
		c, err := connect(ctx)
		if err != nil {
			return err
		}
		for i := range jobs {
			f, err := cluster.Submit(ctx, c, work, job{i, time.Duration(w.Pick(40)) * 10 * time.Millisecond})
			if err != nil {
				return err
			}
			f.AddDoneCallback(func() { _ = f.Err() }) // nobody waits for it
		}
		if err := c.Close(ctx); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 20*time.Second); err != nil {
			return err
		}
		for i := range jobs {
			if finished[i] == 0 {
				return lost()
			}
		}
		return nil
	})
}

func TestJobsOutliveTheirClientAndTheirWorkers(t *testing.T) {
	lost := func() error { return errors.New("a job was lost") }
	sim.Test(t, func(w *sim.World) { leave(w, url, lost) }, sim.Seeds(*clusterSeeds))
}

// TestAnAcknowledgementBeforeTheWorkIsFound has workers behind a gateway that acknowledges
// each job when it comes: such workers lose jobs when they crash.
func TestAnAcknowledgementBeforeTheWorkIsFound(t *testing.T) {
	worlds, first := 0, 0
	sim.Test(t, func(w *sim.World) {
		worlds++
		w.Host("gateway").Serve(hasty)
		leave(w, "nats://gateway:4223", func() error {
			if first == 0 {
				first = worlds
			}
			return nil
		})
	}, sim.Seeds(*clusterSeeds))
	if first == 0 {
		t.Errorf("it was not found in %d worlds", worlds)
	}
	t.Logf("found in world %d", first)
}

// hasty is the gateway.
func hasty(ctx context.Context) error {
	s, err := asyncio.StartServer(ctx, "tcp", ":4223", func(ctx context.Context, down *asyncio.Stream) error {
		defer down.Abort()
		up, err := asyncio.OpenConnection(ctx, "tcp", "engine:4222")
		if err != nil {
			return nil // the worker tries again
		}
		defer up.Abort()
		asyncio.CreateTask(ctx, func(context.Context) (struct{}, error) {
			defer up.Abort()
			for {
				f, err := simwire.Read(down)
				if err != nil || up.WriteNowait(simwire.Append(nil, f)) != nil {
					return struct{}{}, nil
				}
			}
		})
		for {
			f, err := simwire.Read(up)
			if err != nil || down.WriteNowait(simwire.Append(nil, f)) != nil {
				return nil
			}
			if strings.HasPrefix(f.Reply, "$JS.ACK.") {
				if up.WriteNowait(simwire.Append(nil, &simwire.Frame{Op: simwire.Pub, Subject: f.Reply, Data: []byte("+ACK")})) != nil {
					return nil
				}
			}
		}
	})
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}
