package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what a user asks for.
type options struct {
	seed        uint64
	n           int
	only        string
	list        bool
	verbose     bool
	parallel    int
	short       bool
	equivalents string
	areas       []string
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "draw the sample by this `number`")
	flag.IntVar(&o.n, "n", 40, "draw so many mutants of each area")
	flag.StringVar(&o.only, "only", "", "instead of a sample, every mutant of a `file` or file:line, several with commas")
	flag.BoolVar(&o.list, "list", false, "list the mutants and run nothing")
	flag.BoolVar(&o.verbose, "v", false, "tell of each mutant when it was tried")
	flag.IntVar(&o.parallel, "p", 2, "run so many test binaries at a time")
	flag.BoolVar(&o.short, "short", false, "run the tests with -test.short")
	flag.StringVar(&o.equivalents, "equivalent", "internal/mutate/equivalent.txt", "the `file` with the mutants that cannot be noticed")
	flag.Parse()
	o.areas = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := mutate(ctx, ".", o, areaOf, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// mutate does a whole run in the module in dir: the report goes to out, what
// goes on to progress.
func mutate(ctx context.Context, dir string, o options, areaOf func(string) (*area, error), out, progress io.Writer) error {
	p, err := load(dir, areaOf)
	if err != nil {
		return err
	}
	equivalents, err := readEquivalents(filepath.Join(p.root, o.equivalents))
	if err != nil {
		return err
	}
	mutants, changed, err := p.choose(o, equivalents)
	if err != nil {
		return err
	}
	if o.list {
		for _, m := range mutants {
			fmt.Fprintln(out, m)
		}
		return nil
	}
	if err := p.runAll(ctx, o, mutants, changed, progress); err != nil {
		return err
	}
	report(o, mutants, out)
	return nil
}

// choose draws the sample, or takes what the user has named, and makes the
// overlay with it.
func (p *project) choose(o options, equivalents []*equivalent) ([]*mutant, overlay, error) {
	wanted, known := map[string][]*mutant{}, map[string]bool{}
	for _, pkg := range p.packages {
		for _, m := range pkg.mutants {
			name := m.area.name
			known[name] = true
			switch {
			case o.only != "" && !slices.ContainsFunc(strings.Split(o.only, ","), func(s string) bool { return isAt(m, s) }):
			case len(o.areas) > 0 && !slices.Contains(o.areas, name):
			default:
				wanted[name] = append(wanted[name], m)
			}
			for _, e := range equivalents {
				if e.describes(m) {
					e.used = true
					m.verdict = alike
				}
			}
		}
	}
	for _, a := range o.areas {
		if !known[a] {
			return nil, nil, fmt.Errorf("there is no area %q; there are: %s", a, strings.Join(slices.Sorted(maps.Keys(known)), "; "))
		}
	}
	var stale []error
	for _, e := range equivalents {
		if !e.used {
			stale = append(stale, fmt.Errorf("%s:%d: no mutant of %s is so: the code has changed, and the entry must go or follow",
				o.equivalents, e.line, e.function))
		}
	}
	if stale != nil {
		return nil, nil, errors.Join(stale...)
	}
	take := map[string]int{}
	for name, all := range wanted {
		take[name] = len(all)
		if o.only == "" {
			shuffle(all, o.seed, name)
			take[name] = min(o.n, len(all))
		}
	}
	for {
		chosen, of := []*mutant(nil), map[*sourcePackage][]*mutant{}
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			for _, m := range wanted[name][:take[name]] {
				chosen = append(chosen, m)
				if m.id = len(chosen); m.verdict != alike {
					of[m.file.pkg] = append(of[m.file.pkg], m)
				}
			}
		}
		all, bad := overlay{}, map[*mutant]bool{}
		for _, pkg := range p.packages {
			if of[pkg] == nil {
				continue
			}
			changed, b, err := p.overlay(pkg, of[pkg], len(chosen))
			if err != nil {
				return nil, nil, err
			}
			maps.Copy(all, changed)
			maps.Copy(bad, b)
		}
		if len(bad) == 0 {
			return chosen, all, nil
		}
		// What does not compile was no mutant, and the next one takes its place.
		for name, all := range wanted {
			wanted[name] = slices.DeleteFunc(all, func(m *mutant) bool { return bad[m] })
			take[name] = min(take[name], len(wanted[name]))
		}
	}
}

func shuffle(all []*mutant, seed uint64, area string) {
	h := fnv.New64()
	io.WriteString(h, area)
	rand.New(rand.NewPCG(seed, h.Sum64())).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
}

