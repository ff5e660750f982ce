package sim_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/examples/simhttp"
	"github.com/asyncio-go/asyncio/examples/simjobs"
	"github.com/asyncio-go/asyncio/sim"
)

// seeds runs as many seeds as the benchmark has steps.
func seeds(b *testing.B, world func(w *sim.World)) {
	b.ReportAllocs()
	if r := sim.Run(world, sim.Seeds(b.N), sim.Once()); r.Err != nil {
		b.Fatal(r.Err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "seeds/s")
}

// jobQueue is the world of examples/simjobs: a queue, two workers, a crash.
func jobQueue(w *sim.World) {
	store := &simjobs.Store{Results: make(map[string]string)}
	for i := range 6 {
		store.Jobs = append(store.Jobs, fmt.Sprint("job", i))
	}
	queue := w.Host("queue")
	queue.Serve(func(ctx context.Context) error {
		q := &simjobs.Queue{Lease: 500 * time.Millisecond, Store: store}
		return q.Serve(ctx, ":9000")
	})
	hosts := []*sim.Host{queue}
	for _, name := range []string{"worker1", "worker2"} {
		worker := w.Host(name)
		hosts = append(hosts, worker)
		worker.Serve(func(ctx context.Context) error {
			return simjobs.Work(ctx, "queue:9000", func(ctx context.Context, job string) (string, error) {
				return strings.ToUpper(job), asyncio.Sleep(ctx, 50*time.Millisecond)
			})
		})
	}
	crashed := hosts[w.Pick(len(hosts))]
	w.At(time.Duration(w.Pick(400))*time.Millisecond, crashed.Crash)
	w.At(600*time.Millisecond, crashed.Restart)
	w.Eventually("all jobs are done", time.Minute, func() bool { return len(store.Results) == len(store.Jobs) })
}

// httpRetry is the world of examples/simhttp: a client that asks until it has an answer.
func httpRetry(w *sim.World) {
	ledger := make(simhttp.Ledger)
	server, client := w.Host("server"), w.Host("client")
	server.Serve(func(ctx context.Context) error {
		return (&asynchttp.Server{Handler: ledger}).Serve(ctx, "tcp", ":80")
	})
	client.Go(func(ctx context.Context) error {
		tr := &asynchttp.Transport{}
		defer tr.Close()
		return simhttp.Pay(ctx, &http.Client{Transport: tr}, "http://server/pay", "one")
	})
	w.At(time.Duration(w.Pick(50))*time.Millisecond, func() { w.OneWay(server, client).Cut() })
	w.At(3*time.Second, func() { w.Heal(server, client) })
	w.Always("at most one payment is made", func() bool { return ledger["one"] <= 1 })
}

func BenchmarkSeedsJobQueue(b *testing.B)  { seeds(b, jobQueue) }
func BenchmarkSeedsHTTPRetry(b *testing.B) { seeds(b, httpRetry) }
func BenchmarkSeedsElection(b *testing.B) {
	seeds(b, func(w *sim.World) { raftElection(forgetsVotes)(w, true) })
}
