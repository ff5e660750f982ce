package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// workerVar is the variable of the environment by which a process knows that it is to
// run worlds for another one of the same program.
const workerVar = "ASYNCIO_SIM_WORKER"

// A workOrder is what a process is started for: a call of Test, the one of that number in
// a test of that name.
type workOrder struct {
	Test string
	Call int
	Mark string // before each answer, which stands between what programs print
}

// A workAnswer is what a process says of the seeds that it was given, as JSON.
type workAnswer struct {
	Worlds    int
	Failed    bool
	Seed      uint64 // of the one that has failed
	Error     string
	Sometimes map[string]int
}

// ordered returns what this process was started for; nil: for nothing of that kind.
var ordered = sync.OnceValue(func() *workOrder {
	text := os.Getenv(workerVar)
	if text == "" {
		return nil
	}
	o := new(workOrder)
	if err := json.Unmarshal([]byte(text), o); err != nil {
		return nil
	}
	return o
})

// calls counts the calls of Test by the names of tests.
var calls struct {
	sync.Mutex
	of map[string]int
}

// callOf returns the number of a call of Test in a run of a test, from 1.
func callOf(t *testing.T) int {
	calls.Lock()
	defer calls.Unlock()
	if calls.of == nil {
		calls.of = make(map[string]int)
	}
	test := t.Name()
	if calls.of[test]++; calls.of[test] == 1 {
		t.Cleanup(func() { // it may be run again
			calls.Lock()
			defer calls.Unlock()
			delete(calls.of, test)
		})
	}
	return calls.of[test]
}

// work runs the seeds that come in on in: a line each with the first and how many.
func (c *config) work(mark string, in io.Reader, out io.Writer, fn func(*World)) {
	c.dog = c.watch()
	defer c.dog.stop()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var first uint64
		var n int
		if _, err := fmt.Sscan(lines.Text(), &first, &n); err != nil {
			return
		}
		a := workAnswer{Sometimes: make(map[string]int)}
		for seed := first; seed < first+uint64(n) && !a.Failed; seed++ {
			c.dog.seed.Store(seed)
			w := c.once(seededTape(seed), fn)
			a.Worlds++
			addTo(a.Sometimes, w.checks.sometimes)
			if w.failure != nil {
				a.Failed, a.Seed, a.Error = true, seed, w.failure.Error()
			}
		}
		text, err := json.Marshal(a)
		if err != nil {
			return
		}
		fmt.Fprintf(out, "\n%s%s\n", mark, text)
	}
}

func addTo(sum, more map[string]int) {
	for name, times := range more {
		sum[name] += times
	}
}

const (
	firstShare = 8                      // seeds that a process is given at first
	shareTakes = 200 * time.Millisecond // how long it is to be busy with those of later
)

// A fan deals seeds out to processes.
type fan struct {
	mu     sync.Mutex
	next   uint64
	end    uint64    // no seed from there on is begun
	until  time.Time // nor any later than this, if it is not zero
	report *Report
	failed bool
	err    error // of the processes, not of the worlds
}

// share returns the next seeds for a process that has run so many in a time.
func (f *fan) share(ran int, took time.Duration) (first uint64, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = firstShare
	if ran > 0 {
		n = min(max(int(float64(ran)*float64(shareTakes)/float64(max(took, time.Millisecond))), 1), 4*ran)
	}
	if f.err != nil || !f.until.IsZero() && time.Now().After(f.until) || f.next >= f.end {
		return 0, 0
	}
	n = int(min(uint64(n), f.end-f.next))
	first = f.next
	f.next += uint64(n)
	return first, n
}

// take takes an answer.
func (f *fan) take(a *workAnswer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Worlds += a.Worlds
	addTo(f.report.Sometimes, a.Sometimes)
	if a.Failed && a.Seed < f.end { // those before it are run to the end: the first failure counts
		f.failed, f.end = true, a.Seed
		f.report.Seed, f.report.Err = a.Seed, errors.New(a.Error)
	}
}

func (f *fan) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, err)
}

