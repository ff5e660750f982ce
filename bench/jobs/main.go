// Command jobs measures how late the loop is while jobs compute in its executor, and
// what those get done:
//
//	jobs loop|goroutines|blocking [-workers N] [-jobs N] [-work D] [-for D]
//
// Beside a ticker of a millisecond, so many jobs (32) are always wanted, each of which
// computes for about the time -work (50 ms); so many workers (16) do them. With
// goroutines, the ticker and the workers are goroutines. With blocking, the jobs sleep.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
)

var (
	workers = flag.Int("workers", 16, "so `many` jobs at a time")
	jobs    = flag.Int("jobs", 32, "so `many` jobs are always wanted")
	work    = flag.Duration("work", 50*time.Millisecond, "what a job computes")
	lasts   = flag.Duration("for", 5*time.Second, "how long")
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: jobs loop|goroutines|blocking [FLAGS]")
		os.Exit(2)
	}
	what := os.Args[1]
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		os.Exit(2)
	}
	var err error
	switch what {
	case "loop":
		n := calibrate()
		err = loop(what, func() { compute(n) })
	case "blocking":
		err = loop(what, func() { time.Sleep(*work) })
	case "goroutines":
		goroutines(calibrate())
	default:
		err = fmt.Errorf("%q is nothing that is measured", what)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "jobs:", err)
		os.Exit(1)
	}
}

func loop(name string, job func()) error {
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		e := asyncio.NewThreadPoolExecutor(*workers)
		done, over := 0, false
		tasks := make([]*asyncio.Task[struct{}], *jobs)
		for i := range tasks {
			tasks[i] = asyncio.Go(ctx, func(ctx context.Context) error {
				for !over {
					_, err := asyncio.RunInExecutor(l, e, func(context.Context) (struct{}, error) {
						job()
						return struct{}{}, nil
					}).Await(ctx)
					if err != nil {
						return err
					}
					done++
				}
				return nil
			})
		}
		t := ticker{}
		for t.goesOn() {
			due := time.Now().Add(time.Millisecond)
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			t.late = append(t.late, time.Since(due))
		}
		over = true
		t.report(name, done)
		for _, task := range tasks {
			if _, err := task.Await(ctx); err != nil {
				return err
			}
		}
		return e.Shutdown(ctx) //asyncvet:ignore blocking all jobs have ended
	})
}

func goroutines(n int) {
	wanted, did := make(chan struct{}, *jobs), make(chan struct{}, *jobs)
	for range *workers {
		go func() {
			for range wanted {
				compute(n)
				did <- struct{}{}
			}
		}()
	}
	for range *jobs {
		wanted <- struct{}{}
	}
	done := 0
	t := ticker{}
	for t.goesOn() {
		due := time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		t.late = append(t.late, time.Since(due))
		for more := true; more; {
			select {
			case <-did:
				done++
				wanted <- struct{}{}
			default:
				more = false
			}
		}
	}
	t.report("goroutines", done)
}

type ticker struct {
	began time.Time
	late  []time.Duration
}

func (t *ticker) goesOn() bool {
	if t.began.IsZero() {
		t.began = time.Now()
	}
	return time.Since(t.began) < *lasts
}

func (t *ticker) report(name string, done int) {
	took := time.Since(t.began)
	slices.Sort(t.late)
	at := func(q int) float64 {
		return float64(t.late[min(len(t.late)*q/1000, len(t.late)-1)].Microseconds()) / 1000
	}
	fmt.Printf("%s\tlate p50 %.2f\tp99 %.2f\tmost %.2f ms\t%d ticks\t%.1f jobs a second\n",
		name, at(500), at(990), at(1000), len(t.late), float64(done)/took.Seconds())
}

// Sink is what compute computes for.
var Sink uint64

// calibrate returns how many rounds of compute take the time of a job.
func calibrate() int {
	const rounds = 20_000_000
	best := time.Hour
	for range 3 {
		began := time.Now()
		compute(rounds)
		best = min(best, time.Since(began))
	}
	return int(float64(rounds) * float64(*work) / float64(best))
}

func compute(rounds int) {
	x := uint64(rounds)
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 {
		Sink++
	}
}
