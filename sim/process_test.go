package sim_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// sorts is a program that sorts its lines.
func sorts(p *sim.Process) int {
	data, err := io.ReadAll(p.Stdin)
	if err != nil {
		return 2
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	slices.Sort(lines)
	if slices.Contains(p.Args, "-r") {
		slices.Reverse(lines)
	}
	if _, err := fmt.Fprintln(p.Stdout, strings.Join(lines, "\n")); err != nil {
		return 1
	}
	fmt.Fprintf(p.Stderr, "%s sorted %d lines in %s", p.Getenv("WHO"), len(lines), p.Dir)
	return 3
}

func TestAProcessIsAFunctionWithPipesAndAnExitCode(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Program("sort", sorts)
		h.Go(func(ctx context.Context) error {
			p, err := asyncio.CreateSubprocessExec(ctx, "sort", []string{"-r"}, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe),
				asyncio.WithStderr(asyncio.Pipe), asyncio.WithEnv("WHO=me", "WHO=you"), asyncio.WithDir("/srv"))
			if err != nil {
				return err
			}
			var input strings.Builder
			for i := range 20_000 {
				fmt.Fprintf(&input, "%05d\n", i)
			}
			out, errs, err := p.Communicate(ctx, []byte(input.String()))
			if err != nil {
				return err
			}
			code, ended := p.ReturnCode()
			if code != 3 || !ended || !strings.HasPrefix(string(out), "19999\n19998\n") || len(out) != 120_000 || string(errs) != "you sorted 20000 lines in /srv" {
				w.Failf("it returned %d, %v, %d bytes and %q", code, ended, len(out), errs)
			}
			if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
				w.Failf("it was killed when it had ended: %v", err)
			}
			if n := len(h.Processes()); n != 0 {
				w.Failf("%d processes are left", n)
			}
			return nil
		})
	}, sim.Seeds(20))
}

func TestALineForTheShellIsWordsOrForTheProgramSh(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		plain, shell := w.Host("plain"), w.Host("shell")
		echo := func(p *sim.Process) int {
			fmt.Fprint(p.Stdout, p.Name, " ", strings.Join(p.Args, ","))
			return 0
		}
		plain.Program("echo", echo)
		shell.Program("sh", echo)
		line := func(ctx context.Context, text string) (string, error) {
			p, err := asyncio.CreateSubprocessShell(ctx, text, asyncio.WithStdout(asyncio.Pipe))
			if err != nil {
				return "", err
			}
			out, _, err := p.Communicate(ctx, nil)
			return string(out), err
		}
		plain.Go(func(ctx context.Context) error {
			if out, err := line(ctx, "echo  one two"); out != "echo one,two" || err != nil {
				w.Failf("%q, %v", out, err)
			}
			if _, err := line(ctx, "echo one | two"); !errors.Is(err, errors.ErrUnsupported) {
				w.Failf("%v", err)
			}
			return nil
		})
		shell.Go(func(ctx context.Context) error {
			if out, err := line(ctx, "echo one | two"); out != "/bin/sh -c,echo one | two" || err != nil {
				w.Failf("%q, %v", out, err)
			}
			return nil
		})
	}, sim.Seeds(5))
}

func TestAProgramThatIsNotThereIsNotFound(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			_, err := asyncio.CreateSubprocessExec(ctx, "missing", nil)
			_, err2 := asyncio.CreateSubprocessExec(ctx, "/usr/bin/missing", nil)
			if !errors.Is(err, exec.ErrNotFound) || !errors.Is(err2, fs.ErrNotExist) {
				w.Failf("%v, %v", err, err2)
			}
			return nil
		})
	}, sim.Seeds(5))
}

