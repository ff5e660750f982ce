//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are what a user asks for.
type options struct {
	lasts    time.Duration
	seed     uint64
	run      string
	parallel int
	short    bool
	enough   int // failures
	at       string
	held     held
	packages []string
}

var errFailed = errors.New("tests fail when they are held up")

func main() {
	o := options{held: held{pause: 100 * time.Millisecond, times: 1, procs: 2}}
	flag.DurationVar(&o.lasts, "d", time.Minute, "go on for so `long` with each package")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "choose by this `number`")
	flag.StringVar(&o.run, "run", ".", "only tests that match the `pattern`")
	flag.IntVar(&o.parallel, "p", 2, "so many processes at a time")
	flag.BoolVar(&o.short, "short", true, "run the tests with -test.short")
	flag.IntVar(&o.enough, "n", 0, "stop after so many failures; 0: do not")
	flag.StringVar(&o.at, "at", "", "hold up at these `places`, file:line with commas, once, instead of choosing some")
	flag.DurationVar(&o.held.pause, "for", o.held.pause, "with -at: for so `long`")
	flag.IntVar(&o.held.times, "times", o.held.times, "with -at: so many times at each place")
	flag.IntVar(&o.held.procs, "procs", o.held.procs, "with -at: GOMAXPROCS")
	flag.Parse()
	o.packages = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := pauses(ctx, ".", o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pauses:", err)
		os.Exit(1)
	}
}

// pauses does it with the packages of the module in dir. It returns errFailed when a test
// fails.
func pauses(ctx context.Context, dir string, o options, out io.Writer) error {
	if runtime.GOOS != "linux" {
		return errors.New("it is for Linux")
	}
	if len(o.packages) == 0 {
		return errors.New("no package was named")
	}
	temp, err := os.MkdirTemp("", "pauses")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	fmt.Fprintln(out, "seed", o.seed)
	var failed error
	for i, name := range o.packages {
		own := filepath.Join(temp, fmt.Sprint(i))
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		s, err := prepare(ctx, dir, own, name, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.out = out
		s.search(ctx)
		if s.failures > 0 {
			failed = errFailed
		}
	}
	return failed
}

// prepare builds the test binary of a package.
func prepare(ctx context.Context, dir, temp, name string, o options) (*search, error) {
	list, err := goList(ctx, dir, "-f", "{{.Module.Path}}\n{{.Module.Dir}}\n{{.Dir}}", name)
	if err != nil {
		return nil, err
	}
	if len(list) != 3 {
		return nil, errors.New("it must be one package")
	}
	path, root := list[0], list[1]
	deps, err := goList(ctx, dir, "-deps", "-test", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", name)
	if err != nil {
		return nil, err
	}
	slices.Sort(deps)
	deps = slices.DeleteFunc(slices.Compact(deps), func(s string) bool { return s == "" })
	c, err := overlay(root, path, temp, deps)
	if err != nil {
		return nil, err
	}
	s := &search{options: o, changed: c, name: name, dir: list[2], binary: filepath.Join(temp, "test"), rand: rand.New(rand.NewPCG(o.seed, 0)), leftOut: map[string]bool{}}
	if _, err := output(ctx, dir, "go", "test", "-vet=off", "-overlay", c.name(), "-c", "-o", s.binary, name); err != nil {
		return nil, err
	}
	tests, err := output(ctx, s.dir, s.binary, "-test.list", o.run)
	if err != nil {
		return nil, err
	}
	for _, t := range strings.Fields(tests) {
		if strings.HasPrefix(t, "Test") || strings.HasPrefix(t, "Example") {
			s.tests = append(s.tests, t)
		}
	}
	if len(s.tests) == 0 {
		return nil, fmt.Errorf("no test matches %s", o.run)
	}
	if o.at != "" {
		for at := range strings.SplitSeq(o.at, ",") {
			if !slices.Contains(s.places, at) {
				return nil, fmt.Errorf("no statement begins at %s", at)
			}
		}
	}
	return s, nil
}

func goList(ctx context.Context, dir string, args ...string) ([]string, error) {
	text, err := output(ctx, dir, "go", append([]string{"list"}, args...)...)
	return strings.Split(strings.TrimSpace(text), "\n"), err
}

func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	var errs bytes.Buffer
	c.Stderr = &errs
	text, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return string(text), nil
}

// A search is one package's.
type search struct {
	options
	*changed
	name, dir, binary string
	tests             []string
	out               io.Writer

	mu       sync.Mutex
	rand     *rand.Rand
	order    []string // tests that are to be run before all are again
	runs     int
	failures int
	leftOut  map[string]bool // tests that fail by themselves
}

// search runs tests until the time is over.
func (s *search) search(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.lasts)
	defer cancel()
	var all sync.WaitGroup
	for range s.parallel {
		all.Go(func() {
			for {
				test, h, ok := s.next(ctx)
				if !ok {
					return
				}
				s.try(ctx, test, h)
			}
		})
	}
	all.Wait()
	fmt.Fprintf(s.out, "%s: %d runs of %d tests, %d failures, %d tests left out\n", s.name, s.runs, len(s.tests), s.failures, len(s.leftOut))
}

// next chooses a test, and where it is held up.
func (s *search) next(ctx context.Context) (test string, h held, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.enough > 0 && s.failures >= s.enough || len(s.leftOut) == len(s.tests) {
		return "", h, false
	}
	for test == "" || s.leftOut[test] {
		if len(s.order) == 0 {
			if s.at != "" && s.runs > 0 {
				return "", h, false
			}
			s.order = slices.Clone(s.tests)
			s.rand.Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
		}
		test, s.order = s.order[0], s.order[1:]
	}
	s.runs++
	if s.at == "" {
		return test, choose(s.rand, len(s.places)), true
	}
	h = s.held
	for i, place := range s.places {
		if slices.Contains(strings.Split(s.at, ","), place) {
			h.places = append(h.places, i)
		}
	}
	return test, h, true
}

// try runs a test that is held up, and reports that it fails.
func (s *search) try(ctx context.Context, test string, h held) {
	text, reached, failed := s.once(ctx, test, h)
	if !failed {
		return
	}
	if _, _, failed := s.once(ctx, test, held{procs: h.procs}); failed {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.leftOut[test] && ctx.Err() == nil {
			s.leftOut[test] = true
			fmt.Fprintf(s.out, "left out: %s fails without a pause\n", test)
		}
		return
	}
	if ctx.Err() != nil {
		return // whether it fails by itself is not known
	}
	if s.at == "" {
		h.places = reached
		h = s.fewer(ctx, test, h)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	var at []string
	for _, i := range h.places {
		at = append(at, s.places[i])
	}
	slices.Sort(at)
	fmt.Fprintf(s.out, "\n--- %s\n%s\nagain: go run ./internal/pauses -at %s -for %v -times %d -procs %d -run '^%s$' %s\n\n",
		test, lastLines(text, 20), strings.Join(slices.Compact(at), ","), h.pause, h.times, h.procs, test, s.name)
}
