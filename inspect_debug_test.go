package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A record is a log that several goroutines may write and read.
type record struct {
	mu   sync.Mutex
	text strings.Builder
	said chan struct{} // something was said
}

func newRecord() *record { return &record{said: make(chan struct{}, 100)} }

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.said <- struct{}{}:
	default:
	}
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) count(part string) int { return strings.Count(r.String(), part) }

func (r *record) option() asyncio.Option {
	return asyncio.WithLogger(slog.New(slog.NewTextHandler(r, nil)))
}

// holdTheLoop holds the loop until the watchdog has said so. It does not when it has
// reported the step before, on a busy machine; then its time is over.
//
//go:noinline
func holdTheLoop(r *record) {
	const line = "asyncio_test.holdTheLoop"
	over := time.After(time.Second)
	for before := r.count(line); r.count(line) == before; {
		select {
		case <-r.said:
		case <-over:
			return
		}
	}
}

func TestDebugModeReportsASlowStepWithItsStackWhileItIsSlow(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			unlessHeldUp(t, func() (wrong string) {
				log := newRecord()
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					l := must(asyncio.RunningLoop(ctx))
					asyncio.CurrentTask(ctx).SetName("main")
					asyncio.Sleep(ctx, 0)
					holdTheLoop(log) // in a task
					asyncio.Sleep(ctx, 0)
					l.CallSoon(func() { holdTheLoop(log) }) // in a callback
					asyncio.Sleep(ctx, 0)
					asyncio.Sleep(ctx, 0)
					if s := l.Stats(); s.Slow < 2 || s.Callbacks < 3 || s.InCallbacks <= 0 {
						wrong = fmt.Sprintf("%+v", s)
					}
					return nil
				}, options(driver, asyncio.WithDebug(true), log.option())...)
				if err != nil {
					t.Error(err)
				}
				if log.count("a step holds the loop") != 2 || log.count("asyncio_test.holdTheLoop") != 2 {
					return "the log has not both stacks:\n" + log.String()
				}
				if text := log.String(); !strings.Contains(text, "a step held the loop") || !strings.Contains(text, "what=main took=") ||
					!strings.Contains(text, "what=asyncio_test.TestDebugModeReports") {
					return "the log does not say what held the loop, and how long:\n" + text
				}
				return wrong
			})
		})
	}
}

func TestSlowCallbackDuration(t *testing.T) {
	log := newRecord()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l := must(asyncio.RunningLoop(ctx))
		if d := l.SlowCallbackDuration(); d != 100*time.Millisecond || l.Debug() {
			t.Errorf("the limit is %v, debug mode %v", d, l.Debug())
		}
		l.SetSlowCallbackDuration(0)
		asyncio.Sleep(ctx, 0)
		if text := log.String(); text != "" {
			t.Errorf("outside of debug mode it logged\n%s", text)
		}
		l.SetDebug(true)
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		l.SetDebug(false)
		return nil
	}, asyncio.WithVirtualClock(), asyncio.WithDebug(false), log.option())
	if err != nil || !strings.Contains(log.String(), "held the loop") {
		t.Errorf("%v; logged %s", err, log)
	}
}

func TestDebugModeNoticesCallsFromTheWrongGoroutine(t *testing.T) {
	onDebug(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		f := asyncio.NewFuture[int](l)
		calls := map[string]func() error{
			"CallSoon":     func() error { l.CallSoon(func() {}); return nil },
			"CallLater":    func() error { l.CallLater(time.Hour, func() {}); return nil },
			"CallAt":       func() error { l.CallAt(0, func() {}); return nil },
			"CreateTaskOn": func() error { asyncio.CreateTaskOn(l, nothing); return nil },
			"CreateTask":   func() error { asyncio.CreateTask(ctx, nothing); return nil },
			"SetResult":    func() error { return f.SetResult(1) },
			"SetError":     func() error { return f.SetError(errors.New("bad")) },
			"Cancel":       func() error { f.Cancel(); return nil },
			"Sleep":        func() error { return asyncio.Sleep(ctx, 0) },
		}
		for name, call := range calls {
			done := make(chan error)
			go func() {
				defer func() {
					if err, ok := recover().(error); ok {
						done <- err
					}
				}()
				done <- call()
			}()
			if err := <-done; !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("%s gave %v", name, err)
			}
		}
		if f.Done() {
			t.Error("the future was settled")
		}
		l.CallSoon(func() { f.SetResult(1) }) // as it should be
		f.Await(ctx)
	})
}

func nothing(context.Context) (int, error) { return 0, nil }

func TestDebugModeNoticesAwaitsOnTheWrongLoop(t *testing.T) {
	onDebug(t, func(t *testing.T, ctx context.Context) {
		err, _ := asyncio.ToThread(ctx, func(context.Context) (error, error) {
			var err error
			asyncio.Run(context.Background(), func(context.Context) error {
				err = asyncio.Sleep(ctx, 0) // the outer loop's
				return nil
			}, asyncio.WithVirtualClock())
			return err, nil
		})
		if !errors.Is(err, asyncio.ErrWrongLoop) {
			t.Errorf("got %v", err)
		}
	})
}

