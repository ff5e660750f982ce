package asyncio_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A task that is older than debug mode is not known to it; it may use its loop
// all the same.
func TestTasksMadeBeforeDebugModeWasTurnedOnGoOn(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, optionList(driver)...)
			var names []string
			note := func(s string) func() { return func() { names = append(names, s) } }
			asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) { // begins in debug mode
				l.CallSoon(note("unnamed"))
				asyncio.Sleep(ctx, 0)
				l.CallSoon(note("unnamed again"))
				return 0, nil
			})
			asyncio.CreateTaskOn(l, func(context.Context) (int, error) { l.CallSoon(note("named")); return 0, nil }, asyncio.WithName("old"))
			asyncio.CreateTaskOn(l, func(ctx context.Context) (int, error) { // and this one before
				l.SetDebug(true)
				l.CallSoon(note("in the middle"))
				asyncio.Sleep(ctx, 0)
				asyncio.CreateTask(ctx, func(context.Context) (int, error) { l.CallSoon(note("new")); return 0, nil })
				asyncio.Sleep(ctx, 0)
				asyncio.Sleep(ctx, 0)
				asyncio.Sleep(ctx, 0)
				l.Stop()
				return 0, nil
			})
			if err := l.RunForever(); err != nil {
				t.Error(err)
			}
			if got := strings.Join(names, ", "); got != "unnamed, named, in the middle, unnamed again, new" {
				t.Errorf("the callbacks were: %s", got)
			}
			if !l.Debug() {
				t.Error("debug mode is off")
			}
		})
	}
}

func TestDebugModeThatIsTurnedOffReportsNothingMore(t *testing.T) {
	log := newRecord()
	l := newLoop(t, asyncio.WithVirtualClock(), log.option())
	l.SetSlowCallbackDuration(1) // everything is slow
	slow := func() {
		l.CallSoon(func() { runtime.Gosched() })
		l.CallSoon(l.Stop)
		l.RunForever()
	}
	slow()
	if s := log.String(); s != "" {
		t.Errorf("before it was on: %s", s)
	}
	l.SetDebug(true)
	slow()
	counted := l.Stats().Callbacks
	if !strings.Contains(log.String(), "held the loop") || counted == 0 {
		t.Errorf("it said %q, and counted %d callbacks", log.String(), counted)
	}
	said := log.String()
	l.SetDebug(false)
	slow()
	if s := log.String(); s != said || l.Debug() || l.Stats().Callbacks != counted {
		t.Errorf("after it was turned off: %s", strings.TrimPrefix(s, said))
	}
	other := newLoop(t, asyncio.WithVirtualClock())
	other.SetDebug(false) // where it never was on
	if other.Debug() {
		t.Error("it is on")
	}
}

// Only debug mode has a watchdog, and one.
func TestWatchdogIsOneGoroutineOfDebugModeAlone(t *testing.T) {
	during := func(l *asyncio.Loop, also func()) (n int) {
		before := goroutines()
		l.CallSoon(func() { also(); n = len(newGoroutines(before)); l.Stop() })
		l.RunForever()
		for len(newGoroutines(before)) > 0 { // none is left; the last one may be about to end
			runtime.Gosched()
		}
		return n
	}
	nothing := func() {}
	if n := during(newLoop(t, asyncio.WithVirtualClock()), nothing); n != 0 {
		t.Errorf("%d new goroutines", n)
	}
	if n := during(newLoop(t, asyncio.WithVirtualClock(), asyncio.WithTaskLabels()), nothing); n != 0 {
		t.Errorf("%d new goroutines with labels", n)
	}
	debug := newLoop(t, asyncio.WithVirtualClock(), asyncio.WithDebug(true))
	if n := during(debug, nothing); n != 1 {
		t.Errorf("%d new goroutines in debug mode", n)
	}
	if n := during(debug, func() { debug.SetDebug(true); debug.SetDebug(true) }); n != 1 {
		t.Errorf("%d new goroutines when it was turned on again", n)
	}
}

func TestContextsOfCoroutinesSayWhoseTheyAre(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		asyncio.Go(ctx, func(ctx context.Context) error {
			asyncio.Timeout(ctx, time.Hour, func(inner context.Context) error {
				for what, c := range map[string]context.Context{"the task's": ctx, "the limit's": inner} {
					if s := fmt.Sprint(c); s != "asyncio: context of worker 7" {
						t.Errorf("%s is %q", what, s)
					}
				}
				return nil
			})
			return nil
		}, asyncio.WithName("worker 7")).Await(ctx)
	})
}
