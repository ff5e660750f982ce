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
	seeds int
	seed  string
	tape  string
	time  time.Duration
}

func init() {
	if !testing.Testing() {
		return
	}
	seeds, _ := strconv.Atoi(os.Getenv("ASYNCIO_SIM_SEEDS"))
	lasts, _ := time.ParseDuration(os.Getenv("ASYNCIO_SIM_TIME"))
	flag.IntVar(&flags.seeds, "sim.seeds", seeds, "run simulated worlds with so many `seeds`")
	flag.StringVar(&flags.seed, "sim.seed", os.Getenv("ASYNCIO_SIM_SEED"), "run the simulated world with this `seed` only")
	flag.StringVar(&flags.tape, "sim.tape", os.Getenv("ASYNCIO_SIM_TAPE"), "run the simulated world with the choices in this `file` only")
	flag.DurationVar(&flags.time, "sim.time", lasts, "run simulated worlds for so long, with one seed after another")
}

// rareAfter is in how many worlds something must have been true once.
const rareAfter = 100

// Test runs worlds as [Run] does, each in a bubble of testing/synctest: package time
// shows the world's clock there, and deadlines of package context come when it is
// their time. A program may start goroutines; the world waits for them where its
// clock goes on, and only there.
//
// The first world that fails makes the test fail. Its choices, as few as could be
// found, are written to a file in testdata/sim, and the command that runs it again is
// shown with the last of what has happened. Flags of go test say which worlds run:
//
//	-sim.seeds=N    so many; the first is that of the option Seed
//	-sim.seed=S     the one with this seed
//	-sim.tape=FILE  the one with these choices
//	-sim.time=5m    as many as can be run in this time
//
// and so do the environment variables ASYNCIO_SIM_SEEDS, _SEED, _TAPE and _TIME.
//
// A world that was run twice with the same choices must be the same: with one of its
// worlds a test does that, see [ErrDiverged].
func Test(t *testing.T, fn func(w *World), opts ...Option) {
	t.Helper()
	c := newConfig(opts)
	if err := c.heedFlags(); err != nil {
		t.Fatal(err)
	}
	c.enter = func(live func()) { synctest.Test(t, func(*testing.T) { live() }) }
	r := c.runAll(fn)
	c.tell(t, r)
}

// heedFlags applies what go test was called with.
func (c *config) heedFlags() error {
	if flags.seeds > 0 {
		c.seeds = flags.seeds
	}
	c.lasts = flags.time
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
	command := fmt.Sprintf("go test -run '^%s$' -sim.seed=%d", strings.ReplaceAll(t.Name(), "/", "$/^"), r.Seed)
	where := fmt.Sprintf("seed %d", r.Seed)
	if c.tape != nil {
		command, where = strings.Replace(command, fmt.Sprintf("-sim.seed=%d", r.Seed), "-sim.tape="+flags.tape, 1), "tape "+flags.tape
	} else if file, err := writeTape(t.Name(), r); err != nil {
		t.Logf("the tape is not written: %v", err)
	} else if !errors.Is(r.Err, ErrDiverged) {
		command += fmt.Sprintf("\nor, with the %d choices that are left of it,\n    go test -run '^%s$' -sim.tape=%s", r.Choices, strings.ReplaceAll(t.Name(), "/", "$/^"), file)
	}
	t.Errorf("%s, world %d: %v\n\n%s\nTo run it again:\n    %s", where, r.Worlds, r.Err, r.Trace, command)
}

// writeTape keeps the choices of a world that has failed, and returns where.
func writeTape(test string, r *Report) (string, error) {
	dir := filepath.Join("testdata", "sim", strings.ReplaceAll(test, "/", "_"))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	file := filepath.Join(dir, fmt.Sprintf("%d.tape", r.Seed))
	return file, os.WriteFile(file, []byte(r.Tape), 0o666)
}

// Fuzz makes a fuzz test of worlds: what Go's fuzzing makes up are the choices, all
// in one sequence.
func Fuzz(f *testing.F, fn func(w *World), opts ...Option) {
	c := newConfig(opts)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, choices []byte) {
		d := *c
		d.enter = func(live func()) { synctest.Test(t, func(*testing.T) { live() }) }
		choosing := &tape{replay: true, one: true}
		choosing.streams[0].data = choices
		if w := d.once(choosing, fn); w.failure != nil {
			t.Error(w.failure)
		}
	})
}
