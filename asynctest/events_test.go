package asynctest_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

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
	})
}

// What an event that is wrong looks like.
func TestEventsShowWhereTheyDiffer(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		events := asynctest.NewEvents(ctx)
		differ := func(want string, lines ...string) {
			t.Helper()
			r := &recorder{TB: t}
			events.Want(r, lines...)
			if r.failed() != want {
				t.Errorf("%q, want %q", r.failed(), want)
			}
		}
		differ("asynctest: nothing has happened: event 1 is missing: 0s a\n", "0s a")
		events.Add("a")
		events.Add("two\nlines")
		const all = "asynctest: this has happened:\n   1\t0s a\n   2\t0s two\n\tlines\n"
		differ("", "0s a", "0s two\nlines")
		differ(all+"event 2 must be: 0s b\n", "0s a", "0s b")
		differ(all+"event 3 is missing: 3s no\n", "0s a", "0s two\nlines", "3s no")
		differ(all+"event 2 is not wanted\n", "0s a")
	})
}

func TestGoldenFilesAreWrittenAndCompared(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		file := filepath.Join(t.TempDir(), "testdata", "golden")
		events := asynctest.NewEvents(ctx)
		golden := func(want string) {
			t.Helper()
			r := &recorder{TB: t}
			events.Golden(r, file)
			if r.failed() != want {
				t.Errorf("%q, want %q", r.failed(), want)
			}
		}
		update := func() {
			flag.Set("asynctest.update", "true")
			defer flag.Set("asynctest.update", "false")
			golden("")
		}
		_, err := os.ReadFile(file)
		golden("asynctest: " + err.Error() + " (run the test with -asynctest.update to write it)\n")
		update() // with nothing in it; and its directory is made
		golden("")
		hint := "\n(so " + file + " says; run the test with -asynctest.update to write it anew)\n"
		events.Add("two\nlines")
		golden("asynctest: this has happened:\n   1\t0s two\n   2\tlines\nevent 1 is not wanted" + hint)
		update()
		golden("")
		os.WriteFile(file, []byte("0s two\r\nlines\r\n"), 0o666) // as git may check it out on Windows
		golden("")
		os.WriteFile(file, []byte("0s two\nlines\n3s more"), 0o666)
		golden("asynctest: this has happened:\n   1\t0s two\n   2\tlines\nevent 3 is missing: 3s more" + hint)
		flag.Set("asynctest.update", "true")
		defer flag.Set("asynctest.update", "false")
		r := &recorder{TB: t}
		events.Golden(r, filepath.Join(file, "below a file"))
		if !strings.Contains(r.failed(), file) {
			t.Errorf("where nothing can be written: %q", r.failed())
		}
	})
}
