//go:build unix

package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

func TestWorkersThatAreKilledLoseNothing(t *testing.T) {
	s := startServer(t)
	const workers, jobs, kills = 3, 4000, 4
	var all []*workerProcess
	for range workers {
		all = append(all, startWorker(t, s.ClientURL()))
	}
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		results := make([]int, jobs)
		killed := 0
		for i := range jobs {
			f, err := cluster.Submit(ctx, c, square, i)
			if err != nil {
				t.Fatal(err)
			}
			f.AddDoneCallback(func() {
				results[i]++
				if v, err := f.Result(); err != nil || v != i*i {
					t.Errorf("job %d: %d, %v", i, v, err)
				}
			})
			if i > 0 && i%(jobs/(kills+1)) == 0 && killed < kills {
				w := killed % workers
				if _, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
					all[w].die()
					all[w] = startWorker(t, s.ClientURL())
					return struct{}{}, nil
				}); err != nil {
					t.Fatal(err)
				}
				killed++
			}
		}
		for c.Pending() > 0 {
			if err := asyncio.Sleep(ctx, 5*time.Millisecond); err != nil {
				t.Fatalf("%v: %d jobs have no result", err, c.Pending())
			}
		}
		for i, n := range results {
			if n != 1 {
				t.Errorf("job %d has %d results", i, n)
			}
		}
	}, cluster.WithMaxPending(200))
}

// A worker is gone, or stands still, in the middle of a job: another has the job soon,
// and who listens hears of it.
func TestAJobOfASilentWorkerIsGivenToAnother(t *testing.T) {
	for _, how := range []struct {
		name   string
		signal syscall.Signal
		within time.Duration
	}{{"killed", syscall.SIGKILL, time.Second}, {"stopped", syscall.SIGSTOP, 3 * time.Second}} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			first := startWorker(t, s.ClientURL())
			silent := asyncio.NewEvent()
			onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
				j, err := cluster.Submit(ctx, c, hang, "job")
				if err != nil {
					t.Fatal(err)
				}
				blocking(t, ctx, func() { first.says(t, "begun job") })
				var second *workerProcess
				blocking(t, ctx, func() { second = startWorker(t, s.ClientURL()) })
				if err := first.Process.Signal(how.signal); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if err := silent.Wait(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > how.within+slack {
					t.Errorf("it was noticed after %v", took)
				}
				blocking(t, ctx, func() { second.says(t, "begun job") })
				t.Logf("another worker had it after %v", time.Since(began))
				j.Cancel()
				blocking(t, ctx, func() { second.says(t, "ended job") })
				if how.signal == syscall.SIGSTOP {
					// It hears the cancellation, too, once it goes on.
					if err := first.Process.Signal(syscall.SIGCONT); err != nil {
						t.Fatal(err)
					}
					blocking(t, ctx, func() { first.says(t, "ended job") })
				}
			}, cluster.WithWorkerNews(func(w cluster.Worker) {
				if w.Process == first.Process.Pid && w.State == cluster.Silent {
					silent.Set()
				}
			}))
		})
	}
}

// slack is for a machine that has other things to do.
const slack = 10 * time.Second

// What a worker has told is kept, so a client that comes when it is silent already
// hears of it, too: also of one that had no time to tell it again.
func TestAWorkerThatFellSilentBeforeAClientCameIsNews(t *testing.T) {
	s := startServer(t)
	w := startWorker(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		f, err := cluster.Submit(ctx, c, hang, "job")
		if err != nil {
			t.Fatal(err)
		}
		blocking(t, ctx, func() { w.says(t, "begun job") })
		if err := w.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		f.Cancel()
	})
	silent := asyncio.NewEvent()
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		if err := silent.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		all, err := c.Workers(ctx)
		if err != nil || len(all) != 1 || all[0].Process != w.Process.Pid || all[0].State != cluster.Silent {
			t.Errorf("%+v, %v", all, err)
		}
	}, cluster.WithWorkerNews(func(w cluster.Worker) {
		if w.State == cluster.Silent {
			silent.Set()
		}
	}))
}

func TestAWorkerThatLeavesEndsItsJobs(t *testing.T) {
	s := startServer(t)
	w := startWorker(t, s.ClientURL())
	file := filepath.Join(t.TempDir(), "go")
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		f, err := cluster.Submit(ctx, c, untilFile, file)
		if err != nil {
			t.Fatal(err)
		}
		blocking(t, ctx, func() { w.says(t, "waiting") })
		if err := w.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := f.Await(ctx); err != nil || v != 1 {
			t.Errorf("%d, %v", v, err)
		}
		blocking(t, ctx, func() {
			if err := w.Wait(); err != nil {
				t.Error("the worker:", err)
			}
		})
	})
}

func TestAJobThatKillsItsWorkersBecomesADeadLetter(t *testing.T) {
	s := startServer(t)
	file := filepath.Join(t.TempDir(), "calls")
	done := make(chan struct{})
	restarted := make(chan struct{})
	go func() { // as a supervisor would
		defer close(restarted)
		for {
			w := startWorker(t, s.ClientURL())
			ended := make(chan struct{})
			go func() { _ = w.Wait(); close(ended) }()
			select {
			case <-ended:
			case <-done:
				_ = w.Process.Kill()
				<-ended
				return
			}
		}
	}()
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		_, err := cluster.Call(ctx, c, dieSometimes, errand{file, 1000})
		if err == nil || !strings.Contains(err.Error(), cluster.ErrWorkersDied.Error()) {
			t.Errorf("%v", err)
		}
		if n := calls(file); n != 5 {
			t.Errorf("it was begun %d times", n)
		}
		letters, err := c.DeadLetters(ctx, 0, 10)
		if err != nil || len(letters) != 1 || letters[0].Function != "dieSometimes" {
			t.Errorf("dead letters: %v, %v", letters, err)
		}
		// One that kills only some of them is done in the end.
		file += "2"
		if n, err := cluster.Call(ctx, c, dieSometimes, errand{file, 2}); err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
	}, cluster.WithLease(200*time.Millisecond))
	close(done)
	<-restarted
}
