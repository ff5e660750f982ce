package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestRunValueGivesWhatMainReturns(t *testing.T) {
	v, err := asyncio.RunValue(t.Context(), func(context.Context) (string, error) { return "done", nil })
	if v != "done" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	bad := errors.New("bad")
	if err := asyncio.Run(t.Context(), func(context.Context) error { return bad }); err != bad {
		t.Errorf("got %v", err)
	}
}

func TestRunCancelsMainWhenItsContextEnds(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var opts []asyncio.Option
			if driver != nil {
				opts = append(opts, driver)
			}
			outer, stop := context.WithCancelCause(t.Context())
			cause := errors.New("the user has left")
			err := asyncio.Run(outer, func(ctx context.Context) error {
				stop(cause)
				return asyncio.Sleep(ctx, time.Hour)
			}, opts...)
			if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
				t.Errorf("Run gave %v", err)
			}
		})
	}
}

func TestRunEndsTheTasksThatMainLeaves(t *testing.T) {
	var got error
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error {
			got = asyncio.Sleep(ctx, time.Hour)
			return asyncio.Sleep(context.WithoutCancel(ctx), time.Second) // cleaning up may take a while
		})
		return asyncio.Sleep(ctx, 0)
	}, asyncio.WithVirtualClock())
	if err != nil || !asyncio.IsCancelled(got) {
		t.Errorf("Run gave %v, the task %v", err, got)
	}
}

func TestTaskThatSwallowsCancellationsIsCancelledAgain(t *testing.T) {
	rounds := 0
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error {
			for rounds < 3 {
				if err := asyncio.Sleep(ctx, time.Hour); err != nil {
					rounds++ // and goes on, as Go code often does
				}
			}
			return nil
		})
		return asyncio.Sleep(ctx, 0)
	}, asyncio.WithVirtualClock())
	if err != nil || rounds != 3 {
		t.Errorf("Run gave %v after %d rounds", err, rounds)
	}
}

func TestTaskThatNeverEndsIsUnwoundAndReported(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			opts := []asyncio.Option{asyncio.WithLogger(slog.New(slog.NewTextHandler(&out, nil)))}
			if driver != nil {
				opts = append(opts, driver)
			}
			awaits, deferred := 0, false
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				asyncio.Go(ctx, func(ctx context.Context) error {
					defer func() { deferred = true }()
					for {
						_ = asyncio.Sleep(ctx, time.Hour) //asyncvet:ignore swallow a task that does not end is what is looked at
						awaits++
					}
				}, asyncio.WithName("stubborn"))
				return asyncio.Sleep(ctx, 0)
			}, opts...)
			if err != nil || !deferred || awaits < 1000 {
				t.Errorf("Run gave %v; deferred %v; %d awaits", err, deferred, awaits)
			}
			if log := out.String(); !strings.Contains(log, "stubborn") || !strings.Contains(log, "run_test.go") {
				t.Errorf("the log does not say who and where:\n%s", log)
			}
		})
	}
}

func TestCloseEndsEveryAwait(t *testing.T) {
	l := must(asyncio.NewLoop(asyncio.WithVirtualClock()))
	var errs []error
	for range 3 {
		asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) {
			defer func() { errs = append(errs, asyncio.Sleep(ctx, time.Hour)) }()
			return 0, asyncio.Sleep(ctx, time.Hour)
		})
	}
	l.CallSoon(l.Stop)
	l.RunForever()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(errs) != 3 {
		t.Fatalf("%d tasks ended", len(errs))
	}
	for _, err := range errs {
		if !errors.Is(err, asyncio.ErrLoopClosed) {
			t.Errorf("an await in a closing loop gave %v", err)
		}
	}
}

func TestRunnerRunsSeveralMainsOnOneLoop(t *testing.T) {
	r := must(asyncio.NewRunner(asyncio.WithVirtualClock()))
	for i := range 3 {
		v, err := asyncio.RunOn(t.Context(), r, func(ctx context.Context) (time.Duration, error) {
			err := asyncio.Sleep(ctx, time.Second)
			return must(asyncio.RunningLoop(ctx)).Time(), err
		})
		if want := time.Duration(i+1) * time.Second; v != want || err != nil {
			t.Errorf("run %d gave %v, %v", i, v, err)
		}
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if err := r.Run(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, asyncio.ErrLoopClosed) {
		t.Errorf("a closed runner gave %v", err)
	}
}

func TestFailNowInATaskEndsTheTest(t *testing.T) {
	// FailNow is runtime.Goexit; this goroutine stands for that of a test.
	done := make(chan bool)
	go func() {
		returned := false
		defer func() { done <- returned }()
		_ = asyncio.Run(t.Context(), func(ctx context.Context) error {
			other := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			_ = other
			asyncio.Sleep(ctx, 0)
			runtime.Goexit()
			return nil
		}, asyncio.WithVirtualClock())
		returned = true
	}()
	if <-done {
		t.Error("Run returned")
	}
}

func TestRunCoroutineThreadsafeBringsTheResult(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var opts []asyncio.Option
			if driver != nil {
				opts = append(opts, driver)
			}
			l := must(asyncio.NewLoop(opts...))
			ran := make(chan error)
			go func() { ran <- l.RunForever() }()
			for i := range 100 {
				v, err := asyncio.RunCoroutineThreadsafe(t.Context(), l, func(ctx context.Context) (int, error) {
					return i, asyncio.Sleep(ctx, 0)
				})
				if v != i || err != nil {
					t.Fatalf("got %d, %v", v, err)
				}
			}
			short, stop := context.WithCancel(t.Context())
			_, err := asyncio.RunCoroutineThreadsafe(short, l, func(ctx context.Context) (int, error) {
				stop()
				return 0, asyncio.Sleep(ctx, time.Hour)
			})
			if !errors.Is(err, context.Canceled) || asyncio.IsCancelled(err) {
				t.Errorf("after its context's end it gave %v", err)
			}
			inside, err := asyncio.RunCoroutineThreadsafe(t.Context(), l, func(ctx context.Context) (error, error) {
				_, err := asyncio.RunCoroutineThreadsafe(ctx, l, func(context.Context) (int, error) { return 0, nil })
				return err, nil
			})
			if !errors.Is(inside, asyncio.ErrLoopRunning) || err != nil {
				t.Errorf("on the loop's goroutine it gave %v, %v", inside, err)
			}
			waiting := make(chan error)
			started := make(chan struct{})
			go func() {
				_, err := asyncio.RunCoroutineThreadsafe(t.Context(), l, func(ctx context.Context) (int, error) {
					close(started)
					return 0, asyncio.Sleep(ctx, time.Hour)
				})
				waiting <- err
			}()
			<-started
			l.CallSoonThreadsafe(l.Stop)
			if err := <-ran; err != nil {
				t.Error(err)
			}
			l.Close()
			if err := <-waiting; !errors.Is(err, asyncio.ErrLoopClosed) {
				t.Errorf("a closed loop gave %v", err)
			}
		})
	}
}

