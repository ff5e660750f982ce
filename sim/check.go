package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A Failure is why a world has failed, where that is known in its own terms.
type Failure struct {
	Host string        // on which; "" where it is of no host
	What string        // has gone wrong
	At   time.Duration // on the world's clock
	Err  error         // or nil
}

// Error implements error.
func (f *Failure) Error() string {
	text := fmt.Sprintf("at %v: ", f.At)
	if f.Host != "" {
		text += "host " + f.Host + ": "
	}
	text += f.What
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// checks are what a world is to keep to.
type checks struct {
	always     []namedCheck
	eventually []pendingCheck
	sometimes  map[string]int // how often each was true
}

type namedCheck struct {
	name string
	cond func() bool
}

type pendingCheck struct {
	namedCheck
	until time.Duration
}

// any reports whether there is something to look at.
func (c *checks) any() bool { return len(c.always)+len(c.eventually) > 0 }

// open counts what has still to become true.
func (c *checks) open() int { return len(c.eventually) }

// next returns when the next of them must be true.
func (c *checks) next() time.Duration {
	next := driver.Forever
	for _, e := range c.eventually {
		next = min(next, e.until)
	}
	return next
}

// look looks at all of them.
func (c *checks) look(w *World) {
	for _, a := range c.always {
		if !a.cond() {
			w.fail(&Failure{What: "not always: " + a.name, At: w.Now()})
		}
	}
	if len(c.eventually) == 0 {
		return
	}
	c.eventually = slices.DeleteFunc(c.eventually, func(e pendingCheck) bool { return e.cond() })
	for _, e := range c.eventually {
		if w.Now() >= e.until {
			w.fail(&Failure{What: "not in time: " + e.name, At: w.Now()})
		}
	}
}

// Always makes the world fail when cond is not true after a turn of any host, or
// after the clock has gone on. cond runs on no host, and must not wait.
func (w *World) Always(name string, cond func() bool) {
	w.checks.always = append(w.checks.always, namedCheck{name, cond})
}

// Eventually makes the world fail when cond has not been true once within a time
// from now. The world does not end before that.
func (w *World) Eventually(name string, within time.Duration, cond func() bool) {
	w.checks.eventually = append(w.checks.eventually, pendingCheck{namedCheck{name, cond}, w.Now() + within})
}

// Sometimes notes whether something rare that the test is meant to reach has been
// reached. [Test] reports how often each was in all its worlds, and fails when one
// never was in all of at least 100.
func (w *World) Sometimes(name string, cond bool) {
	if w.over {
		return
	}
	if w.checks.sometimes == nil {
		w.checks.sometimes = make(map[string]int)
	}
	n := w.checks.sometimes[name]
	if cond {
		n++
	}
	w.checks.sometimes[name] = n
}

// Buggify reports true with probability p: the program is to do something now that
// is allowed and rare, such as to give up, to send little, or to be slow. On a nil
// World it reports false, so it can stand in a program that also runs in the real one.
func (w *World) Buggify(p float64) bool { return w != nil && w.Chance(p) }
