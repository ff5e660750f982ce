package asynctest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A recorder is a test whose failures are looked at.
type recorder struct {
	testing.TB
	mu   sync.Mutex
	text string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text += fmt.Sprintf(format, args...) + "\n"
}

func (r *recorder) failed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text
}

func TestWhatATestForgetsFailsIt(t *testing.T) {
	var r *recorder
	standStill := func(context.Context) { // until that was noticed
		stuck := make(chan struct{})
		go func() {
			defer close(stuck)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for n := 0; n < 20_000 && r.failed() == ""; n++ {
				<-tick.C
			}
		}()
		<-stuck
	}
	for name, c := range map[string]struct {
		body func(ctx context.Context)
		opts []asynctest.Option
		want []string // nothing: it passes

		still time.Duration // the limit; 0: the usual one
	}{
		"nothing": {body: func(context.Context) {}},
		"an hour": {body: func(ctx context.Context) { asyncio.Sleep(ctx, time.Hour) }},
		"a task that is left": {
			body: func(ctx context.Context) {
				asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("forgotten"))
				asyncio.Sleep(ctx, 0)
			},
			want: []string{"task was left", "forgotten", "asynctest_test.go:"},
		},
		"two tasks that are left": {
			body: func(ctx context.Context) {
				for range 2 {
					asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				}
			},
			want: []string{"2 tasks were left", "Task-2, which has not begun", "Task-3, "},
		},
		"a task that may be left": {
			body: func(ctx context.Context) {
				asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
			},
			opts: []asynctest.Option{asynctest.WithTasksLeft()},
		},
		"an error that nobody has seen": {
			body: func(ctx context.Context) {
				asyncio.Go(ctx, func(ctx context.Context) error { return errors.New("unseen") }, asyncio.WithName("fails"))
				asyncio.Sleep(ctx, 0)
			},
			want: []string{"never retrieved", "fails", "unseen"},
		},
		"a panic in a callback": {
			body: func(ctx context.Context) {
				asyncio.CurrentTask(ctx).Loop().CallSoon(func() { panic("of a callback") })
				asyncio.Sleep(ctx, 0)
			},
			want: []string{"of a callback", "asynctest_test.go:"},
		},
		"a deadlock": {
			body: func(ctx context.Context) { asyncio.NewEvent().Wait(ctx) },
			want: []string{"deadlock", "(*Event).Wait"},
		},
		"a loop that stands still": {
			body:  standStill,
			still: 20 * time.Millisecond,
			opts:  []asynctest.Option{asynctest.WithRealClock()},
			want:  []string{"stands still", "channel receive", "asynctest_test.go:", "WrapChan"},
		},
		"a loop on the virtual clock that stands still": {
			body:  standStill,
			still: 20 * time.Millisecond,
			want:  []string{"stands still", "channel receive", "asynctest_test.go:", "WrapChan"},
		},
		"a panic": {
			body: func(context.Context) { panic("of the body") },
			want: []string{"of the body", "asynctest_test.go:"},
		},
		"a real clock": {
			body: func(ctx context.Context) {
				began := time.Now()
				asyncio.Sleep(ctx, 20*time.Millisecond)
				if time.Since(began) < 20*time.Millisecond {
					panic("the clock is not real")
				}
			},
			opts: []asynctest.Option{asynctest.WithRealClock()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r = &recorder{TB: t}
			if c.still > 0 {
				defer asynctest.SetStallLimits(c.still)()
			}
			asynctest.Run(r, c.body, c.opts...)
			text := r.failed()
			if text != "" && c.want == nil {
				t.Errorf("it failed: %s", text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in %q", want, text)
				}
			}
		})
	}
}

// A slowRecorder notes that it is being told of a failure, and ends after the body.
type slowRecorder struct {
	testing.TB
	begun, bodyOver chan struct{}
	once            sync.Once
	told            atomic.Bool
}

func (*slowRecorder) Helper() {}

func (r *slowRecorder) Errorf(string, ...any) {
	r.once.Do(func() { close(r.begun) }) // a busy machine may hold the loop up again
	<-r.bodyOver
	for range 1000 {
		runtime.Gosched()
	}
	r.told.Store(true)
}

// Who is told of a stall is not told of it after the test, which would be a panic.
func TestAStallIsToldOfBeforeTheTestEnds(t *testing.T) {
	r := &slowRecorder{TB: t, begun: make(chan struct{}), bodyOver: make(chan struct{})}
	asynctest.Run(r, func(ctx context.Context) {
		for begun := false; !begun; {
			select {
			case <-r.begun:
				begun = true
			case <-time.After(time.Second): // it stood still before the body, which is told of once
				asyncio.Sleep(ctx, 0)
			}
		}
		close(r.bodyOver)
	}, asynctest.WithLoop(asyncio.WithStallWatch(10*time.Millisecond)))
	if !r.told.Load() {
		t.Error("the test was over")
	}
}

func TestATestEndsAtOnceWhereItFails(t *testing.T) {
	for _, inTask := range []bool{false, true} {
		passed := false
		var over sync.WaitGroup
		over.Go(func() { // which Goexit ends, as FailNow does it
			asynctest.Run(&recorder{TB: t}, func(ctx context.Context) {
				if inTask {
					asyncio.Go(ctx, func(context.Context) error { runtime.Goexit(); return nil })
					if asyncio.Sleep(ctx, time.Hour) != nil {
						return // as the loop is closed
					}
				} else {
					runtime.Goexit()
				}
				passed = true
			})
			passed = true
		})
		over.Wait()
		if passed {
			t.Errorf("in a task: %v: it went on", inTask)
		}
	}
}
