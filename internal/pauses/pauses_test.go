//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func find(t *testing.T, o options) (text string, err error) {
	t.Helper()
	o.packages, o.parallel, o.short = []string{"."}, 2, true
	var out bytes.Buffer
	err = pauses(t.Context(), filepath.Join("testdata", "hasty"), o, &out)
	return out.String(), err
}

func TestAHastyTestIsFoundWithThePlaceThatHoldsItUp(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	text, err := find(t, options{lasts: time.Minute, seed: 1, run: ".", enough: 1})
	if !errors.Is(err, errFailed) || !strings.Contains(text, "--- TestHasty\n") || !strings.Contains(text, "it has not begun") ||
		strings.Contains(text, "--- TestPatient") || strings.Contains(text, "--- TestBroken\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	again := regexp.MustCompile(`again: go run ./internal/pauses -at (hasty(?:_test)?\.go:\d+) -for (\S+) -times (\d) -procs (\d) -run '(\S+)' \.\n`).FindStringSubmatch(text)
	if again == nil {
		t.Fatalf("it is not one place:\n%s", text)
	}
	pause, err := time.ParseDuration(again[2])
	if err != nil || pause < 100*time.Millisecond {
		t.Errorf("it was held up for %v, %v", pause, err)
	}
	o := options{lasts: time.Minute, run: again[5], at: again[1], held: held{pause: pause, times: 1, procs: 2}}
	if text, err = find(t, o); !errors.Is(err, errFailed) || !strings.Contains(text, "--- TestHasty\n") {
		t.Errorf("once more: %v\n%s", err, text)
	}
}

func TestATestThatFailsByItselfIsLeftOut(t *testing.T) {
	text, err := find(t, options{lasts: time.Minute, run: "Broken"})
	if err != nil || strings.Count(text, "left out: TestBroken") != 1 || !strings.Contains(text, "0 failures, 1 tests left out") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestWhatCannotBeRunSaysSo(t *testing.T) {
	for want, o := range map[string]options{
		"no test matches":                   {run: "Nothing"},
		"error parsing":                     {run: "("},
		"no statement begins at hasty.go:1": {run: ".", at: "hasty.go:1"},
	} {
		if text, err := find(t, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s\n%s", err, want, text)
		}
	}
	if err := pauses(t.Context(), ".", options{}, &bytes.Buffer{}); err == nil {
		t.Error("no package, and no error")
	}
	if err := pauses(t.Context(), ".", options{packages: []string{"./nowhere"}}, &bytes.Buffer{}); err == nil {
		t.Error("a package that is not there, and no error")
	}
}

// Every statement has a place before it, but where the compiler was told something.
func TestWhereThePlacesAre(t *testing.T) {
	dir := t.TempDir()
	text := `package p

import "fmt"

//go:nosplit
func none() { fmt.Println() }

func f(n int, c chan int) (err error) {
	if n := n; n > 0 { // 9
		return nil // 10
	} else {
		for range n { // 12
			continue // 13
		}
	}
	switch n { // 16
	case 1:
		fallthrough // 18
	default:
	}
	switch any(n).(type) { // 21
	case int:
		n++ // 23
	}
	select { // 25
	case c <- 1:
		func() { n-- }() // 27, twice
	}
	;
again: // 30
	if n > 0 {
		goto again // 32
	}
	return // 34
}
`
	name := filepath.Join(dir, "p.go")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := overlay(dir, "p", t.TempDir(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	want := "p.go:9 p.go:10 p.go:12 p.go:13 p.go:16 p.go:18 p.go:21 p.go:23 p.go:25 p.go:27 p.go:27 p.go:30 p.go:32 p.go:34"
	if got := strings.Join(c.places, " "); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module p\n\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := output(t.Context(), dir, "go", "build", "-overlay", c.name(), "."); err != nil {
		t.Error(err)
	}
}