func TestExecutorRunsSoManyAtATime(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		e := asyncio.NewThreadPoolExecutor(3)
		var now, most atomic.Int32
		gate := make(chan struct{})
		var jobs []*asyncio.Future[int]
		for i := range 20 {
			jobs = append(jobs, asyncio.RunInExecutor(l, e, func(context.Context) (int, error) {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				<-gate
				now.Add(-1)
				return i, nil
			}))
		}
		for now.Load() < 3 {
			asyncio.Sleep(ctx, 0)
		}
		close(gate)
		for i, j := range jobs {
			if v, err := j.Await(ctx); v != i || err != nil {
				t.Errorf("job %d gave %d, %v", i, v, err)
			}
		}
		if most.Load() != 3 {
			t.Errorf("%d ran at a time", most.Load())
		}
		if _, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) { return 0, e.Shutdown(ctx) }); err != nil {
			t.Error(err)
		}
		late := asyncio.RunInExecutor(l, e, func(context.Context) (int, error) { return 0, nil })
		if err := late.Err(); !errors.Is(err, asyncio.ErrExecutorShutdown) {
			t.Errorf("after its shutdown it gave %v", err)
		}
	})
}

func TestCancelledJobIsToldAndNotWaitedFor(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		running, told := make(chan struct{}), make(chan struct{})
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				close(running)
				<-ctx.Done()
				close(told)
				return 0, ctx.Err()
			})
			return err
		})
		asyncio.Sleep(ctx, 0)
		<-running
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("got %v", err)
		}
		<-told
	})
}

func TestPanicInAJobIsItsError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { panic("in a thread") })
		var p *asyncio.PanicError
		if !errors.As(err, &p) || p.Value != "in a thread" || !strings.Contains(string(p.Stack), "run_test.go") {
			t.Errorf("got %v", err)
		}
	})
}

func TestMainEndsTheProcessAsItsErrorSays(t *testing.T) {
	programs := map[string]struct {
		main func(ctx context.Context) error
		code int
		text string
	}{
		"nothing":   {func(context.Context) error { return nil }, 0, ""},
		"an error":  {func(context.Context) error { return errBoom }, 1, ": boom\n"},
		"interrupt": {func(ctx context.Context) error { return signalSelf(ctx, os.Interrupt) }, 130, ""},
		"term":      {func(ctx context.Context) error { return signalSelf(ctx, syscall.SIGTERM) }, 143, ""},
		"a panic":   {panicInATask, 1, ""},
		"coded":     {func(context.Context) error { return fmt.Errorf("run: %w", codedError(7)) }, 7, ": run: coded\n"},
	}
	if p, ok := programs[os.Getenv("ASYNCIO_TEST_MAIN")]; ok {
		asyncio.Main(p.main)
	}
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && (p.code == 130 || p.code == 143) {
				t.Skip("a process cannot send itself these signals on Windows")
			}
			args := append(itself(), "-test.run=^TestMainEndsTheProcessAsItsErrorSays$")
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "ASYNCIO_TEST_MAIN="+name)
			var text bytes.Buffer
			cmd.Stderr = &text
			_ = cmd.Run()
			written := text.String()
			if name == "a panic" && strings.Contains(written, ": asyncio: panic: boom\n") && strings.Contains(written, "asyncio_test.panicInATask") {
				written = ""
			}
			if code := cmd.ProcessState.ExitCode(); code != p.code || !strings.HasSuffix(written, p.text) || p.text == "" && written != "" {
				t.Errorf("it has ended with %d and written %q", code, &text)
			}
		})
	}
}

func panicInATask(ctx context.Context) error {
	_, err := asyncio.Go(ctx, func(context.Context) error { panic("boom") }).Await(ctx)
	return fmt.Errorf("run: %w", err)
}

type codedError int

func (codedError) Error() string   { return "coded" }
func (e codedError) ExitCode() int { return int(e) }

func signalSelf(ctx context.Context, sig os.Signal) error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Signal(sig); err != nil {
		return err
	}
	return asyncio.Sleep(ctx, time.Minute)
}
