package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A verdict is what became of a mutant.
type verdict int

const (
	survived  verdict = iota
	unreached         // it survived, since no test goes there
	noticed
	alike // it is in the list of equivalents
)

const (
	soon      = 1500 * time.Millisecond // how much of the tests runs first
	leastTime = 10 * time.Second        // what a run of tests may take at least
	mostBytes = 3 << 30                 // what a run may have of memory
)

// A suite is the test binary of a package.
type suite struct {
	dir    string // of the package, from the module's root
	binary string
	wd     string
	tests  []*test
}

// A test is one of a suite, with what it reaches.
type test struct {
	name    string
	took    time.Duration
	reaches map[int]bool
}

// build makes the test binary of a package, with the overlay.
func (p *project) build(dir, overlayFile, into string) (*suite, error) {
	s := &suite{
		dir:    dir,
		binary: filepath.Join(into, strings.ReplaceAll(dir, "/", "_")+".test"),
		wd:     filepath.Join(p.root, dir),
	}
	c := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlayFile, "-o", s.binary, "./"+dir)
	c.Dir = p.root
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	return s, nil
}

// writeOverlay writes the changed files and the list of them that go build wants.
func writeOverlay(o overlay, into string) (string, error) {
	list := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range o {
		file := filepath.Join(into, strconv.Itoa(len(list.Replace))+".go")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		list.Replace[path] = file
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", err
	}
	file := filepath.Join(into, "overlay.json")
	return file, os.WriteFile(file, b, 0o600)
}

// trace runs each test of a suite alone, so that it is known what it reaches and
// how long it takes. A test that fails so is not used; its output is returned.
func (s *suite) trace(ctx context.Context, parallel int, args []string, dir string) (unusable map[string]string, _ error) {
	list := exec.CommandContext(ctx, s.binary, "-test.list", ".")
	list.Dir = s.wd
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: list of tests: %w", s.dir, err)
	}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if isTest.MatchString(name) {
			s.tests = append(s.tests, &test{name: name, reaches: map[int]bool{}})
		}
	}
	unusable = map[string]string{}
	var lock sync.Mutex
	each(parallel, s.tests, func(t *test) {
		file := filepath.Join(dir, t.name+".trace")
		began := time.Now()
		r := s.run(ctx, []*test{t}, append([]string{"-test.timeout=2m"}, args...), 3*time.Minute, "MUTATE_TRACE="+file)
		t.took = time.Since(began)
		if r.err != nil {
			lock.Lock()
			unusable[t.name] = r.output
			lock.Unlock()
			return
		}
		b, _ := os.ReadFile(file) // no file: it reaches none
		os.Remove(file)
		for id := range strings.Lines(string(b)) {
			if n, err := strconv.Atoi(strings.TrimSpace(id)); err == nil {
				t.reaches[n] = true
			}
		}
	})
	s.tests = slices.DeleteFunc(s.tests, func(t *test) bool { return unusable[t.name] != "" })
	slices.SortFunc(s.tests, func(a, b *test) int { return int(a.took - b.took) })
	return unusable, ctx.Err()
}

var (
	isTest = regexp.MustCompile(`^(Test|Example|Fuzz)`)
	failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	crash  = regexp.MustCompile(`(?m)^(panic|fatal error|runtime): .*`)
)

// each calls f for all of list, so many at a time.
func each[T any](parallel int, list []T, f func(T)) {
	var all sync.WaitGroup
	places := make(chan struct{}, parallel)
	for _, x := range list {
		places <- struct{}{}
		all.Go(func() {
			f(x)
			<-places
		})
	}
	all.Wait()
}

// A result is how a run of a test binary ended.
type result struct {
	err    error
	output string
	hung   bool
}

// run runs tests of a suite.
func (s *suite) run(ctx context.Context, tests []*test, args []string, limit time.Duration, env ...string) result {
	var names []string
	for _, t := range tests {
		names = append(names, t.name)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(ctx, s.binary, append([]string{"-test.run=^(" + strings.Join(names, "|") + ")$"}, args...)...)
	c.Dir = s.wd
	c.Env = append(os.Environ(), env...)
	var out lastOutput
	c.Stdout, c.Stderr = &out, &out
	err := runGroup(c)
	return result{err: err, output: out.String(), hung: err != nil && (ctx.Err() != nil || errors.Is(err, errMemory) ||
		strings.Contains(out.String(), "panic: test timed out"))}
}

// lastOutput keeps the beginning and the end of what is written to it.
type lastOutput struct {
	first, last bytes.Buffer
}

func (o *lastOutput) Write(p []byte) (int, error) {
	const most = 1 << 16
	n := len(p)
	if room := most - o.first.Len(); room > 0 {
		k := min(room, n)
		o.first.Write(p[:k])
		p = p[k:]
	}
	o.last.Write(p)
	if over := o.last.Len() - most; over > 0 {
		o.last.Next(over)
	}
	return n, nil
}

func (o *lastOutput) String() string { return o.first.String() + o.last.String() }

// try runs the tests that reach a mutant, the short ones first, until one
// notices it.
func (s *suite) try(ctx context.Context, m *mutant, args []string) (reached bool) {
	var first, rest []*test
	var sum time.Duration
	for _, t := range s.tests {
		if !t.reaches[m.id] {
			continue
		}
		if sum += t.took; sum <= soon || first == nil {
			first = append(first, t)
		} else {
			rest = append(rest, t)
		}
	}
	for _, tests := range [][]*test{first, rest} {
		if m.verdict != noticed && len(tests) > 0 {
			s.tryTests(ctx, m, tests, args)
		}
	}
	return first != nil
}

func (s *suite) tryTests(ctx context.Context, m *mutant, tests []*test, args []string) {
	run := func(tests []*test) result {
		limit := leastTime
		for _, t := range tests {
			limit += 5 * t.took
		}
		return s.run(ctx, tests, append([]string{"-test.failfast", "-test.timeout=" + limit.String()}, args...),
			limit+10*time.Second, "MUTATE_CHOSEN="+strconv.Itoa(m.id))
	}
	for len(tests) > 0 {
		r := run(tests)
		switch f := failed.FindStringSubmatch(r.output); {
		case r.err == nil:
			return
		case r.hung:
			m.verdict, m.by = noticed, "it hung"
			return
		case f == nil:
			// No test failed, and yet the binary did: a crash, or a goroutine or
			// a descriptor that is left in the end.
			if r := run(tests); r.err != nil {
				m.verdict, m.by = noticed, "in the end"
				if c := crash.FindString(r.output); c != "" {
					m.by = c
				}
			}
			return
		default:
			i := slices.IndexFunc(tests, func(t *test) bool { return t.name == f[1] })
			if i < 0 || run(tests[i:i+1]).err != nil {
				m.verdict, m.by = noticed, f[1]
				return
			}
			m.doubt = append(m.doubt, f[1])
			tests = slices.Delete(slices.Clone(tests), i, i+1)
		}
	}
}