// onDebug runs body in debug mode on each driver.
func onDebug(t *testing.T, body func(t *testing.T, ctx context.Context)) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error { body(t, ctx); return nil },
				options(driver, asyncio.WithDebug(true))...)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDebugModeSaysWhereTasksAndFuturesWereMade(t *testing.T) {
	var told []asyncio.ExceptionContext
	log := newRecord()
	l := must(asyncio.NewLoop(asyncio.WithVirtualClock(), asyncio.WithDebug(true), log.option(),
		asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { told = append(told, c) })))
	asyncio.CreateTaskOn(l, func(context.Context) (int, error) { return 0, errors.New("of a task") })
	f := asyncio.NewFuture[int](l)
	f.SetError(errors.New("of a future"))
	asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) { return 0, asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("pending"))
	l.CallSoon(l.Stop)
	l.RunForever()
	asyncio.CreateTaskOn(l, nothing, asyncio.WithName("not started"))
	if g := l.WaitGraph().String(); !strings.Contains(g, "made by asyncio_test.TestDebugModeSays") {
		t.Errorf("the graph is\n%s", g)
	}
	l.Close()
	if len(told) != 2 {
		t.Fatalf("told %v", told)
	}
	for _, c := range told {
		if !strings.HasPrefix(c.Made, "asyncio_test.TestDebugModeSays") || !strings.Contains(c.Made, "debug_test.go:") {
			t.Errorf("%v was made %q", c.Err, c.Made)
		}
	}
	for _, want := range []string{`never started before the loop was closed" task="not started"`, `pending when the loop was closed" task=pending`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
}

func TestDebugModeChangesNothingElse(t *testing.T) {
	onDebug(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		f := asyncio.NewFuture[int](l)
		if !f.CancelCause(errors.New("why")) || !f.Cancelled() {
			t.Error("a future cannot be cancelled")
		}
		g := asyncio.NewFuture[int](l)
		s := asyncio.ShieldFuture[int](g)
		all := asyncio.GatherFuture(l, g, s)
		g.SetResult(7)
		if v, err := all.Await(ctx); err != nil || v[0] != 7 || v[1] != 7 {
			t.Errorf("got %v, %v", v, err)
		}
		if err := all.SetResult(nil); !errors.Is(err, asyncio.ErrInvalidState) {
			t.Errorf("the result of a gathering can be set: %v", err)
		}
		outer := asyncio.CurrentTask(ctx)
		inner := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			l.CallSoon(func() {})
			return 1, asyncio.Sleep(ctx, 0)
		}, asyncio.WithEagerStart())
		l.CallSoon(func() {}) // on this goroutine again
		if v, err := inner.Await(ctx); v != 1 || err != nil || outer != asyncio.CurrentTask(ctx) {
			t.Errorf("an eager task gave %d, %v", v, err)
		}
	})
}

func TestLabelsShowTasksInGoroutineProfiles(t *testing.T) {
	for name, opt := range map[string]asyncio.Option{"labels": asyncio.WithTaskLabels(), "debug": asyncio.WithDebug(true)} {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				pprof.Do(ctx, pprof.Labels("customer", "seven"), func(ctx context.Context) {
					asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("labelled"))
				})
				asyncio.Sleep(ctx, 0)
				var out bytes.Buffer
				pprof.Lookup("goroutine").WriteTo(&out, 1)
				if !strings.Contains(out.String(), `"asyncio.task":"labelled", "customer":"seven"}`) {
					t.Errorf("there is no such label in\n%s", &out)
				}
				return nil
			}, asyncio.WithVirtualClock(), opt)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTracesShowTasksAndStepsWhereThatWasAskedFor(t *testing.T) {
	if trace.IsEnabled() {
		t.Skip("a trace is being taken already")
	}
	names := []string{"a traced task", "asyncio step", "asyncio callback"}
	for driverName, driver := range drivers() {
		for _, regions := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/regions=%t", driverName, regions), func(t *testing.T) {
				opts := []asyncio.Option{driver}
				if regions {
					opts = append(opts, asyncio.WithTraceRegions())
				}
				var out bytes.Buffer
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					if err := trace.Start(&out); err != nil {
						t.Skip("the trace cannot be started here: ", err)
					}
					defer trace.Stop()
					asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }, asyncio.WithName(names[0])).Await(ctx)
					return nil
				}, opts...)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					if found := bytes.Contains(out.Bytes(), []byte(name)); found != regions {
						t.Errorf("that the trace has %q is %t", name, found)
					}
				}
			})
		}
	}
}

func TestEnvironmentTurnsDebugModeOn(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "0": false, "": false} {
		t.Setenv("ASYNCIODEBUG", value)
		if l := newLoop(t, asyncio.WithVirtualClock()); l.Debug() != want {
			t.Errorf("ASYNCIODEBUG=%q: debug mode is %v", value, l.Debug())
		}
	}
}

// A step that held the loop is named by the function that was called, of whatever
// kind it is.
func TestASlowCallbackIsNamedByItsFunction(t *testing.T) {
	log := newRecord()
	l := newLoop(t, asyncio.WithVirtualClock(), asyncio.WithDebug(true), log.option())
	l.SetSlowCallbackDuration(0) // everything is slow
	l.CallSoon(calledSoon)
	l.CallLater(time.Second, calledLater)
	f := asyncio.NewFuture[int](l)
	f.AddDoneCallback(calledWhenDone)
	f.SetResult(1)
	l.CallLater(2*time.Second, l.Stop)
	if err := l.RunForever(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"calledSoon", "calledLater", "calledWhenDone"} {
		if !strings.Contains(log.String(), name) {
			t.Errorf("%s is not named in\n%s", name, log)
		}
	}
}

func calledSoon()     {}
func calledLater()    {}
func calledWhenDone() {}
