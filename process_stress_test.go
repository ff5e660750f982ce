//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

var (
	stress    = flag.Duration("stress", time.Second, "how long stress tests go on, on each driver")
	processes = flag.Int("processes", 200, "how many processes are started one after another, on each driver")
)

// noChildren checks that no child is left, alive or not.
func noChildren(t *testing.T) {
	t.Helper()
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("there are children left: Wait4 gives %d, %v", pid, err)
	}
}

// heap returns the memory in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// nothingLeft runs body, and checks afterwards that it has left no child, no
// descriptor and no memory to speak of.
func nothingLeft(t *testing.T, ctx context.Context, body func()) {
	t.Helper()
	waitFor(t, ctx, shell(t, ctx, "cat", asyncio.WithStdin(asyncio.DevNull), asyncio.WithStdout(asyncio.Pipe)), 0)
	fds, memory := descriptors(), heap()
	body()
	eventually(t, ctx, "all descriptors are closed", func() bool { return descriptors() <= fds })
	noChildren(t)
	if now := heap(); now > memory+8<<20 {
		t.Errorf("%d bytes were in use before, %d are after", memory, now)
	}
}

func TestManyProcessesOneAfterAnotherLeaveNothingBehind(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		nothingLeft(t, ctx, func() {
			for i := range *processes {
				p := shell(t, ctx, "echo $0 $$; exit 3", allPipes...)
				if i%2 == 0 { // every other one is not even read from
					if out, _, err := p.Communicate(ctx, nil); err != nil || len(out) == 0 {
						t.Fatalf("%q, %v", out, err)
					}
				}
				waitFor(t, ctx, p, 3)
			}
		})
	})
}

func TestStressProcesses(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		var started atomic.Int64
		nothingLeft(t, ctx, func() {
			var signals atomic.Int64
			must(t, loopOf(ctx).AddSignalHandler(syscall.SIGUSR1, func() { signals.Add(1) }))
			defer loopOf(ctx).RemoveSignalHandler(syscall.SIGUSR1)
			end := time.Now().Add(*stress)
			err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for i := range uint64(20) {
					g.Go(func(ctx context.Context) error {
						s := &stressed{rand.New(rand.NewPCG(seed, i))}
						for time.Now().Before(end) {
							if err := s.step(ctx); err != nil {
								return err
							}
							started.Add(1)
						}
						return nil
					})
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			eventually(t, ctx, "a signal has come", func() bool { return signals.Load() > 0 || started.Load() < 100 })
		})
		t.Log(started.Load(), "processes")
	})
}

// stressed is one of many tasks that start processes and do all sorts of things
// to them.
type stressed struct{ *rand.Rand }

func (s *stressed) step(ctx context.Context) error {
	steps := []func(context.Context) error{
		s.exits, s.communicates, s.isKilled, s.isSignalledFromElsewhere, s.startIsCancelled,
		s.communicateIsCancelled, s.isClosed, s.failsToStart, s.signalsUs,
	}
	return steps[s.IntN(len(steps))](ctx)
}

