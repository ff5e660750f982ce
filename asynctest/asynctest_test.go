package asynctest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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
	for name, c := range map[string]struct {
		body func(ctx context.Context)
		opts []asynctest.Option
		want []string // nothing: it passes
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
			body: func(ctx context.Context) {
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
				asyncio.Sleep(ctx, time.Second)
			},
			opts: []asynctest.Option{asynctest.WithRealClock(), asynctest.WithLoop(asyncio.WithStallWatch(20 * time.Millisecond))},
			want: []string{"stands still", "channel receive", "asynctest_test.go:"},
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

func TestEventsHaveTheirTimes(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		asyncio.Sleep(ctx, time.Minute)
		events := asynctest.NewEvents(ctx)
		events.Add("began")
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			asyncio.Sleep(ctx, 1500*time.Millisecond)
			events.Add("task %d", 1)
			return nil
		})
		asyncio.Sleep(ctx, time.Second)
		events.Add("slept")
		task.Await(ctx)
		events.Want(t, "0s began", "1s slept", "1.5s task 1")
		events.Golden(t, "testdata/events.txt")
		for text, lines := range map[string][]string{
			"event 2 must be: 2s slept": {"0s began", "2s slept", "1.5s task 1"},
			"event 4 is missing: 3s no": {"0s began", "1s slept", "1.5s task 1", "3s no"},
			"event 3 is not wanted":     {"0s began", "1s slept"},
		} {
			r := &recorder{TB: t}
			events.Want(r, lines...)
			if !strings.Contains(r.failed(), text) {
				t.Errorf("no %q in %q", text, r.failed())
			}
		}
		file := filepath.Join(t.TempDir(), "golden")
		r := &recorder{TB: t}
		events.Golden(r, file)
		if !strings.Contains(r.failed(), "-asynctest.update") {
			t.Errorf("without a file: %q", r.failed())
		}
		os.WriteFile(file, []byte("0s began\n1s slept\n"), 0o666)
		events.Golden(r, file)
		if !strings.Contains(r.failed(), "event 3 is not wanted") {
			t.Errorf("with another file: %q", r.failed())
		}
	})
}
