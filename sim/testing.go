package sim

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The flags of tests. A program that is no test does not have them.
var flags struct {
	seeds    int
	seed     string
	tape     string
	time     time.Duration
	trace    string
	parallel processes
}

func init() {
	if !testing.Testing() {
		return
	}
	seeds, _ := strconv.Atoi(os.Getenv("ASYNCIO_SIM_SEEDS"))
	lasts, _ := time.ParseDuration(os.Getenv("ASYNCIO_SIM_TIME"))
	_ = flags.parallel.Set(os.Getenv("ASYNCIO_SIM_PARALLEL"))
	flag.IntVar(&flags.seeds, "sim.seeds", seeds, "run simulated worlds with so many `seeds`")
	flag.StringVar(&flags.seed, "sim.seed", os.Getenv("ASYNCIO_SIM_SEED"), "run the simulated world with this `seed` only")
	flag.StringVar(&flags.tape, "sim.tape", os.Getenv("ASYNCIO_SIM_TAPE"), "run the simulated world with the choices in this `file` only")
	flag.DurationVar(&flags.time, "sim.time", lasts, "run simulated worlds for so long, with one seed after another")
	flag.StringVar(&flags.trace, "sim.trace", os.Getenv("ASYNCIO_SIM_TRACE"), "write the traces of simulated worlds that fail into this `directory`, and not into testdata/sim")
	flag.Var(&flags.parallel, "sim.parallel", "run simulated worlds in several `processes`: a number, or as many as there are processors")
}

// rareAfter is in how many worlds something must have been true once.
const rareAfter = 100

// Test runs worlds as [Run] does, each in a bubble of testing/synctest: package time
// shows the world's clock there, and deadlines of package context come when it is
// their time. A program may start goroutines; the world waits for them where its
// clock goes on, and only there.
//
// The first world that fails makes the test fail. Its choices, as few as could be
// found, and its trace are written to files in testdata/sim (see [Report.WriteTrace]),
// and the command that runs it again is shown with the last of what has happened. Flags
// of go test say which worlds run:
//
//	-sim.seeds=N    so many; the first is that of the option Seed
//	-sim.seed=S     the one with this seed
//	-sim.tape=FILE  the one with these choices
//	-sim.time=5m    as many as can be run in this time
//	-sim.parallel   in as many processes as there are processors; -sim.parallel=N: in N
//	-sim.trace=DIR  where the trace is written
//
// and so do the environment variables ASYNCIO_SIM_SEEDS, _SEED, _TAPE, _TIME, _PARALLEL
// and _TRACE. With several processes the program of the test starts itself again for the
// test that has called Test, so what else that test does is done in each.
//
// A world that was run twice with the same choices must be the same: with one of its
// worlds a test does that, see [ErrDiverged].
func Test(t *testing.T, fn func(w *World), opts ...Option) {
	t.Helper()
	c := newConfig(opts)
	if err := c.heedFlags(); err != nil {
		t.Fatal(err)
	}
	c.inBubbles(t)
	call := callOf(t)
	if o := ordered(); o != nil {
		if o.Test == t.Name() && o.Call == call {
			c.work(o.Mark, os.Stdin, os.Stdout, fn)
		}
		return
	}
	if c.parallel <= 1 || c.tape != nil || c.seeds == 1 && c.lasts == 0 {
		c.tell(t, c.runAll(fn))
		return
	}
	r, err := c.runParallel(t, call, fn)
	if err != nil {
		t.Fatal(err)
	}
	c.tell(t, r)
}

// inBubbles makes each world live in a bubble of its own.
func (c *config) inBubbles(t *testing.T) {
	c.enter = func(live func()) { synctest.Test(t, func(t *testing.T) { c.t = t; live() }) }
}

// heedFlags applies what go test was called with.
func (c *config) heedFlags() error {
	if flags.seeds > 0 {
		c.seeds = flags.seeds
	}
	c.lasts, c.parallel = flags.time, int(flags.parallel)
	if flags.seed != "" {
		seed, err := strconv.ParseUint(flags.seed, 10, 64)
		if err != nil {
			return fmt.Errorf("sim: -sim.seed: %w", err)
		}
		c.first, c.seeds, c.lasts = seed, 1, 0
	}
	if flags.tape != "" {
		text, err := os.ReadFile(flags.tape)
		if err != nil {
			return fmt.Errorf("sim: -sim.tape: %w", err)
		}
		if c.tape, err = parseTape(string(text)); err != nil {
			return fmt.Errorf("sim: -sim.tape=%s: %w", flags.tape, err)
		}
	}
	return nil
}

// tell reports to the test.
func (c *config) tell(t *testing.T, r *Report) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(r.Sometimes)) {
		switch n := r.Sometimes[name]; {
		case n > 0:
			t.Logf("%s: %d times in %d worlds", name, n, r.Worlds)
		case r.Worlds >= rareAfter && r.Err == nil:
			t.Errorf("%s: never in %d worlds", name, r.Worlds)
		}
	}
	if r.Err == nil {
		return
	}
	again := "go test -run '^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$' "
	command := again + fmt.Sprintf("-sim.seed=%d", r.Seed)
	where := fmt.Sprintf("seed %d", r.Seed)
	dir := filepath.Join("testdata", "sim", fileName(t.Name()))
	if c.tape != nil {
		command, where = again+"-sim.tape="+flags.tape, "tape "+flags.tape
	} else if file, err := writeTape(dir, r); err != nil {
		t.Logf("the tape is not written: %v", err)
	} else if !errors.Is(r.Err, ErrDiverged) {
		command += fmt.Sprintf("\nor, with the %d choices that are left of it,\n    %s-sim.tape=%s", r.Choices, again, file)
	}
	if flags.trace != "" {
		dir = filepath.Join(flags.trace, fileName(t.Name()))
	}
	if r.record != nil {
		r.record.Test, r.record.Command = t.Name(), command
	}
	files, err := r.WriteTrace(dir, r.name(c.tape != nil))
	if err != nil {
		t.Logf("the trace is not written: %v", err)
	}
	if len(files) > 0 {
		command += "\nTo look at it:\n    " + strings.Join(files, "\n    ")
	}
	t.Errorf("%s, world %d: %v\n\n%s\nTo run it again:\n    %s", where, r.Worlds, r.Err, r.Trace, command)
}

// name is that of the files of a world that has failed.
func (r *Report) name(tape bool) string {
	if tape {
		return strings.TrimSuffix(filepath.Base(flags.tape), ".tape")
	}
	return strconv.FormatUint(r.Seed, 10)
}

// writeTape keeps the choices of a world that has failed, and returns where.
func writeTape(dir string, r *Report) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	file := filepath.Join(dir, r.name(false)+".tape")
	return file, os.WriteFile(file, []byte(r.Tape), 0o666)
}

// Fuzz makes a fuzz test of worlds: what Go's fuzzing makes up are the choices, all
// in one sequence.
func Fuzz(f *testing.F, fn func(w *World), opts ...Option) {
	c := newConfig(opts)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, choices []byte) {
		d := *c
		d.inBubbles(t)
		choosing := &tape{replay: true, one: true}
		choosing.streams[0].data = choices
		if w := d.once(choosing, fn); w.failure != nil {
			t.Error(w.failure)
		}
	})
}
