package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// An ending is a way in which a function, or one of its deferred functions, ends.
type ending string

const (
	returns   ending = "return"
	panics    ending = "panic"
	exits     ending = "Goexit"
	panicsNil ending = "panic(nil)"
)

var endings = []ending{returns, panics, exits, panicsNil}

func (e ending) end(what string) {
	switch e {
	case panics:
		panic(what)
	case exits:
		runtime.Goexit()
	case panicsNil:
		panic(nil) //nolint:govet // it is what is tested
	}
}

// endingPair is how a task's function ends, and how its deferred function does.
type endingPair struct{ body, deferred ending }

func (p endingPair) run() error {
	defer p.deferred.end("deferred")
	p.body.end("body")
	return nil
}

func (p endingPair) exits() bool { return p.body == exits || p.deferred == exits }

// value is the value of the panic that the task's error must have, or nil.
func (p endingPair) value() any {
	for _, e := range []struct {
		ending
		what string
	}{{p.deferred, "deferred"}, {p.body, "body"}} {
		switch e.ending {
		case panics:
			return e.what
		case panicsNil:
			return new(runtime.PanicNilError)
		case exits:
			return nil
		}
	}
	return nil
}

// check reports whether err is that of a task that ended so.
func (p endingPair) check(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, asyncio.ErrGoexit) != p.exits() {
		t.Errorf("its error is %v", err)
	}
	var panicked *asyncio.PanicError
	want := p.value()
	if errors.As(err, &panicked) != (want != nil) {
		t.Fatalf("its error is %v, and is to have a panic with %v", err, want)
	}
	if want != nil && fmt.Sprint(panicked.Value) != fmt.Sprint(want) {
		t.Errorf("it panicked with %v, and not with %v", panicked.Value, want)
	}
}

// onOwnGoroutine runs fn on a goroutine of its own and reports whether fn
// returned: a Goexit does not let it.
func onOwnGoroutine(fn func()) (returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
		returned = true
	}()
	<-done
	return returned
}

// wantUsable runs more tasks on the runner than it has coroutines.
func wantUsable(t *testing.T, r *asyncio.Runner) {
	t.Helper()
	ran := 0
	err := r.Run(t.Context(), func(ctx context.Context) error {
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 20 {
				g.Go(func(ctx context.Context) error {
					if err := asyncio.Sleep(ctx, time.Second); err != nil {
						return err
					}
					ran++
					return nil
				})
			}
			return nil
		})
	})
	if err != nil || ran != 20 {
		t.Errorf("after that %d of 20 tasks ran, and the run gave %v", ran, err)
	}
}

func TestHoweverATaskAndItsDeferredFunctionEndTheRunnerGoesOn(t *testing.T) {
	for _, debug := range []bool{false, true} {
		for _, eager := range []bool{false, true} {
			for _, waits := range []bool{false, true} {
				for _, body := range endings {
					for _, deferred := range endings {
						name := fmt.Sprintf("debug=%v,eager=%v,waits=%v/%s,%s", debug, eager, waits, body, deferred)
						t.Run(name, func(t *testing.T) { endTask(t, endingPair{body, deferred}, debug, eager, waits) })
					}
				}
			}
		}
	}
}