func TestAProcessThatIsKilledHasWrittenHalfALineAtTimes(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Program("count", func(p *sim.Process) int {
			defer func() {
				if w.Now() < time.Hour {
					w.Failf("a deferred function runs")
				}
			}()
			for n := 0; ; n++ {
				fmt.Fprintf(p.Stdout, "line %d\n", n)
				if err := asyncio.Sleep(p.Context(), time.Duration(w.Pick(3))*time.Millisecond); err != nil {
					return 1
				}
			}
		})
		h.Go(func(ctx context.Context) error {
			p, err := asyncio.CreateSubprocessExec(ctx, "count", nil, asyncio.WithStdout(asyncio.Pipe))
			if err != nil {
				return err
			}
			killer := asyncio.Go(ctx, func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
					return err
				}
				return p.Kill()
			})
			out, err := p.Stdout.ReadAll(ctx)
			if err != nil {
				return err
			}
			code, err := p.Wait(ctx)
			if code != -9 || err != nil || len(out) == 0 {
				w.Failf("%d, %v, %d bytes", code, err, len(out))
			}
			whole := strings.HasSuffix(string(out), "\n")
			w.Sometimes("half a line", !whole)
			w.Sometimes("whole lines", whole)
			_, err = killer.Await(ctx)
			return err
		})
	}, sim.Time(2*time.Hour))
}

func TestAProcessHandlesASignalOrEndsByIt(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Program("stubborn", func(p *sim.Process) int {
			asked := asyncio.Event{}
			loop, err := asyncio.RunningLoop(p.Context())
			if err == nil {
				err = loop.AddSignalHandler(syscall.SIGTERM, asked.Set)
			}
			if err == nil {
				_, err = p.Stdout.Write([]byte("ready\n"))
			}
			if err == nil {
				err = asked.Wait(p.Context())
			}
			if err != nil {
				return 1
			}
			return 7
		})
		h.Program("plain", func(p *sim.Process) int {
			_ = asyncio.Sleep(p.Context(), time.Hour)
			return 0
		})
		h.Go(func(ctx context.Context) error {
			p, err := asyncio.CreateSubprocessExec(ctx, "stubborn", nil, asyncio.WithStdout(asyncio.Pipe))
			if err != nil {
				return err
			}
			if line, err := p.Stdout.ReadUntil(ctx, []byte("\n")); string(line) != "ready\n" || err != nil {
				w.Failf("%q, %v", line, err)
			}
			if code, err := p.Stop(ctx, time.Minute); code != 7 || err != nil {
				w.Failf("%d, %v", code, err)
			}
			p, err = asyncio.CreateSubprocessExec(ctx, "plain", nil)
			if err != nil {
				return err
			}
			h.Processes()[0].Pause(time.Minute)
			if code, err := p.Stop(ctx, time.Minute); code != -15 || err != nil {
				w.Failf("%d, %v", code, err)
			}
			return nil
		})
	}, sim.Seeds(30))
}

func TestAProcessOfAProtocolEndsWithAllItsPipes(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Program("sort", sorts)
		h.Go(func(ctx context.Context) error {
			got := new(collector)
			loop, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return err
			}
			tr, _, err := loop.SubprocessExec(ctx, func() asyncio.SubprocessProtocol { return got }, "sort", nil, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
			if err != nil {
				return err
			}
			in := tr.PipeTransport(0)
			in.Write([]byte("b\na\n"))
			if err := in.WriteEOF(); err != nil {
				return err
			}
			if err := got.over.Wait(ctx); err != nil {
				return err
			}
			if got.out.String() != "a\nb\n" {
				w.Failf("%q", got.out.String())
			}
			return nil
		})
	}, sim.Seeds(20))
}

type collector struct {
	asyncio.BaseSubprocessProtocol
	out  strings.Builder
	over asyncio.Event
}

func (c *collector) PipeDataReceived(_ int, data []byte) { c.out.Write(data) }
func (c *collector) ConnectionLost(error)                { c.over.Set() }

func TestProcessesTalkToEachOtherAndToTheNetwork(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Program("echod", func(p *sim.Process) int {
			if err := echo(p.Context()); err != nil {
				return 1
			}
			return 0
		})
		server.Serve(func(ctx context.Context) error {
			for {
				p, err := asyncio.CreateSubprocessExec(ctx, "echod", nil)
				if err != nil {
					return err
				}
				if _, err := p.Wait(ctx); err != nil {
					return err
				}
			}
		})
		w.At(2*time.Second, func() {
			for _, p := range server.Processes() {
				if err := p.Signal(os.Kill); err != nil {
					w.Failf("%v", err)
				}
			}
		})
		client.Go(func(ctx context.Context) error {
			for _, at := range []time.Duration{time.Second, 3 * time.Second} {
				if err := asyncio.Sleep(ctx, at-w.Now()); err != nil {
					return err
				}
				if err := ask(ctx, "server:7", []byte("hello")); err != nil {
					return err
				}
			}
			return nil
		})
	}, sim.Seeds(30))
}

