package sim

import (
	"io"
	"testing"
	"time"
)

// An Option is an option of [Test], [Run] and [Fuzz].
type Option interface{ applySim(*config) }

type option func(*config)

func (f option) applySim(c *config) { f(c) }

// config is what a world is to be like, and how many of them are run.
type config struct {
	seeds    int
	first    uint64
	lasts    time.Duration // not 0: seeds are run for so long instead
	tape     *tape         // not nil: this one is run, and no seed
	limit    time.Duration
	stalls   bool
	order    order
	shrink   int // runs
	twice    bool
	parallel int // processes; at most 1: this one

	nothingLeft bool
	leaves      time.Duration // in which it must be gone

	patience   time.Duration // of the watchdog
	complaints io.Writer     // the watchdog's; nil: os.Stderr
	dog        *watchdog

	enter func(live func()) // runs a world in a bubble; nil: as it is

	equalRandom bool
	t           *testing.T // of the bubble
}

const (
	defaultSeeds  = 100
	defaultLimit  = time.Hour
	defaultShrink = 1000
	longestShrink = time.Minute // of the real clock
)

func newConfig(opts []Option) *config {
	c := &config{seeds: defaultSeeds, first: 1, limit: defaultLimit, stalls: true, order: inOrder{}, shrink: defaultShrink, twice: true, patience: defaultPatience}
	for _, o := range opts {
		o.applySim(c)
	}
	return c
}

// Seeds sets how many seeds are run: 100 without it. For [Test] the flag -sim.seeds
// and the environment variable ASYNCIO_SIM_SEEDS come before it.
func Seeds(n int) Option { return option(func(c *config) { c.seeds = max(n, 1) }) }

// Seed sets the first seed: 1 without it. Those after it follow.
func Seed(first uint64) Option { return option(func(c *config) { c.first = first }) }

// Time sets the time limit of a world, on its own clock: an hour without it. A world
// in which somebody is still waited for then fails with [ErrTimeLimit].
func Time(limit time.Duration) Option { return option(func(c *config) { c.limit = limit }) }

// NoStalls makes all hosts take their turns as soon as they can. Without it they are
// held up now and then, for 1 to 20 milliseconds of the world's time, so that timers
// and packets meet in one turn: most bugs of timing need that.
func NoStalls() Option { return option(func(c *config) { c.stalls = false }) }

// ShrinkRuns bounds how often a world that has failed is run again to find a smaller
// tape that fails as well: 1000 times without it, and for a minute in any case.
func ShrinkRuns(n int) Option { return option(func(c *config) { c.shrink = max(n, 0) }) }

// Patience sets after how long, of real time, in which nothing has happened in a world
// its watchdog says which task, callback or job blocks it, on os.Stderr: 10 seconds without
// it; 0: never.
func Patience(d time.Duration) Option { return option(func(c *config) { c.patience = d }) }

// Once leaves out the second run of the first world, which must be the same; see
// [ErrDiverged].
func Once() Option { return option(func(c *config) { c.twice = false }) }

// RandomOrder makes the steps of tasks that are ready in the same turn run in any
// order. That breaks a promise that asyncio makes, which is the order in which they
// became ready; callbacks keep it. A program that needs no such order must not fail.
func RandomOrder() Option { return option(func(c *config) { c.order = randomOrder{} }) }

// PCT assigns each task a priority, by which those that are ready in the same turn run,
// and takes it away from the running one at d moments. It finds bugs that need d
// tasks to be delayed with a probability that is known. It breaks the promise that
// [RandomOrder] breaks.
func PCT(d int) Option { return option(func(c *config) { c.order = pct{changes: d} }) }

// WidePCT is [PCT] across turns: only the task with the highest priority takes a step,
// and the others wait for as long as it is ready. It finds starvation. It breaks a
// second promise, that whatever is ready runs in the next turn, so a task that yields
// in a loop until another has done something never ends.
func WidePCT(d int) Option { return option(func(c *config) { c.order = pct{changes: d, wide: true} }) }
