//go:build unix

package main

import (
	"context"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

// deaths is how many workers are killed, and how many stopped.
const deaths = 20

// death kills and stops workers in the middle of a job, one after another. Each has a
// worker beside it, which gets the job.
func death() (figures, error) {
	out := figures{"mode": "death", "times": deaths}
	for _, how := range []struct {
		name   string
		signal syscall.Signal
	}{{"killed", syscall.SIGKILL}, {"stopped", syscall.SIGSTOP}} {
		var noticed, again []time.Duration
		for range deaths {
			n, a, err := dieOnce(how.signal)
			if err != nil {
				return nil, err
			}
			noticed, again = append(noticed, n), append(again, a)
		}
		slices.Sort(noticed)
		slices.Sort(again)
		out[how.name+"_noticed_ms"] = []int64{noticed[0].Milliseconds(), noticed[deaths/2].Milliseconds(), noticed[deaths-1].Milliseconds()}
		out[how.name+"_job_again_ms"] = []int64{again[0].Milliseconds(), again[deaths/2].Milliseconds(), again[deaths-1].Milliseconds()}
	}
	return out, nil
}

// dieOnce sends a worker a signal, and returns when that was noticed, and when another
// worker had its job.
func dieOnce(signal syscall.Signal) (noticed, again time.Duration, err error) {
	s, stop, err := startServer()
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	p := &processes{url: s.ClientURL()}
	first, err := p.start()
	if err != nil {
		return 0, 0, err
	}
	all := []*exec.Cmd{first}
	defer func() {
		for _, w := range all {
			_ = w.Process.Kill()
			_ = w.Wait()
		}
	}()
	silent, there, begun := asyncio.NewEvent(), asyncio.NewEvent(), asyncio.NewEvent()
	err = asyncio.Run(context.Background(), func(ctx context.Context) error {
		c, err := cluster.Connect(ctx, s.ClientURL(), cluster.WithWorkerNews(func(w cluster.Worker) {
			switch {
			case w.Process != first.Process.Pid:
				there.Set()
			case w.State == cluster.Silent:
				silent.Set()
			}
		}))
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		j, err := cluster.Submit(ctx, c, untilCancelled, "/dev/null", cluster.WithProgress(func(cluster.Progress) { begun.Set() }))
		if err != nil {
			return err
		}
		if err := begun.Wait(ctx); err != nil {
			return err
		}
		second, err := p.start()
		if err != nil {
			return err
		}
		all = append(all, second)
		if err := there.Wait(ctx); err != nil {
			return err
		}
		begun.Clear()
		at := time.Now()
		if err := first.Process.Signal(signal); err != nil {
			return err
		}
		taken := asyncio.CreateTask(ctx, func(ctx context.Context) (time.Duration, error) {
			err := begun.Wait(ctx)
			return time.Since(at), err
		})
		if err := silent.Wait(ctx); err != nil {
			return err
		}
		noticed = time.Since(at)
		if again, err = taken.Await(ctx); err != nil {
			return err
		}
		j.Cancel()
		return nil
	})
	return noticed, again, err
}