func TestAWorldWithProcessesIsTheSameAgain(t *testing.T) {
	hash := func() uint64 {
		r := sim.Run(func(w *sim.World) {
			h := w.Host("h")
			h.Program("upper", func(p *sim.Process) int {
				for s := bufio.NewScanner(p.Stdin); s.Scan(); {
					fmt.Fprintln(p.Stdout, strings.ToUpper(s.Text()))
				}
				return 0
			})
			for range 3 {
				h.Go(func(ctx context.Context) error {
					p, err := asyncio.CreateSubprocessExec(ctx, "upper", nil, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
					if err != nil {
						return err
					}
					_, _, err = p.Communicate(ctx, []byte("one\ntwo\n"))
					return err
				})
			}
			w.At(5*time.Millisecond, func() { h.Signal(syscall.SIGTERM) })
		}, sim.Seed(3), sim.Seeds(1))
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r.Hash
	}
	first := hash()
	for range 20 {
		if again := hash(); again != first {
			t.Fatalf("%x and %x", first, again)
		}
	}
}

// double is for worker processes.
var double = asyncio.RegisterWorker("sim_test.double", func(_ context.Context, n int) (int, error) {
	if n < 0 {
		return 0, errors.New("it is negative")
	}
	calls++
	return 2 * n, nil
})

var calls int // of double

func TestWorkerProcessesRunInTheWorldAndDie(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Go(func(ctx context.Context) error {
			pool, err := asyncio.NewProcessPoolExecutor(2)
			if err != nil {
				return err
			}
			if n, err := double.Call(ctx, pool, 21); n != 42 || err != nil {
				w.Failf("%d, %v", n, err)
			}
			var remote *asyncio.RemoteError
			if _, err := double.Call(ctx, pool, -1); !errors.As(err, &remote) || remote.Message != "it is negative" {
				w.Failf("%v", err)
			}
			h.WorkerCrashes(1)
			before := calls
			var crash *asyncio.WorkerCrashError
			if _, err := double.Call(ctx, pool, 1); !errors.As(err, &crash) || crash.Function != "sim_test.double" {
				w.Failf("%v", err)
			}
			w.Sometimes("it died before", calls == before)
			w.Sometimes("it died after", calls == before+1)
			h.WorkerCrashes(0)
			began := w.Now()
			loop, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return err
			}
			var all []*asyncio.Future[int]
			for n := range 10 {
				all = append(all, double.Start(loop, pool, n))
			}
			for n, f := range all {
				if got, err := f.Await(ctx); got != 2*n || err != nil {
					w.Failf("%d, %v", got, err)
				}
			}
			w.Sometimes("they took their time", w.Now()-began > 10*time.Millisecond)
			return pool.Shutdown(ctx) //asyncvet:ignore blocking in a world nobody waits for the workers
		})
	})
}

func TestAProcessWithWhatIsOfTheSystemLeavesTheWorld(t *testing.T) {
	for name, opt := range map[string]asyncio.ProcessOption{
		"file":        asyncio.WithStdout(asyncio.UseFile(os.Stderr)),
		"descriptors": asyncio.WithExtraFiles(os.Stderr),
		"terminal":    asyncio.WithTerminal(80, 25),
		"attributes":  asyncio.WithSysProcAttr(&syscall.SysProcAttr{}),
	} {
		var got error
		r := sim.Run(func(w *sim.World) {
			h := w.Host("h")
			h.Program("sort", sorts)
			h.Go(func(ctx context.Context) error {
				_, got = asyncio.CreateSubprocessExec(ctx, "sort", nil, opt)
				return nil
			})
		}, sim.Seeds(1))
		if !errors.Is(got, sim.ErrEscaped) || !errors.Is(r.Err, sim.ErrEscaped) || !strings.Contains(r.Err.Error(), "process_test.go") {
			t.Errorf("%s: it returned %v, and the world %v", name, got, r.Err)
		}
	}
}
