//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// The input of a process stays open for as long as somebody has one of its outputs, who
// may have its input, too.
func TestInputReachesAGrandchildThatWritesToTheOutput(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "exec 3<&0; cat <&3 3<&- & exit 0", inAndOut...)
		waitFor(t, ctx, p, 0)
		turns(ctx, 3)
		fmt.Fprintln(p.Stdin, "hello")
		if line := readLine(t, ctx, p.Stdout); line != "hello" {
			t.Error(line)
		}
		must(t, p.Stdin.Close())
		if rest, err := p.Stdout.ReadAll(ctx); len(rest) != 0 || err != nil {
			t.Error(rest, err)
		}
	})
}

// It is closed when the process has ended, and nobody has its outputs, though a
// grandchild could read on.
func TestInputIsClosedWithTheProcessAndItsOutputs(t *testing.T) {
	for name, opts := range map[string][]asyncio.ProcessOption{
		"no outputs": {asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.DevNull)},
		"an output":  inAndOut,
		"two":        allPipes,
	} {
		t.Run(name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) {
				r, w, err := os.Pipe()
				must(t, err)
				defer r.Close()
				p := shell(t, ctx, "exec 4<&0; cat <&4 >&3 4<&- 2>&3 & exit 0", append(opts[:len(opts):len(opts)], asyncio.WithExtraFiles(w))...)
				must(t, w.Close())
				waitFor(t, ctx, p, 0)
				eventually(t, ctx, "the input is closed", p.Stdin.IsClosing)
				// The grandchild has read to the end of it.
				if _, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) }); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What feeds a process that does not read ends with the call.
func TestCommunicateThatOnlyFeedsEndsWhenItIsCancelled(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, []asyncio.ProcessOption{asyncio.WithStdin(asyncio.Pipe)}, "sleep", "1000")
		input := make([]byte, 1<<20)
		feeds := asyncio.Go(ctx, func(ctx context.Context) error { return errorOf3(p.Communicate(ctx, input)) })
		turns(ctx, 3)
		feeds.Cancel()
		if _, err := feeds.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		ending, cancel := context.WithCancel(ctx)
		feeds = asyncio.Go(ctx, func(context.Context) error { return errorOf3(p.Communicate(ending, input)) })
		turns(ctx, 3)
		cancel()
		if _, err := feeds.Await(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if p.Stdin.IsClosing() {
			t.Error("its input is closed")
		}
		must(t, p.Close())
		waitFor(t, ctx, p, -9)
	})
}

// A loop that is closed while a process starts waits for that, and ends the process; one
// that does not start is no matter.
func TestAProcessThatIsBeingStartedEndsWithTheLoop(t *testing.T) {
	for name, driver := range drivers() {
		for _, program := range []string{"sleep", "/no/such/program"} {
			t.Run(name+program, func(t *testing.T) {
				r, w, err := os.Pipe()
				must(t, err)
				defer r.Close()
				l := newLoop(t, optionList(driver)...)
				starting := asyncio.CreateTaskOn(l, func(ctx context.Context) (*asyncio.Process, error) {
					return asyncio.CreateSubprocessExec(ctx, program, []string{"1000"}, asyncio.WithExtraFiles(w), asyncio.WithStdin(asyncio.Pipe))
				})
				turn := asyncio.CreateTaskOn(l, func(ctx context.Context) (struct{}, error) { return struct{}{}, asyncio.Sleep(ctx, 0) })
				must(t, l.RunUntilComplete(turn))
				before := starting.Done()
				must(t, l.Close())
				must(t, w.Close())
				if _, err := starting.Result(); !before && !errors.Is(err, asyncio.ErrLoopClosed) && !asyncio.IsCancelled(err) {
					t.Errorf("who started it got %v", err)
				}
				if _, err := io.ReadAll(r); err != nil { // to the end: no process has it
					t.Error(err)
				}
				noChildren(t)
			})
		}
	}
}

// A loop may be closed in any turn after its process is there, and before the task that
// started it knows.
func TestAProcessThatNobodyHasTakenYetEndsWithTheLoop(t *testing.T) {
	for name, driver := range drivers() {
		for turns := range 4 {
			t.Run(fmt.Sprint(name, turns), func(t *testing.T) {
				r, w, err := os.Pipe()
				must(t, err)
				defer r.Close()
				l := newLoop(t, optionList(driver)...)
				asyncio.CreateTaskOn(l, func(ctx context.Context) (*asyncio.Process, error) {
					return asyncio.CreateSubprocessShell(ctx, "echo >&3; exec sleep 1000", asyncio.WithExtraFiles(w))
				})
				turn := func() { l.Stop(); must(t, l.RunForever()) }
				turn()
				if _, err := r.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				for range turns {
					turn()
				}
				must(t, l.Close())
				must(t, w.Close())
				if _, err := io.ReadAll(r); err != nil { // to the end: no process has it
					t.Error(err)
				}
				noChildren(t)
			})
		}
	}
}

// A protocol is told that its detached process goes on without the loop; that it panics
// then harms nobody.
func TestAProtocolThatPanicsWhenItsLoopIsClosedIsReported(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var reported []error
			panics := &processRecorder{on: map[string]func(){"lost": func() { panic("on purpose") }}}
			var tr asyncio.SubprocessTransport
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				tr = launch(t, ctx, panics, "exec cat", asyncio.WithStdin(asyncio.Pipe), asyncio.WithDetached())
				return nil
			}, append(optionList(driver), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = append(reported, c.Err) }))...)
			must(t, err)
			var p *asyncio.PanicError
			if len(reported) != 1 || !errors.As(reported[0], &p) || p.Value != "on purpose" {
				t.Errorf("reported was %v", reported)
			}
			panics.check(t, "pipe 0 broken")
			for tr.Kill() == nil { // until it is reaped, in the background
				runtime.Gosched()
			}
		})
	}
}

// A protocol that panics when its process exits is rid of its pipes, though others have
// their other ends.
func TestAProtocolThatPanicsInProcessExitedIsClosed(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			reported := 0
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				r := &processRecorder{on: map[string]func(){"exited": func() { panic("on purpose") }}}
				tr := launch(t, ctx, r, "exec 3<&0; cat <&3 & exit 0", inAndOut...)
				r.until(ctx, "lost")
				if !tr.IsClosing() {
					t.Error("it is not closed")
				}
				return nil
			}, append(optionList(driver), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { reported++ }))...)
			if err != nil || reported != 1 {
				t.Errorf("%v, and %d were reported", err, reported)
			}
		})
	}
}
