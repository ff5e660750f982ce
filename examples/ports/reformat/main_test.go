package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ugly   = "package x\nfunc  f( ) { }\n"
	pretty = "package x\n\nfunc f() {}\n"
	broken = "package x\nfunc {\n"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// reformat runs the program on a directory, and returns what it prints, in order, without
// the directory, and its exit status.
func reformat(t *testing.T, dir string, r *run) (printed string, code int) {
	t.Helper()
	var out strings.Builder
	r.out, r.workers = &out, 2
	asynctest.Run(t, func(ctx context.Context) {
		err := r.format(ctx, []string{dir})
		var status exit
		if errors.As(err, &status) {
			code = status.ExitCode()
		} else if err != nil {
			t.Error(err)
		}
	}, asynctest.WithRealClock())
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(out.String(), dir+string(filepath.Separator), "")), "\n")
	last := len(lines) - 1
	slices.Sort(lines[:last]) // they come as they get ready
	return strings.Join(lines, "\n"), code
}

func TestFilesAreFormattedAndReported(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.go": ugly, "b.go": pretty, "c.go": broken, "sub/d.go": ugly, "text": ugly, ".git/e.go": ugly, "testdata/f.go": ugly,
	})
	got, code := reformat(t, dir, &run{check: true})
	if want := "cannot format c.go: 2:6: expected 'IDENT', found '{'\nwould reformat a.go\nwould reformat sub/d.go\n2 would reformat, 1 unchanged, 1 cannot format"; got != want || code != 123 {
		t.Errorf("%d: %s", code, got)
	}
	if got, code = reformat(t, dir, &run{}); !strings.HasSuffix(got, "reformatted a.go\nreformatted sub/d.go\n2 reformatted, 1 unchanged, 1 cannot format") || code != 123 {
		t.Errorf("%d: %s", code, got)
	}
	for name, want := range map[string]string{"a.go": pretty, "sub/d.go": pretty, "c.go": broken, "testdata/f.go": ugly} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if string(text) != want || err != nil {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "a.go"))
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".reformat-*"))
	if err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

func TestWhatTheCacheKnowsIsLeftAlone(t *testing.T) {
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	write(t, dir, map[string]string{"a.go": ugly, "b.go": ugly})
	if got, code := reformat(t, dir, &run{cache: cache}); !strings.HasSuffix(got, "2 reformatted") || code != 0 {
		t.Errorf("%d: %s", code, got)
	}
	past := time.Now().Add(-time.Hour)
	write(t, dir, map[string]string{"a.go": ugly})
	if err := os.Chtimes(filepath.Join(dir, "a.go"), past, past); err != nil {
		t.Fatal(err)
	}
	r := &run{cache: cache}
	if got, code := reformat(t, dir, r); got != "reformatted a.go\n1 reformatted, 1 unchanged" || code != 0 {
		t.Errorf("%d: %s", code, got)
	}
	if err := os.WriteFile(cache, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, code := reformat(t, dir, &run{check: true, cache: cache}); got != "2 unchanged" || code != 0 {
		t.Errorf("%d: %s", code, got)
	}
}

func TestACancellationKeepsWhatIsDone(t *testing.T) {
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("%d.go", i)] = ugly
	}
	write(t, dir, files)
	r := &run{cache: cache, workers: 1}
	asynctest.Run(t, func(ctx context.Context) {
		self := asyncio.CurrentTask(ctx)
		r.out = writer(func(p []byte) (int, error) {
			if r.counts[changed] == 10 {
				self.Cancel()
			}
			return len(p), nil
		})
		if err := r.format(ctx, []string{dir}); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
	}, asynctest.WithRealClock())
	if done := r.counts[changed]; done < 10 || done >= len(files) || len(r.known) != done {
		t.Errorf("%d of %d are done, and %d known", done, len(files), len(r.known))
	}
	if text, err := os.ReadFile(cache); err != nil || len(text) < 100 {
		t.Errorf("the cache is %q, %v", text, err)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
