//go:build unix

// Command starts measures how processes are started: /bin/true, again and again.
//
//	starts loop|pipes|exec|execpipes N MANY MEGABYTES
//	starts sitting [-rounds N] [-n N] [-megabytes N] [-python PROGRAM] [ROW]
//
// So many at a time, by a process that has touched so many megabytes of memory; with
// pipes, each has three and its output is read. It prints the seconds and the CPU seconds
// that it took itself, without those of the processes. A sitting has them take turns
// with os/exec in goroutines, posix_spawn in C and CPython's asyncio. It needs cc.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/bench/internal/turns"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "starts:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: starts loop|pipes|exec|execpipes N MANY MEGABYTES | sitting [-rounds N] [-n N] [-megabytes N] [-python PROGRAM] [ROW]")

func command(args []string) error {
	if len(args) > 0 && args[0] == "sitting" {
		flags := flag.NewFlagSet("sitting", flag.ContinueOnError)
		rounds := flags.Int("rounds", 5, "so `many` rounds")
		n := flags.Int("n", 1000, "so `many` processes in a turn")
		megabytes := flags.Int("megabytes", 4096, "what the large parent has touched")
		python := flags.String("python", "python3", "the `program` of CPython")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return sit(*rounds, *n, *megabytes, *python, flags.Arg(0))
	}
	if len(args) != 4 {
		return errUsage
	}
	var numbers [3]int
	for i, arg := range args[1:] {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	n, many := numbers[0], numbers[1]
	memory := touch(numbers[2] << 20)
	began, used := time.Now(), cpu()
	var err error
	switch args[0] {
	case "loop":
		err = onLoop(n, many)
	case "pipes":
		err = onLoop(n, many, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
	case "exec":
		err = inGoroutines(n, many, func(cmd *exec.Cmd) error { return cmd.Run() })
	case "execpipes":
		err = inGoroutines(n, many, func(cmd *exec.Cmd) error {
			var out, problems bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(nil), &out, &problems
			return cmd.Run()
		})
	default:
		return errUsage
	}
	fmt.Println(time.Since(began).Seconds(), (cpu() - used).Seconds())
	runtime.KeepAlive(memory)
	return err
}

func touch(size int) []byte {
	memory := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		memory[i] = 1
	}
	return memory
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func onLoop(n, many int, opts ...asyncio.ProcessOption) error {
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		left := n
		tasks := make([]*asyncio.Task[struct{}], many)
		for i := range tasks {
			tasks[i] = asyncio.Go(ctx, func(ctx context.Context) error {
				for left > 0 {
					left--
					p, err := asyncio.CreateSubprocessExec(ctx, "/bin/true", nil, opts...)
					if err != nil {
						return err
					}
					if p.Stdout != nil {
						if _, _, err := p.Communicate(ctx, nil); err != nil {
							return err
						}
					}
					if code, err := p.Wait(ctx); err != nil || code != 0 {
						return fmt.Errorf("true is false: %d, %w", code, err)
					}
				}
				return nil
			})
		}
		_, err := asyncio.Gather[struct{}](ctx, tasks...)
		return err
	})
}

func inGoroutines(n, many int, run func(*exec.Cmd) error) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				errs[i] = run(exec.Command("/bin/true"))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// sit prints the tables. It is for the root of the repository.
func sit(rounds, n, megabytes int, python, only string) error {
	dir, err := os.MkdirTemp("", "starts")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	peer, err := turns.Build(dir, "peer", "bench/starts/peer/starts.c")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, size := range []int{0, megabytes} {
		for _, many := range []int{1, 16} {
			title := fmt.Sprintf("%d at a time, %d MB", many, size)
			if !strings.Contains(title, only) {
				continue
			}
			side := func(name string, args ...string) turns.Side {
				args = append(args, strconv.Itoa(n), strconv.Itoa(many), strconv.Itoa(size))
				return turns.Side{Name: name, Run: func() ([]float64, error) {
					v, err := turns.Numbers(exec.Command(args[0], args[1:]...))
					if err != nil {
						return nil, err
					}
					return []float64{v[1] * 1e6 / float64(n), float64(n) / v[0]}, nil
				}}
			}
			err := turns.Compare(os.Stdout, title, []string{"us of CPU each", "a second"}, rounds,
				side("C, posix_spawn", peer),
				side("loop", self, "loop"),
				side("os/exec, goroutines", self, "exec"),
				side("loop, three pipes", self, "pipes"),
				side("os/exec, three pipes", self, "execpipes"),
				side("CPython", python, "bench/starts/peer/starts.py"))
			if err != nil {
				return err
			}
		}
	}
	return nil
}