func endTask(t *testing.T, how endingPair, debug, eager, waits bool) {
	r := must(asyncio.NewRunner(asyncio.WithVirtualClock(), asyncio.WithDebug(debug),
		asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			t.Errorf("reported: %s: %v", c.Message, c.Err)
		})))
	var opts []asyncio.TaskOption
	if eager {
		opts = append(opts, asyncio.WithEagerStart())
	}
	var task *asyncio.Task[struct{}]
	returned := onOwnGoroutine(func() {
		_ = r.Run(t.Context(), func(ctx context.Context) error {
			asyncio.Go(ctx, func(ctx context.Context) error {
				task = asyncio.Go(ctx, func(ctx context.Context) error {
					task, _ = asyncio.CurrentTask(ctx).(*asyncio.Task[struct{}])
					if waits {
						if err := asyncio.Sleep(ctx, time.Second); err != nil {
							return err
						}
					}
					return how.run()
				}, opts...)
				return nil
			})
			return asyncio.Sleep(ctx, 2*time.Second)
		})
	})
	if returned == how.exits() {
		t.Errorf("Run returned: %v", returned)
	}
	if !task.Done() {
		t.Fatal("the task never ended")
	}
	how.check(t, task.Err())
	wantUsable(t, r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestMainThatEndsItsGoroutineLeavesTheRunnerUsable(t *testing.T) {
	for _, deferred := range endings {
		t.Run(string(deferred), func(t *testing.T) {
			r := must(asyncio.NewRunner(asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(
				func(*asyncio.Loop, asyncio.ExceptionContext) {})))
			returned := onOwnGoroutine(func() {
				_ = r.Run(t.Context(), func(context.Context) error { return endingPair{exits, deferred}.run() })
			})
			if returned {
				t.Error("Run returned")
			}
			wantUsable(t, r)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHoweverTasksEndWhileTheLoopClosesAllEnd(t *testing.T) {
	for _, debug := range []bool{false, true} {
		for _, unwound := range []bool{false, true} {
			for _, body := range endings {
				for _, deferred := range endings {
					name := fmt.Sprintf("debug=%v,unwound=%v/%s,%s", debug, unwound, body, deferred)
					t.Run(name, func(t *testing.T) { endAtClose(t, endingPair{body, deferred}, debug, unwound) })
				}
			}
		}
	}
}

func endAtClose(t *testing.T, how endingPair, debug, unwound bool) {
	var reported []error
	l := must(asyncio.NewLoop(asyncio.WithVirtualClock(), asyncio.WithDebug(debug), asyncio.WithLogger(textLogger(t.Output())),
		asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			if c.Err != asyncio.ErrLoopClosed { // which is that it was unwound
				reported = append(reported, c.Err)
			}
		})))
	var tasks [3]*asyncio.Task[struct{}]
	for i := range tasks {
		tasks[i] = asyncio.CreateTaskOn(l, func(ctx context.Context) (struct{}, error) {
			if unwound {
				defer how.run()
			}
			for asyncio.Sleep(ctx, time.Hour) == nil || unwound {
			}
			return struct{}{}, how.run()
		})
	}
	l.CallSoon(func() { l.CallSoon(l.Stop) })
	if err := l.RunForever(); err != nil {
		t.Fatal(err)
	}
	returned := onOwnGoroutine(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if want := !how.exits() || unwound; returned != want {
		t.Errorf("Close returned: %v, and should have: %v", returned, want)
	}
	if !l.IsClosed() {
		t.Error("the loop is not closed")
	}
	panicked := how.value() != nil
	if want := map[bool]int{true: len(tasks)}[panicked]; len(reported) != want {
		t.Errorf("%d errors were reported, and %d should have been: %v", len(reported), want, reported)
	}
	if unwound {
		how.body = exits // by the loop
		if !panicked {
			how.deferred = exits
		}
	}
	for _, task := range tasks {
		if !task.Done() {
			t.Fatal("a task never ended")
		}
		if unwound && panicked {
			if !errors.Is(task.Err(), asyncio.ErrGoexit) {
				t.Errorf("its error is %v", task.Err())
			}
			continue
		}
		how.check(t, task.Err())
	}
}

func TestAnOrdinaryGoroutineAfterCloseIsNotMarked(t *testing.T) {
	l := must(asyncio.NewLoop(asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(
		func(*asyncio.Loop, asyncio.ExceptionContext) { panic("in the exception handler") }),
		asyncio.WithLogger(textLogger(t.Output()))))
	asyncio.CreateTaskOn(l, func(ctx context.Context) (struct{}, error) {
		for {
			_ = asyncio.Sleep(ctx, time.Hour) //asyncvet:ignore swallow the loop ends in another way
		}
	})
	l.CallSoon(func() { l.CallSoon(l.Stop) })
	if err := l.RunForever(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := asyncio.Run(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("a run after that gives %v", err)
	}
}

// brokenExecutor panics when it is given a job.
type brokenExecutor struct{ asyncio.Executor }

func (brokenExecutor) Submit(context.Context, func(context.Context)) error { panic("out of order") }

func TestAnExecutorThatPanicsDoesNotHoldTheVirtualClock(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l := must(asyncio.RunningLoop(ctx))
		func() {
			defer func() {
				if v := recover(); v != "out of order" {
					t.Errorf("the caller got %v", v)
				}
			}()
			asyncio.RunInExecutor(l, brokenExecutor{}, func(context.Context) (int, error) { return 0, nil })
		}()
		if n := l.Stats().Jobs; n != 0 {
			t.Fatalf("%d jobs are under way", n)
		}
		return asyncio.Sleep(ctx, time.Hour)
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Error(err)
	}
}

// So it is with background tasks of a test whose cancelled waits end in t.Fatal.
func TestTasksThatEndTheGoroutineWhenTheyAreCancelledAllEndAndTheLoopIsClosed(t *testing.T) {
	var l *asyncio.Loop
	var tasks []*asyncio.Task[struct{}]
	returned := onOwnGoroutine(func() {
		_ = asyncio.Run(t.Context(), func(ctx context.Context) error {
			l = must(asyncio.RunningLoop(ctx))
			for range 3 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					if asyncio.Sleep(ctx, time.Hour) != nil {
						runtime.Goexit()
					}
					return nil
				}))
			}
			return asyncio.Sleep(ctx, time.Second)
		}, asyncio.WithVirtualClock())
	})
	if returned || !l.IsClosed() {
		t.Errorf("Run returned: %v; the loop is closed: %v", returned, l.IsClosed())
	}
	for _, task := range tasks {
		if !errors.Is(task.Err(), asyncio.ErrGoexit) {
			t.Errorf("the error of a task is %v", task.Err())
		}
	}
}
