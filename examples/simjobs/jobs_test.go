package simjobs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// TestAllJobsAreDoneThoughWorkersCrash crashes a worker, and the queue itself, at
// moments that the seed chooses.
func TestAllJobsAreDoneThoughWorkersCrash(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		store := &Store{Results: make(map[string]string)} // the disk of the queue
		for i := range 6 {
			store.Jobs = append(store.Jobs, fmt.Sprint("job", i))
		}
		queue := w.Host("queue")
		queue.Serve(func(ctx context.Context) error {
			q := &Queue{Lease: 500 * time.Millisecond, Store: store}
			return q.Serve(ctx, ":9000")
		})
		hosts := []*sim.Host{queue}
		runs := make(map[string]int)
		for _, name := range []string{"worker1", "worker2"} {
			worker := w.Host(name)
			hosts = append(hosts, worker)
			worker.Serve(func(ctx context.Context) error {
				return Work(ctx, "queue:9000", func(ctx context.Context, job string) (string, error) {
					runs[job]++
					err := asyncio.Sleep(ctx, 50*time.Millisecond)
					return strings.ToUpper(job), err
				})
			})
		}
		crashed := hosts[w.Pick(len(hosts))]
		w.At(time.Duration(w.Pick(400))*time.Millisecond, crashed.Crash)
		w.At(600*time.Millisecond, crashed.Restart)
		w.Eventually("all jobs are done", time.Minute, func() bool {
			for _, n := range runs {
				w.Sometimes("a job has run twice", n > 1)
			}
			return len(store.Results) == len(store.Jobs)
		})
	})
}
