//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A processRecorder is a subprocess protocol that notes what it is told.
type processRecorder struct {
	transport asyncio.SubprocessTransport
	calls     []string
	data      [3][]byte
	lost      error
	on        map[string]func()
	news      *asyncio.Future[struct{}]
}

func (r *processRecorder) note(call string) {
	if !strings.HasPrefix(call, "data") || !slices.Contains(r.calls, call) {
		r.calls = append(r.calls, call)
	}
	if r.news != nil && !r.news.Done() {
		r.news.SetResult(struct{}{})
	}
	if f := r.on[call]; f != nil {
		f()
	}
}

func (r *processRecorder) ConnectionMade(t asyncio.SubprocessTransport) {
	r.transport = t
	r.note("made")
}

func (r *processRecorder) PipeDataReceived(fd int, p []byte) {
	r.data[fd] = append(r.data[fd], p...)
	r.note(fmt.Sprint("data ", fd))
}

func (r *processRecorder) PipeConnectionLost(fd int, err error) {
	if err != nil {
		r.note(fmt.Sprint("pipe ", fd, " broken"))
	} else {
		r.note(fmt.Sprint("pipe ", fd))
	}
}

func (r *processRecorder) ProcessExited()           { r.note("exited") }
func (r *processRecorder) ConnectionLost(err error) { r.lost = err; r.note("lost") }
func (r *processRecorder) PauseWriting()            { r.note("pause") }
func (r *processRecorder) ResumeWriting()           { r.note("resume") }

func (r *processRecorder) until(ctx context.Context, call string) {
	for !slices.Contains(r.calls, call) {
		r.news = asyncio.NewFuture[struct{}](loopOf(ctx))
		if _, err := r.news.Await(ctx); err != nil {
			panic(err)
		}
	}
}

// check compares the calls, in the order of their names: between the first and
// the last it is not fixed.
func (r *processRecorder) check(t *testing.T, want ...string) {
	t.Helper()
	if n := len(r.calls); n < 2 || r.calls[0] != "made" || r.calls[n-1] != "lost" {
		t.Errorf("the calls were %v", r.calls)
	}
	if got := slices.Sorted(slices.Values(r.calls)); !slices.Equal(got, append(want, "lost", "made")) && !slices.Equal(got, slices.Sorted(slices.Values(append(want, "lost", "made")))) {
		t.Errorf("the calls were %v", r.calls)
	}
}

func launch(t *testing.T, ctx context.Context, r *processRecorder, line string, opts ...asyncio.ProcessOption) asyncio.SubprocessTransport {
	t.Helper()
	tr, p, err := loopOf(ctx).SubprocessShell(ctx, func() asyncio.SubprocessProtocol { return r }, line, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if p != asyncio.SubprocessProtocol(r) || tr.Protocol() != p || r.transport != tr || tr.Loop() != loopOf(ctx) {
		t.Error("transport and protocol do not know each other")
	}
	return tr
}

func TestSubprocessProtocolIsToldOfEverything(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		tr := launch(t, ctx, r, "cat; echo done >&2; exit 3", allPipes...)
		if len(r.calls) != 1 {
			t.Errorf("before the call has returned came %v", r.calls)
		}
		if code, ended := tr.ReturnCode(); ended {
			t.Errorf("the process has return code %d already", code)
		}
		stdin := tr.PipeTransport(0)
		if _, err := stdin.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		r.until(ctx, "data 1")
		must(t, stdin.WriteEOF())
		r.until(ctx, "lost")
		r.check(t, "data 1", "data 2", "exited", "pipe 0", "pipe 1", "pipe 2")
		if code, ended := tr.ReturnCode(); !ended || code != 3 || string(r.data[1]) != "hello" || string(r.data[2]) != "done\n" || r.lost != nil {
			t.Errorf("return code %d, output %q, %q, %v", code, r.data[1], r.data[2], r.lost)
		}
		if tr.State().Pid() != tr.Pid() {
			t.Error("the state is another's")
		}
		if err := tr.Kill(); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("a signal after the end gives %v", err)
		}
	})
}

func TestSubprocessProtocolIsToldOfTheEndThoughItsInputIsOpen(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		launch(t, ctx, r, "exit 0", allPipes...)
		r.until(ctx, "lost")
		r.check(t, "exited", "pipe 0 broken", "pipe 1", "pipe 2")
	})
}

