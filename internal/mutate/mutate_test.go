package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var toy = area{name: "toy"}

func toyArea(string) (*area, error) { return &toy, nil }

func runToy(t *testing.T, o options) string {
	t.Helper()
	var out strings.Builder
	if err := mutate(t.Context(), "testdata/toy", o, toyArea, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A run of every mutant of the toy: what its tests look at is noticed, what they
// only run survives, and what they never run is not reached.
func TestSurvivorsAreWhatNoTestLooksAt(t *testing.T) {
	out := runToy(t, options{only: "toy.go", parallel: 2, verbose: true, equivalents: "equivalent.txt"})
	for _, want := range []string{
		"toy.go:29 Add: *sum += n → *sum -= n\n",
		"toy.go:33 Less: func Less(a, b string) bool { return a < b } → func Less(a, b string) bool { return a <= b } (no test goes there)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not reported as a survivor: %s", want)
		}
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "→") && !strings.Contains(line, " Add: ") && !strings.Contains(line, " Less: ") {
			t.Errorf("a test notices this, and it is reported as a survivor: %s", line)
		}
	}
	if !strings.Contains(out, "\nall ") {
		t.Errorf("no table:\n%s", out)
	}
}

func TestSameSeedDrawsSameMutants(t *testing.T) {
	draw := func(seed uint64) string {
		return runToy(t, options{seed: seed, n: 5, list: true, equivalents: "equivalent.txt"})
	}
	first := draw(3)
	if n := strings.Count(first, "\n"); n != 5 {
		t.Errorf("%d mutants were drawn, want 5", n)
	}
	if second := draw(3); first != second {
		t.Errorf("seed 3 drew\n%s\nand then\n%s", first, second)
	}
	if first == draw(4) {
		t.Errorf("seeds 3 and 4 drew the same:\n%s", first)
	}
}

func TestEntryThatDescribesNoMutantIsReported(t *testing.T) {
	list := filepath.Join("testdata", "toy", "stale.txt")
	text := ". Max\n- if a > c {\n+ if a >= c {\nOnce it was so.\n"
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(list)
	err := mutate(t.Context(), "testdata/toy", options{list: true, equivalents: "stale.txt"}, toyArea, t.Output(), t.Output())
	if err == nil || !strings.Contains(err.Error(), "stale.txt:1") {
		t.Errorf("error %v", err)
	}
}

func TestEntryWithoutReasonIsRefused(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte(". Max\n- if a > b {\n+ if a >= b {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readEquivalents(list); err == nil {
		t.Error("no error")
	}
}

func TestFileInNoAreaIsAnError(t *testing.T) {
	if a, err := areaOf("sync_queue.go"); err != nil || a.name != "coordination" {
		t.Errorf("area %v, error %v", a, err)
	}
	if a, err := areaOf("cmd/asyncio/main.go"); err != nil || a != nil {
		t.Errorf("area %v, error %v", a, err)
	}
	if _, err := areaOf("internal/somethingnew/x.go"); err == nil {
		t.Error("no error")
	}
}
