package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/internal/simtrace"
)

// A Report is what has come of the worlds that [Run] has run.
type Report struct {
	Worlds    int            // that were run, but for those to explain a failure
	Seed      uint64         // of the one that has failed, else of the last
	Err       error          // why it has failed, or nil
	Hash      uint64         // of all that has happened in it
	Tape      string         // its choices, as the text of a file; made smaller where it has failed
	Choices   int            // of those, how many are not tame
	Trace     string         // where it has failed: the last of what has happened, a line for each event
	Elapsed   time.Duration  // how long it was, on its own clock
	Turns     int            // that its hosts have taken
	Sometimes map[string]int // how often each of World.Sometimes was true, in all worlds

	record   *simtrace.Trace // of the world that has failed
	captures map[string][]simtrace.Packet
	text     string // as Trace, and more of it
}

// Run runs worlds with one seed after another, until one fails or all have been run.
// fn sets a world up: it adds hosts and gives them programs. Then the world runs until
// all functions given to [Host.Go] have returned and nothing is left of
// [World.Eventually].
//
// A world that has failed is run again with the choices that it has made, which must
// end the same way, and with ever fewer of them that are not tame.
//
// Outside of a test there is no bubble of testing/synctest, so package time shows the
// real clock there, and deadlines of package context are real ones. In a test use
// [Test].
func Run(fn func(w *World), opts ...Option) *Report {
	return newConfig(opts).runAll(fn)
}

func (c *config) runAll(fn func(*World)) *Report {
	r := &Report{Sometimes: make(map[string]int)}
	c.dog = c.watch()
	defer c.dog.stop()
	began := time.Now()
	for n := 0; ; n++ {
		t := c.tape
		if t == nil {
			r.Seed = c.first + uint64(n)
			t = seededTape(r.Seed)
		}
		c.dog.seed.Store(r.Seed)
		w := c.once(t, fn)
		r.Worlds++
		addTo(r.Sometimes, w.checks.sometimes)
		if w.failure == nil && n == 0 && c.twice {
			w = c.verify(w, fn)
		}
		if w.failure != nil {
			w = c.explain(w, fn)
		}
		over := n+1 >= c.seeds
		if c.lasts > 0 {
			over = time.Since(began) >= c.lasts
		}
		if w.failure != nil || over || c.tape != nil {
			r.fill(w)
			return r
		}
	}
}

// fill notes what has come of a world.
func (r *Report) fill(w *World) {
	r.Err, r.Hash, r.Elapsed, r.Turns = w.failure, w.trace.hash, w.Now(), w.turns
	r.Tape, r.Choices = w.tape.trimmed().text(), w.tape.wild()
	if !w.trace.keep {
		return
	}
	var names []string
	for _, h := range w.hosts {
		names = append(names, h.Name())
	}
	r.Trace, r.text = w.trace.timeline(names, maxLines), w.trace.timeline(names, maxRecorded)
	if w.recording != nil {
		r.record, r.captures = w.record(), w.captures()
		r.record.Seed = strconv.FormatUint(r.Seed, 10)
	}
}

// maxLines is how many events of a trace are shown.
const maxLines = 200

// A runOption is how a single run differs from others.
type runOption func(*World)

func keeping(w *World) { w.trace.keep = true }

func stackOf(event int) runOption { return func(w *World) { w.trace.stackAt = event } }

// once runs a world, on a goroutine of its own: what ends that ends only it.
func (c *config) once(t *tape, fn func(*World), opts ...runOption) (w *World) {
	live := func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			w = newWorld(c, t)
			for _, o := range opts {
				o(w)
			}
			w.live(fn)
		}()
		<-done
	}
	if c.enter != nil {
		c.enterBubble(live, func() *World { return w })
	} else {
		live()
	}
	return w
}

// verify runs a world again, which must go the same way. The very first run of a
// process may differ, since it makes what is made once; then two others are compared.
func (c *config) verify(w *World, fn func(*World)) *World {
	choices := w.tape
	again := c.once(choices.again(), fn)
	if again.trace.hash == w.trace.hash {
		return w
	}
	third := c.once(choices.again(), fn)
	if third.trace.hash == again.trace.hash {
		return third
	}
	one, other := c.once(choices.again(), fn, keeping), c.once(choices.again(), fn, keeping)
	for n := 0; one.trace.hash == other.trace.hash && n < maxTwice; n++ {
		other = c.once(choices.again(), fn, keeping)
	}
	other.failure = c.divergence(one, other, fn)
	return other
}

// maxTwice is how often a world is run again that has differed once and does not now.
const maxTwice = 10

// divergence says where two runs differ, and who was at it in each.
func (c *config) divergence(one, other *World, fn func(*World)) error {
	at := diverge(&one.trace, &other.trace)
	var b strings.Builder
	fmt.Fprintf(&b, "%v, first in event %d", ErrDiverged, at)
	for i, w := range []*World{one, other} {
		what := "the end"
		if e, ok := w.trace.at(at); ok {
			what = fmt.Sprintf("at %v: %s", e.at, e.what())
		}
		stack := c.once(w.tape.again(), fn, keeping, stackOf(at)).trace.stack
		fmt.Fprintf(&b, "\nrun %d, %s\n%s", i+1, what, stack)
	}
	return &divergedError{b.String()}
}

// A divergedError is an ErrDiverged with all that is known.
type divergedError struct{ text string }

func (e *divergedError) Error() string { return e.text }
func (e *divergedError) Unwrap() error { return ErrDiverged }

// explain returns the smallest world that fails as w has failed, with its trace.
func (c *config) explain(w *World, fn func(*World)) *World {
	if errors.Is(w.failure, ErrDiverged) {
		return w
	}
	again := c.once(w.tape.again(), fn, keeping)
	if again.trace.hash != w.trace.hash || kind(again.failure) != kind(w.failure) {
		if v := c.verify(again, fn); errors.Is(v.failure, ErrDiverged) {
			v.failure = fmt.Errorf("%w\nwhat it has failed with before: %w", v.failure, w.failure)
			return v
		}
	}
	if w.leaks {
		return c.once(w.tape.again(), fn, recorded) // each run leaves goroutines for ever
	}
	began := time.Now() // the real clock: this is in no bubble
	smallest := shrink(again.tape, c.shrink, func(t *tape) bool {
		if time.Since(began) > longestShrink {
			return false
		}
		return kind(c.once(t.again(), fn).failure) == kind(again.failure)
	})
	return c.once(smallest.again(), fn, recorded)
}

// kind says what kind of failure one is: a smaller tape must fail of the same kind,
// or it would be another bug. On which host it comes may differ.
func kind(err error) string {
	for _, e := range []error{ErrLeft, ErrBlocked, ErrDeadlock, ErrLivelock, ErrTimeLimit, ErrEscaped, ErrGoexit} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	var f *Failure
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f):
		return withoutDigits(f.What)
	}
	return "other"
}

func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, s)
}
