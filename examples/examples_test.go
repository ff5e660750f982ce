// Package examples_test builds every example once and runs it as a reader of
// it would.
package examples_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// bin is the directory of the built examples.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if _, err := exec.LookPath("go"); err != nil {
		fmt.Fprintln(os.Stderr, "skipped: the go command, which builds the examples, is not there")
		return 0
	}
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Those below ports have tests of their own.
	mains, err := filepath.Glob("*/main.go")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	args := []string{"build", "-o", dir}
	for _, main := range mains {
		args = append(args, "./"+filepath.Dir(main))
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the examples: %v\n%s", err, out)
		return 1
	}
	bin = dir
	return m.Run()
}

// example runs one of the examples in a directory of its own, and returns what
// it printed, line by line.
func example(t *testing.T, name string, args ...string) (lines []string, dir string) {
	t.Helper()
	return exampleWith(t, nil, name, args...)
}

// exampleWith is example with more in the environment.
func exampleWith(t *testing.T, env []string, name string, args ...string) (lines []string, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("%s wrote to standard error:\n%s", name, &stderr)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), cmd.Dir
}

// match wants lines that match the regular expressions, one each, whole.
func match(t *testing.T, lines []string, want ...string) {
	t.Helper()
	if err := differ(lines, want); err != nil {
		t.Fatal(err)
	}
}

// differ returns what match would not take.
func differ(lines, want []string) error {
	if len(lines) != len(want) {
		return fmt.Errorf("%d lines, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	var errs []error
	for i, line := range lines {
		if !regexp.MustCompile("^(?:" + want[i] + ")$").MatchString(line) {
			errs = append(errs, fmt.Errorf("line %d is %q, want %s", i+1, line, want[i]))
		}
	}
	return errors.Join(errs...)
}

// matchInTime is match for an example of which something must be done within a part of a
// second, or before something else is: it runs it again where the machine was too slow.
func matchInTime(t *testing.T, run func() []string, want ...string) {
	t.Helper()
	err := differ(run(), want)
	for tries := 3; err != nil && tries > 0; tries-- {
		t.Logf("again, for: %v", err)
		err = differ(run(), want)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestEveryExampleHasATest(t *testing.T) {
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatal("no examples", err)
	}
	var source strings.Builder
	tests, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for _, main := range mains {
		name := filepath.Dir(main)
		run := regexp.MustCompile(fmt.Sprintf(`\b(example|serve)\(t, %q|\}, %q\)|Join\(bin, %q\)`, name, name, name))
		if !run.MatchString(source.String()) {
			t.Errorf("no test runs the example %s", name)
		}
	}
}

func TestEveryPortHasTestsAndSaysWhatItIsOf(t *testing.T) {
	mains, err := filepath.Glob("ports/*/main.go")
	if err != nil || len(mains) < 10 {
		t.Fatalf("%d ports, %v", len(mains), err)
	}
	for _, main := range mains {
		if _, err := os.Stat(filepath.Join(filepath.Dir(main), "main_test.go")); err != nil {
			t.Error(err)
		}
		text, err := os.ReadFile(main)
		if err != nil {
			t.Fatal(err)
		}
		doc, _, _ := strings.Cut(string(text), "\npackage main")
		for _, want := range []string{"// Command " + filepath.Base(filepath.Dir(main)) + " ", "\n// The same as there: ", "\n// Other than there: "} {
			if !strings.Contains("\n"+doc, want) {
				t.Errorf("the comment of %s has no %q", main, want)
			}
		}
	}
}

func TestHelloTakesASecond(t *testing.T) {
	t.Parallel()
	began := time.Now()
	lines, _ := example(t, "hello")
	if took := time.Since(began); took < time.Second {
		t.Errorf("it took %v", took)
	}
	match(t, lines, `Hello \.\.\.`, `\.\.\. and goodbye!`)
}

func TestSleepersEndInTheOrderOfTheirSleep(t *testing.T) {
	t.Parallel()
	took := sleepersTook(t)
	for range 2 {
		if took >= 3*time.Second { // others had the machine, or they sleep one after the other
			took = sleepersTook(t)
		}
	}
	if took < 1500*time.Millisecond || took >= 3*time.Second {
		t.Errorf("it took %v: neither as long as the longest, nor near it", took)
	}
}

func sleepersTook(t *testing.T) time.Duration {
	t.Helper()
	lines, _ := example(t, "sleepers")
	match(t, lines,
		`starting a sleep of 1\.5s`, `starting a sleep of 500ms`, `starting a sleep of 1s`,
		`slept for 500ms`, `slept for 1s`, `slept for 1\.5s`,
		`all three took .+`)
	took, err := time.ParseDuration(strings.TrimPrefix(lines[6], "all three took "))
	if err != nil {
		t.Fatal(err)
	}
	return took
}

func TestHeadersOfItsOwnServers(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "headers")
	one := []string{`127\.0\.0\.1:\d+`, `    HTTP/1\.0 200 OK`, `    Server: headers`, `    X-Request: HEAD / HTTP/1\.0`}
	match(t, lines, append(append(append([]string(nil), one...), one...), one...)...)
}

func TestHeadersOfHostsThatAreGiven(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("X-Host", r.Host)
	}))
	defer srv.Close()
	up := srv.Listener.Addr().String()
	down := closedAddress

	lines, _ := example(t, "headers", down, up)
	if lines[0] != down || !strings.HasPrefix(lines[1], "    failed: ") {
		t.Errorf("of a host that is down it printed %q", lines[:2])
	}
	if lines[2] != up || lines[3] != "    HTTP/1.0 200 OK" {
		t.Errorf("of a host that is up it printed %q", lines[2:])
	}
	all := strings.Join(lines[3:], "\n")
	for _, want := range []string{"X-Method: HEAD", "X-Host: " + up} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