// isAt reports whether a mutant is where the user said: "sync_queue.go" or
// "sync_queue.go:120".
func isAt(m *mutant, where string) bool {
	file, line, _ := strings.Cut(where, ":")
	return file == m.file.name && (line == "" || line == strconv.Itoa(lineOf(m)))
}

func lineOf(m *mutant) int {
	return 1 + strings.Count(string(m.file.text[:m.start]), "\n")
}

// String tells in a line where a mutant is and what it does.
func (m *mutant) String() string {
	before, after := m.lines()
	return fmt.Sprintf("%s:%d %s: %s → %s", m.file.name, lineOf(m), functionName(m.fn), before, after)
}

// runAll builds what is needed and tries all mutants.
func (p *project) runAll(ctx context.Context, o options, mutants []*mutant, changed overlay, progress io.Writer) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := writeOverlay(changed, dir)
	if err != nil {
		return err
	}
	var args []string
	if o.short {
		args = append(args, "-test.short")
	}
	suites := map[string]*suite{}
	for _, m := range mutants {
		for _, tested := range m.suites() {
			if suites[tested] != nil || m.verdict == alike {
				continue
			}
			s, err := p.build(tested, file, dir)
			if err != nil {
				return err
			}
			unusable, err := s.trace(ctx, o.parallel, args, dir)
			if err != nil {
				return err
			}
			for name, output := range unusable {
				fmt.Fprintf(progress, "%s: %s fails alone and without a mutant, and is left out:\n%s\n", tested, name, output)
			}
			suites[tested] = s
			fmt.Fprintf(progress, "%s: built and traced, %d tests, %v\n", tested, len(s.tests), time.Since(began).Round(time.Second))
		}
	}
	tried := 0
	var done = make(chan string)
	go func() {
		defer close(done)
		each(o.parallel, mutants, func(m *mutant) {
			if m.verdict == alike || ctx.Err() != nil {
				return
			}
			began, reached := time.Now(), false
			for _, tested := range m.suites() {
				if m.verdict != noticed {
					reached = suites[tested].try(ctx, m, args) || reached
				}
			}
			if !reached {
				m.verdict = unreached
			}
			done <- fmt.Sprintf("%s: %s: %s, %.1f s", m.verdict, m, m.by, time.Since(began).Seconds())
		})
	}()
	for line := range done {
		if tried++; o.verbose {
			fmt.Fprintf(progress, "%d/%d %v %s\n", tried, len(mutants), time.Since(began).Round(time.Second), line)
		}
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}

// suites returns the packages whose tests are to notice a mutant.
func (m *mutant) suites() []string {
	if m.area.tests != nil {
		return m.area.tests
	}
	own := m.file.pkg.dir
	return append([]string{own}, slices.DeleteFunc(slices.Clone(m.area.also), func(dir string) bool { return dir == own })...)
}

func (v verdict) String() string {
	return [...]string{survived: "SURVIVED", unreached: "NOT REACHED", noticed: "noticed", alike: "equivalent"}[v]
}

// report prints the survivors by area, and the table.
func report(o options, mutants []*mutant, out io.Writer) {
	count := map[string]*[alike + 1]int{}
	for _, m := range mutants {
		name := m.area.name
		if count[name] == nil {
			count[name] = new([alike + 1]int)
			fmt.Fprintf(out, "\n%s\n", name)
		}
		count[name][m.verdict]++
		if m.verdict == survived || m.verdict == unreached {
			note := ""
			if m.verdict == unreached {
				note = " (no test goes there)"
			}
			if m.doubt != nil {
				note = fmt.Sprintf(" (once noticed by %s)", strings.Join(m.doubt, ", "))
			}
			fmt.Fprintf(out, "  %s%s\n", m, note)
		}
	}
	if o.only == "" {
		fmt.Fprintf(out, "\nseed %d\n", o.seed)
	}
	fmt.Fprintf(out, "\n%-24s %8s %11s %8s %9s %12s %5s\n", "area", "mutants", "equivalent", "noticed", "survived", "not reached", "rate")
	var sum [alike + 1]int
	for _, name := range append(slices.Sorted(maps.Keys(count)), "all") {
		c := &sum
		if name != "all" {
			c = count[name]
			for i, n := range c {
				sum[i] += n
			}
		}
		total, rate := c[noticed]+c[survived]+c[unreached], "-"
		if total > 0 {
			rate = fmt.Sprintf("%d %%", (100*c[noticed]+total/2)/total)
		}
		fmt.Fprintf(out, "%-24s %8d %11d %8d %9d %12d %5s\n", name, total+c[alike], c[alike], c[noticed], c[survived], c[unreached], rate)
	}
}
