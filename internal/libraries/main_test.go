//go:build unix

package libraries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"go.uber.org/goleak"
)

// TestMain checks that no test has left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is far more than any of these tests takes where nothing hangs.
const limit = 30 * time.Second

// stallLimit is how long a loop may stand still: no more than a busy machine makes
// it, and much less than what the tests have their peers wait.
const stallLimit = time.Second

// onEachDriver runs body as a coroutine on each driver of the system. A loop that
// stands still fails the test.
func onEachDriver(t *testing.T, body func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	for name, driver := range map[string]asyncio.Option{
		"portable": asyncio.WithPortableDriver(), "system": asyncio.WithSystemDriver(),
	} {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				return asyncio.Timeout(ctx, limit, func(ctx context.Context) error { return body(t, ctx) })
			}, driver, asyncio.WithStallWatch(stallLimit), asyncio.WithLogger(slog.New(complaints{t})))
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// complaints is a log that is to stay empty.
type complaints struct{ t *testing.T }

func (c complaints) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}
func (c complaints) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c complaints) WithGroup(string) slog.Handler      { return c }
func (c complaints) Handle(_ context.Context, r slog.Record) error {
	text := new(strings.Builder)
	text.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(text, " %s", a)
		return true
	})
	c.t.Error(text)
	return nil
}

// loop returns the loop of ctx.
func loop(ctx context.Context) *asyncio.Loop {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	return l
}

// suspends runs f, whose peer takes its time, and reports an error unless other
// tasks ran meanwhile.
func suspends(t *testing.T, ctx context.Context, what string, f func() error) {
	t.Helper()
	turns := 0
	beside := asyncio.Go(ctx, func(ctx context.Context) error {
		for {
			if err := asyncio.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
			turns++
		}
	})
	if err := f(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	beside.Cancel()
	if _, err := beside.Await(ctx); !asyncio.IsCancelled(err) {
		t.Error(err)
	}
	if turns < 5 {
		t.Errorf("%s: another task had its turn %d times", what, turns)
	}
}

// together runs f in n tasks.
func together(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for i := range n {
			g.Go(func(ctx context.Context) error { return f(ctx, i) })
		}
		return nil
	})
}

// endsInTime runs f with a context that ends after 200 ms, while its peer would take
// seconds, and reports an error unless it ends by it.
func endsInTime(t *testing.T, ctx context.Context, what string, f func(ctx context.Context) error) error {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	err := f(ctx)
	if took := time.Since(start); took < 150*time.Millisecond || took > 1500*time.Millisecond {
		t.Errorf("%s took %v", what, took)
	}
	if err == nil {
		t.Errorf("%s gave no error", what)
	}
	return err
}

// inThread runs f in a thread, where a library may block.
func inThread(ctx context.Context, f func(ctx context.Context) error) error {
	_, err := asyncio.ToThread(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// silent listens and never answers.
func silent(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// isTimeout reports whether err says that the time was up, in one of the ways of
// saying so.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}