// closedAddress is an address at which nobody listens. A port that was free a moment ago
// may be another program's.
const closedAddress = "127.0.0.1:1"

func TestPageIsSavedUnderANewName(t *testing.T) {
	t.Parallel()
	lines, dir := example(t, "page")
	match(t, lines, `HTTP/1\.1 200 OK`, `saved \d+ bytes as [0-9a-f-]+\.html`)

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Fatalf("%d files were saved", len(entries))
	}
	name := entries[0].Name()
	uuid := `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.html$`
	if !regexp.MustCompile(uuid).MatchString(name) {
		t.Errorf("%s is no UUID.html", name)
	}
	body, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || !strings.Contains(string(body), "Hello over TLS!") {
		t.Errorf("it holds %q, %v", body, err)
	}
}

func TestPageOfAServerThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of a handshake that is to fail
	srv.StartTLS()
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "page"), "-dir", dir, srv.URL).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "certificate") {
		t.Errorf("it gave %v and printed %s", err, out)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it saved %v, %v", entries, err)
	}
}

func TestGroupsOneIsCancelledAndBothAreAwaited(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "groups")
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("dropped %d: asyncio: cancelled", i))
	}
	want = append(want,
		`the group that was kept: \[0 1 4 9 16 25 36 49 64 81\]`,
		`the group that was dropped: asyncio: cancelled`)
	match(t, lines, want...)
}

func TestClusterOnThisMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	node := filepath.Join(dir, "asyncio-node")
	if out, err := exec.Command("go", "build", "-o", node, "../cmd/asyncio-node").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(node, "--listen", "127.0.0.1:0", "--workers", "2", "--", filepath.Join(bin, "cluster"), "work")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill() // its workers see that, too
	text := bufio.NewScanner(stdout)
	if !text.Scan() {
		t.Fatal("the node says nothing")
	}
	url, _, _ := strings.Cut(strings.TrimPrefix(text.Text(), "serving at "), ",")
	go func() {
		for text.Scan() {
		}
	}()
	matchInTime(t, func() []string {
		lines, _ := exampleWith(t, []string{"NATS_URL=" + url}, "cluster")
		return lines
	},
		`4 primes`, `25 primes`, `168 primes`, `1229 primes`, `9592 primes`,
		`78498 primes below a million`, `78498 primes below a million`,
		`a billion: begun: true - .*timed out`)
}

func TestResultsThroughAFutureAndATask(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "results")
	match(t, lines, `the future: set by a callback`, `the task: 6`)
}

func TestCallbackWithABoundArgument(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "callback")
	match(t, lines,
		`table 1 gets a cup of tea`,
		`table 2 gets a cup of coffee`,
		`table 3 gets an excuse: there is no soup left`)
}

func TestDownloadsBlockWhileTheLoopGoesOn(t *testing.T) {
	t.Parallel()
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("This is /page%d", i+1))
	}
	matchInTime(t, func() []string {
		lines, _ := example(t, "downloads")
		return lines
	}, append(want, `meanwhile the loop has ticked [1-9]\d* times`)...)
}

func TestNewLoopAfterAClosedOne(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "newloop")
	match(t, lines,
		`hello from the first loop`,
		`used again: .*the event loop is closed`,
		`hello from a new loop`)
}

func TestCommandsRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip("there is no command sleep")
	}
	matchInTime(t, func() []string {
		lines, _ := example(t, "commands")
		return lines
	}, `one`, `between`, `"sleep 0\.3; echo between; exit 3" ended with 3`, `two`, `"echo one; sleep 1; echo two" ended with 0`)
}

func TestWorkersOneCrashesAndTheOthersGoOn(t *testing.T) {
	lines, _ := example(t, "workers")
	match(t, lines, "168 primes", "a worker process died: exit status 3", "1229 primes", "9592 primes")
}
