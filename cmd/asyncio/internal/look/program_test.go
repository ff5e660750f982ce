package look

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/insight"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// asProgram is set for a copy of the test program that is to be looked into; its value
// says what it does.
const asProgram = "ASYNCIO_TEST_AS_PROGRAM"

// programs are what the copy can do. Each calls ready when there is something to see.
var programs = map[string]func(ctx context.Context, ready func()) error{
	"nested":   nested,
	"hangs":    hangs,
	"computes": computes,
	"reads":    reads,
	"floods":   floods,
	"spawns":   spawns,
	"spins":    spins,
	"deadlock": deadlock,
	"many":     many,
}

// runProgram runs one of them until standard input ends.
func runProgram(name string) error {
	s, err := insight.Start()
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		if name != "nested" && name != "spins" {
			os.Exit(0) // its loop may hear nothing
		}
		cancel()
	}()
	crowd, _ := strconv.Atoi(os.Getenv(asCrowd))
	err = asyncio.Run(ctx, func(ctx context.Context) error {
		for range crowd {
			asyncio.Go(ctx, tick)
		}
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		return programs[name](ctx, func() { fmt.Println("ready") })
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// ownDirectory gives the test and the programs that it starts a directory of their own.
func ownDirectory(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "s")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.(*testing.T).Setenv(insightwire.DirectoryVariable, dir)
	return dir
}

// startProgram starts a copy of the test program, which ends with the test, and returns
// its number.
func startProgram(t testing.TB, name string, change ...func(c *exec.Cmd)) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe) // it ends with its standard input, and ends its own processes
	c.Env = append(os.Environ(), asProgram+"="+name)
	c.Stderr = os.Stderr
	for _, fn := range change {
		fn(c)
	}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skip("it cannot be started here: ", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = c.Wait()
	})
	line := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "ready\n" {
		t.Fatalf("the program says %q, %v", line, err)
	}
	return fmt.Sprint(c.Process.Pid)
}

// nested has groups in groups, a lock, a queue, streams, a subprocess, a function in a
// thread and a sleep.
func nested(ctx context.Context, ready func()) error {
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		answered, started := asyncio.NewEvent(), asyncio.NewEvent()
		g.Go(orders, asyncio.WithName("orders"))
		g.Go(func(ctx context.Context) error { return site(ctx, answered) }, asyncio.WithName("site"))
		g.Go(func(ctx context.Context) error { return convert(ctx, started) }, asyncio.WithName("converter"))
		g.Go(compute, asyncio.WithName("in a thread"))
		g.Go(tick, asyncio.WithName("ticker \x1b[31m"))
		if err := answered.Wait(ctx); err != nil {
			return err
		}
		if err := started.Wait(ctx); err != nil {
			return err
		}
		ready()
		return nil
	})
}

func orders(ctx context.Context) error {
	lock, queue := asyncio.NewLock(), asyncio.NewQueue[int](1)
	if err := queue.Put(ctx, 1); err != nil {
		return err
	}
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		order := func(ctx context.Context) error {
			return lock.With(ctx, func(ctx context.Context) error { return queue.Put(ctx, 2) })
		}
		g.Go(order, asyncio.WithName("order-1"))
		g.Go(order, asyncio.WithName("order-2"))
		return nil
	})
}

func site(ctx context.Context, answered *asyncio.Event) error {
	srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
		_, err := io.Copy(s, s)
		return err
	})
	if err != nil {
		return err
	}
	defer srv.Close()
	s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := io.WriteString(s, "x"); err != nil {
		return err
	}
	if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
		return err
	}
	answered.Set()
	_, err = io.Copy(io.Discard, s)
	return err
}

func convert(ctx context.Context, started *asyncio.Event) error {
	p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"3600"})
	if err != nil {
		return err
	}
	started.Set()
	_, err = p.Wait(ctx)
	return err
}

func compute(ctx context.Context) error {
	_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	return err
}

func tick(ctx context.Context) error {
	for {
		if err := asyncio.Sleep(ctx, time.Hour); err != nil {
			return err
		}
	}
}

// hangs holds its loop by a mutex that nobody gives back.
func hangs(ctx context.Context, ready func()) error {
	task := asyncio.Go(ctx, func(ctx context.Context) error {
		var mu sync.Mutex
		mu.Lock()
		ready()
		mu.Lock() // the line that is named
		return nil
	}, asyncio.WithName("writer"))
	_, err := task.Await(ctx)
	return err
}

// computes never ends its step.
func computes(ctx context.Context, ready func()) error {
	ready()
	for n := 0; ; n++ {
		if n < 0 {
			return errors.New("it has ended")
		}
	}
}

// reads waits in a system call for what never comes.
func reads(ctx context.Context, ready func()) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	_ = r.Fd() // from now on a read of it blocks
	ready()
	_, err = r.Read(make([]byte, 1)) // the line that reads
	return err
}

// spawns makes tasks without end.
func spawns(ctx context.Context, ready func()) error {
	ready()
	for ctx.Err() == nil {
		asyncio.Go(ctx, func(context.Context) error { return nil })
		if asyncio.Sleep(ctx, 0) != nil { // the line that spawns
			break
		}
		asyncio.Go(ctx, func(context.Context) error { return nil })
	}
	return ctx.Err()
}

// floods makes tasks without end, and gives way to nobody. They end at once, so that the
// program does not grow.
func floods(ctx context.Context, ready func()) error {
	ready()
	for {
		asyncio.Go(ctx, func(context.Context) error { return nil }, asyncio.WithEagerStart()) // the line that floods
	}
}

// spins gives way again and again.
func spins(ctx context.Context, ready func()) error {
	ready()
	for {
		if err := asyncio.Sleep(ctx, 0); err != nil { // the line that spins
			return err
		}
	}
}

// deadlock has two tasks that wait for each other's lock, while a third goes on.
func deadlock(ctx context.Context, ready func()) error {
	a, b := asyncio.NewLock(), asyncio.NewLock()
	both := func(first, second *asyncio.Lock, has *asyncio.Event, other *asyncio.Event) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return first.With(ctx, func(ctx context.Context) error {
				has.Set()
				if err := other.Wait(ctx); err != nil {
					return err
				}
				return second.With(ctx, func(context.Context) error { return nil })
			})
		}
	}
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		hasA, hasB := asyncio.NewEvent(), asyncio.NewEvent()
		g.Go(both(a, b, hasA, hasB), asyncio.WithName("debit"))
		g.Go(both(b, a, hasB, hasA), asyncio.WithName("credit"))
		for range 10 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		ready()
		return nil
	})
}

// many has ten thousand tasks, half of which sleep and half of which wait for a lock.
func many(ctx context.Context, ready func()) error {
	lock := asyncio.NewLock()
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for i := range 10_000 {
			name := asyncio.WithName(fmt.Sprintf("connection-%d", i))
			if i%2 == 0 {
				g.Go(tick, name)
			} else {
				g.Go(func(ctx context.Context) error { return lock.With(ctx, tick) }, name)
			}
		}
		for range 3 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		ready()
		return nil
	})
}

// run runs a command on a screen and returns its lines.
func run(t testing.TB, s Screen, command func(s *Screen) error) []string {
	t.Helper()
	var out strings.Builder
	s.Out = &out
	if err := command(&s); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}
