package look

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crowd is how many tasks are there beside what a test looks for: enough to notice what
// grows with them. The promise is for 100,000.
var crowd = flag.Int("crowd", 2000, "so many tasks beside those that are looked for")

// asCrowd tells a copy of the test program how many tasks are to sleep beside.
const asCrowd = "ASYNCIO_TEST_CROWD"

func beside(n int) func(c *exec.Cmd) {
	return func(c *exec.Cmd) { c.Env = append(c.Env, asCrowd+"="+strconv.Itoa(n)) }
}

// namedWithin is how long it may take until what holds a loop is named.
const namedWithin = 400 * time.Millisecond

// soonNamed looks until one look has named it in time: others use this machine too.
func soonNamed(t *testing.T, pid string, want ...string) {
	t.Helper()
	var text string
	var took time.Duration
	for range 20 {
		began := time.Now()
		text = strings.Join(run(t, Screen{}, func(s *Screen) error { return PS(t.Context(), s, pid, Options{Tasks: 1000}) }), "\n")
		took = time.Since(began)
		all := true
		for _, w := range want {
			all = all && strings.Contains(text, w)
		}
		if all && took < namedWithin {
			t.Logf("named in %v", took)
			return
		}
	}
	t.Errorf("%q is to be named in %v; after %v there is %.2000s", want, namedWithin, took, text)
}

func TestWhatHoldsALoopIsNamedWithItsLine(t *testing.T) {
	for program, want := range map[string][]string{
		"hangs":    {"HANGS", `"writer" is blocked in sync.Mutex.Lock at ` + lineOf(t, "the line that is named")},
		"computes": {"HANGS", "Task-1 is computing at program_test.go:"}, // one of three lines
		"reads":    {"HANGS", "Task-1 is held in os.(*File).Read at " + lineOf(t, "the line that reads")},
		"floods":   {"HANGS", "at " + lineOf(t, "the line that floods")},
		// Others have their turn on these, so they do not hang: they are busy, in a line.
		"spawns": {"loop 1 runs", lineOf(t, "the line that spawns")},
		"spins":  {"loop 1 runs", lineOf(t, "the line that spins")},
	} {
		for _, n := range []int{0, *crowd} {
			t.Run(program+" beside "+strconv.Itoa(n), func(t *testing.T) {
				ownDirectory(t)
				soonNamed(t, startProgram(t, program, beside(n)), want...)
			})
		}
	}
}

func TestAFunctionOfCThatHoldsALoopIsNamed(t *testing.T) {
	for _, tool := range []string{"go", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("a program with C cannot be built here: ", err)
		}
	}
	exe := filepath.Join(t.TempDir(), "withc")
	build := exec.Command("go", "build", "-o", exe, "./testdata/cgo")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	withC := func(c *exec.Cmd) { c.Path, c.Args = exe, []string{exe} }
	for _, n := range []int{0, *crowd} {
		t.Run("beside "+strconv.Itoa(n), func(t *testing.T) {
			ownDirectory(t)
			pid := startProgram(t, "", withC, beside(n))
			soonNamed(t, pid, "HANGS", "Task-1 is in C, in nap at "+lineIn(t, "testdata/cgo/main.go", "the line that calls C"))
		})
	}
}