// runParallel is runAll with several processes. The first seed is run here, and the one
// that fails is run here again.
func (c *config) runParallel(t *testing.T, call int, fn func(*World)) (*Report, error) {
	one := *c
	one.seeds, one.lasts = 1, 0
	r := one.runAll(fn)
	if r.Err != nil {
		return r, nil
	}
	f := &fan{next: c.first + 1, end: c.first + uint64(c.seeds), report: r}
	if c.lasts > 0 {
		f.end, f.until = ^uint64(0), time.Now().Add(c.lasts)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for range c.parallel {
		all.Go(func() {
			if err := f.process(ctx, t.Name(), call); err != nil {
				f.fail(err)
				cancel()
			}
		})
	}
	all.Wait()
	if f.err != nil {
		return nil, fmt.Errorf("sim: -sim.parallel: %w", f.err)
	}
	if !f.failed {
		r.Seed = f.next - 1
		return r, nil
	}
	one.first = r.Seed
	here := one.runAll(fn)
	here.Worlds, here.Sometimes = r.Worlds, r.Sometimes
	if here.Err == nil {
		here.Err = fmt.Errorf("%w: in another process this seed has failed, here it has not: %w", ErrDiverged, r.Err)
	}
	return here, nil
}

// process lets another process run seeds until there are no more.
func (f *fan) process(ctx context.Context, test string, call int) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	order := workOrder{Test: test, Call: call, Mark: fmt.Sprintf("asyncio-sim-%d-%d ", os.Getpid(), time.Now().UnixNano())}
	text, err := json.Marshal(order)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, workerArgs(test)...)
	cmd.Env = append(os.Environ(), workerVar+"="+string(text), "GOMAXPROCS=1")
	if os.Getenv("GOGC") == "" {
		cmd.Env = append(cmd.Env, "GOGC=400") // worlds are small and soon gone: most of collecting is the way there
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	err = f.deal(in, bufio.NewReader(out), order.Mark)
	_ = in.Close()
	_, _ = io.Copy(io.Discard, out)
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("a process has failed: %w", ended)
	}
	return err
}

// deal gives a process seeds, and takes its answers.
func (f *fan) deal(to io.Writer, from *bufio.Reader, mark string) error {
	var ran int
	var took time.Duration
	for {
		first, n := f.share(ran, took)
		if n == 0 {
			return nil
		}
		began := time.Now()
		if _, err := fmt.Fprintln(to, first, n); err != nil {
			return fmt.Errorf("a process takes no seeds: %w", err)
		}
		a, err := answerOf(from, mark)
		if err != nil {
			return fmt.Errorf("a process with the seeds %d to %d: %w", first, first+uint64(n)-1, err)
		}
		f.take(a)
		ran, took = a.Worlds, time.Since(began)
	}
}

// answerOf reads up to the next answer. What else is printed is shown when none comes.
func answerOf(from *bufio.Reader, mark string) (*workAnswer, error) {
	var other strings.Builder
	for {
		line, err := from.ReadString('\n')
		if text, ok := strings.CutPrefix(line, mark); ok && err == nil {
			a := new(workAnswer)
			return a, json.Unmarshal([]byte(text), a)
		}
		if other.Len() < 1<<16 {
			other.WriteString(line)
		}
		if err != nil {
			return nil, fmt.Errorf("it does not answer: %w\n%s", err, other.String())
		}
	}
}

// workerArgs are the arguments with which this program runs one of its tests, and those
// of its own that it was called with.
func workerArgs(test string) []string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	args := []string{"-test.run=" + strings.Join(parts, "/"), "-test.timeout=0", "-test.count=1"}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") && !strings.HasPrefix(f.Name, "sim.") || f.Name == "test.short" {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	return append(args, flag.Args()...)
}

// processes is the value of -sim.parallel: a number, or true for as many as there are
// processors.
type processes int

func (p *processes) String() string {
	if p == nil {
		return "0"
	}
	return strconv.Itoa(int(*p))
}

func (p *processes) IsBoolFlag() bool { return true }

func (p *processes) Set(s string) error {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		*p = processes(n)
		return nil
	}
	on, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("it is neither a number of processes nor true or false")
	}
	*p = 0
	if on {
		*p = processes(runtime.GOMAXPROCS(0))
	}
	return nil
}