func TestSubprocessWithoutPipes(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		tr, _, err := loopOf(ctx).SubprocessExec(ctx, func() asyncio.SubprocessProtocol { return r }, "sh", []string{"-c", "exit 4"})
		must(t, err)
		for fd := -1; fd < 5; fd++ {
			if tr.PipeTransport(fd) != nil {
				t.Errorf("there is a pipe for descriptor %d", fd)
			}
		}
		r.until(ctx, "lost")
		r.check(t, "exited")
	})
}

func TestSubprocessTransportCloseKillsTheProcess(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		tr := launch(t, ctx, r, "exec sleep 1000", allPipes...)
		tr.Close()
		tr.Close()
		if !tr.IsClosing() {
			t.Error("IsClosing is false")
		}
		r.until(ctx, "lost")
		r.check(t, "exited", "pipe 0", "pipe 1", "pipe 2")
		if code, _ := tr.ReturnCode(); code != -9 {
			t.Errorf("the return code is %d", code)
		}
	})
}

func TestSubprocessTransportSendsSignals(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			send func(asyncio.SubprocessTransport) error
			want int
		}{
			{asyncio.SubprocessTransport.Kill, -9},
			{asyncio.SubprocessTransport.Terminate, -15},
			{func(tr asyncio.SubprocessTransport) error { return tr.SendSignal(syscall.SIGHUP) }, -1},
		} {
			r := &processRecorder{}
			tr := launch(t, ctx, r, "exec sleep 1000")
			must(t, c.send(tr))
			r.until(ctx, "lost")
			if code, _ := tr.ReturnCode(); code != c.want {
				t.Errorf("the return code is %d, not %d", code, c.want)
			}
		}
	})
}

func TestSubprocessProtocolIsToldThatNobodyReadsItsInput(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		tr := launch(t, ctx, r, "exec <&-; echo closed; exec sleep 1000", inAndOut...)
		r.until(ctx, "data 1")
		// It is an error when something was written that nobody will read, which
		// depends on who is faster.
		_, _ = tr.PipeTransport(0).Write([]byte("x"))
		lost := func() int {
			return slices.IndexFunc(r.calls, func(call string) bool { return strings.HasPrefix(call, "pipe 0") })
		}
		eventually(t, ctx, "the pipe is closed", func() bool { return lost() >= 0 })
		how := r.calls[max(0, lost())]
		must(t, tr.Kill())
		r.until(ctx, "lost")
		r.check(t, "data 1", "exited", how, "pipe 1")
	})
}

func TestSubprocessProtocolIsToldHowItsInputFlows(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		tr := launch(t, ctx, r, "read x; exec cat", inAndOut...)
		stdin := tr.PipeTransport(0)
		input := append([]byte("first\n"), bytes.Repeat([]byte("x"), 1<<20)...)
		r.on = map[string]func(){"resume": func() { must(t, stdin.WriteEOF()) }}
		if _, err := stdin.Write(input); err != nil {
			t.Fatal(err)
		}
		r.until(ctx, "lost")
		if !slices.Contains(r.calls, "pause") || !slices.Contains(r.calls, "resume") || len(r.data[1]) != 1<<20 {
			t.Errorf("the calls were %v, %d bytes came", r.calls, len(r.data[1]))
		}
	})
}

func TestSubprocessOutputIsHeldUpByPauseReading(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{on: map[string]func(){}}
		r.on["made"] = func() { r.transport.PipeTransport(1).PauseReading() }
		tr := launch(t, ctx, r, "echo hello", inAndOut...)
		r.until(ctx, "exited")
		if len(r.data[1]) > 0 || slices.Contains(r.calls, "pipe 1") {
			t.Errorf("the calls were %v", r.calls)
		}
		tr.PipeTransport(1).ResumeReading()
		tr.PipeTransport(0).Close()
		r.until(ctx, "lost")
		if string(r.data[1]) != "hello\n" {
			t.Errorf("%q came", r.data[1])
		}
	})
}