// pause lets others run, for some turns or up to some milliseconds.
func (s *stressed) pause(ctx context.Context) error {
	if s.IntN(2) == 0 {
		return asyncio.Sleep(ctx, time.Duration(s.IntN(3000))*time.Microsecond)
	}
	for range s.IntN(4) {
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

// redirects makes each descriptor a pipe or nothing.
func (s *stressed) redirects() []asyncio.ProcessOption {
	either := func() asyncio.Redirect { return []asyncio.Redirect{asyncio.Pipe, asyncio.DevNull}[s.IntN(2)] }
	return []asyncio.ProcessOption{asyncio.WithStdin(either()), asyncio.WithStdout(either()), asyncio.WithStderr(either())}
}

func endsWith(ctx context.Context, p *asyncio.Process, want int) error {
	code, err := p.Wait(ctx)
	if err == nil && code != want {
		err = fmt.Errorf("a process has ended with %d, not %d", code, want)
	}
	return err
}

func (s *stressed) exits(ctx context.Context) error {
	want := s.IntN(100)
	p, err := asyncio.CreateSubprocessShell(ctx, fmt.Sprint("echo output; exit ", want), s.redirects()...)
	if err != nil {
		return err
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	return endsWith(ctx, p, want)
}

func (s *stressed) communicates(ctx context.Context) error {
	p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, inAndOut...)
	if err != nil {
		return err
	}
	input := bytes.Repeat([]byte{'x'}, s.IntN(200_000))
	output, _, err := p.Communicate(ctx, input)
	if err == nil && len(output) != len(input) {
		err = fmt.Errorf("%d bytes went in and %d came out", len(input), len(output))
	}
	return err
}

func (s *stressed) isKilled(ctx context.Context) error {
	p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, s.redirects()...)
	if err != nil {
		return err
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	if err := p.Kill(); err != nil {
		return err
	}
	if s.IntN(2) == 0 {
		if err := p.Terminate(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	return endsWith(ctx, p, -9)
}

func (s *stressed) isSignalledFromElsewhere(ctx context.Context) error {
	p, err := asyncio.CreateSubprocessShell(ctx, `trap "" HUP; echo ready; read x`, inAndOut...)
	if err != nil {
		return err
	}
	if _, err := p.Stdout.ReadLine(ctx); err != nil {
		return err
	}
	sender := asyncio.Go(ctx, func(ctx context.Context) error {
		_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
			for { // until the process was reaped
				err := p.SendSignal(syscall.SIGHUP)
				if errors.Is(err, os.ErrProcessDone) {
					return struct{}{}, nil
				}
				if err != nil {
					return struct{}{}, err
				}
				runtime.Gosched()
			}
		})
		return err
	})
	if err := s.pause(ctx); err != nil {
		return err
	}
	if err := p.Stdin.Close(); err != nil {
		return err
	}
	if err := endsWith(ctx, p, 1); err != nil { // read has found the end
		return err
	}
	_, err = sender.Await(ctx)
	return err
}

func (s *stressed) cancelled(ctx context.Context, fn func(context.Context) error) error {
	task := asyncio.Go(ctx, fn)
	if err := s.pause(ctx); err != nil {
		return err
	}
	task.Cancel()
	if _, err := task.Await(ctx); err != nil && !asyncio.IsCancelled(err) {
		return err
	}
	return nil
}

func (s *stressed) startIsCancelled(ctx context.Context) error {
	return s.cancelled(ctx, func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, s.redirects()...)
		if err != nil {
			return err
		}
		return p.Close()
	})
}

func (s *stressed) communicateIsCancelled(ctx context.Context) error {
	p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, inAndOut...)
	if err != nil {
		return err
	}
	err = s.cancelled(ctx, func(ctx context.Context) error {
		_, _, err := p.Communicate(ctx, make([]byte, s.IntN(500_000)))
		return err
	})
	if err != nil {
		return err
	}
	if s.IntN(2) == 0 {
		if err := p.Close(); err != nil {
			return err
		}
	} else if _, _, err := p.Communicate(ctx, nil); err != nil {
		return err
	}
	_, err = p.Wait(ctx)
	return err
}

func (s *stressed) isClosed(ctx context.Context) error {
	p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, allPipes...)
	if err != nil {
		return err
	}
	if err := p.Close(); err != nil {
		return err
	}
	return endsWith(ctx, p, -9)
}

func (s *stressed) failsToStart(ctx context.Context) error {
	_, err := asyncio.CreateSubprocessExec(ctx, "/no/such/program", nil, allPipes...)
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a program that is not there gives %w", err)
	}
	return nil
}

func (s *stressed) signalsUs(ctx context.Context) error {
	return syscall.Kill(os.Getpid(), syscall.SIGUSR1)
}