func TestSubprocessThatCannotStart(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		_, _, err := loopOf(ctx).SubprocessExec(ctx, func() asyncio.SubprocessProtocol { return r }, "no-such-program", nil, allPipes...)
		if !errors.Is(err, exec.ErrNotFound) || len(r.calls) > 0 {
			t.Errorf("it gives %v, after %v", err, r.calls)
		}
	})
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		_, _, err := loopOf(ctx).SubprocessExec(ctx, func() asyncio.SubprocessProtocol { return nil }, "true", nil)
		if !errors.Is(err, asyncio.ErrNoProcesses) {
			t.Errorf("on the virtual clock it gives %v", err)
		}
	})
}

func TestASubprocessProtocolThatPanicsEndsItsProcessOnly(t *testing.T) {
	for name, driver := range drivers() {
		for _, call := range []string{"made", "data 1", "pipe 1", "exited", "lost"} {
			t.Run(name+"/"+call, func(t *testing.T) {
				var reported []error
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					r := &processRecorder{on: map[string]func(){call: func() { panic("on purpose") }}}
					_, _, err := loopOf(ctx).SubprocessShell(ctx, func() asyncio.SubprocessProtocol { return r }, "echo x", inAndOut...)
					if (err != nil) != (call == "made") {
						t.Errorf("the call gives %v", err)
					}
					if call == "data 1" {
						r.until(ctx, "pipe 1 broken")
						r.transport.Close()
					}
					if tr := r.transport.PipeTransport(0); tr != nil {
						tr.Close()
					}
					r.until(ctx, "lost")
					return asyncio.Sleep(ctx, 0)
				}, append(optionList(driver), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { reported = append(reported, c.Err) }))...)
				must(t, err)
				var p *asyncio.PanicError
				if len(reported) != 1 || !errors.As(reported[0], &p) || p.Value != "on purpose" {
					t.Errorf("reported was %v", reported)
				}
			})
		}
	}
}

func TestClosingTheLoopEndsSubprocessTransports(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			killed, detached := &processRecorder{}, &processRecorder{}
			runOn(t, driver, func(t *testing.T, ctx context.Context) {
				launch(t, ctx, killed, "exec sleep 1000", allPipes...)
				launch(t, ctx, detached, "exec cat", append(slices.Clone(allPipes), asyncio.WithDetached())...)
			})
			killed.check(t, "exited", "pipe 0 broken", "pipe 1 broken", "pipe 2 broken")
			detached.check(t, "pipe 0 broken", "pipe 1 broken", "pipe 2 broken")
			if killed.lost != nil || !errors.Is(detached.lost, asyncio.ErrLoopClosed) {
				t.Errorf("ConnectionLost gave %v and %v", killed.lost, detached.lost)
			}
		})
	}
}

func TestACancelledSubprocessIsKilled(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for turns := range 6 {
			r := &processRecorder{}
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				_, _, err := loopOf(ctx).SubprocessShell(ctx, func() asyncio.SubprocessProtocol { return r }, "exec sleep 1000", allPipes...)
				return err
			})
			for range turns {
				must(t, asyncio.Sleep(ctx, 0))
			}
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("it gives %v", err)
			}
			if len(r.calls) > 0 {
				r.until(ctx, "lost")
			}
		}
	})
}

func TestSubprocessWhoseInputNobodyEndsIsLostWhenItHasEnded(t *testing.T) {
	for _, line := range []string{"exit 0", "read line"} {
		onEachDriver(t, func(t *testing.T, ctx context.Context) {
			r := &processRecorder{}
			tr := launch(t, ctx, r, line, asyncio.WithStdin(asyncio.Pipe))
			if line == "read line" {
				tr.PipeTransport(0).Write([]byte("line\n"))
			}
			r.until(ctx, "lost") // without a write that would fail
			if !slices.Contains(r.calls, "exited") || !tr.PipeTransport(0).IsClosing() {
				t.Errorf("the calls were %v", r.calls)
			}
		})
	}
}

// A protocol that panics in ConnectionMade takes its process along, though that
// would go on.
func TestASubprocessProtocolThatPanicsEndsAProcessThatWouldGoOn(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			r := &processRecorder{on: map[string]func(){"made": func() { panic("on purpose") }}}
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				_, _, err := loopOf(ctx).SubprocessExec(ctx, func() asyncio.SubprocessProtocol { return r }, "sleep", []string{"1000"})
				if err == nil {
					t.Error("the panic is no error")
				}
				r.until(ctx, "lost")
				return nil
			}, append(optionList(driver), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) {}))...)
			must(t, err)
		})
	}
}
