// Package coro has stackful coroutines: functions that can stop in the middle,
// however deep in other people's code, and go on later.
//
// They are [iter.Pull] and nothing else. A switch costs some forty nanoseconds,
// because the runtime hands the thread over directly without asking the
// scheduler; making a coroutine costs fifteen times as much, so a [Pool] keeps
// them for the next function.
//
// # Places
//
// What iter.Pull makes is, to the runtime, a place where one goroutine waits.
// To switch on it is to take that goroutine's place: it goes on, and the caller
// waits there in its stead. The functions next and yield do that by turns, and
// do not mind who calls them. So a coroutine need not go back to whoever resumed
// it before the next one can go on: it switches on the place in which that one
// waits. With n coroutines and the goroutine that began there are n places, and
// at any moment all but one wait in one each; it does not matter in which.
//
// That halves the switches: one for each step, and not one there and one back.
//
// It is how the runtime does it, and package iter does not promise it of yield. So
// with a Go that is newer than the newest that was tested, a coroutine goes back to
// the goroutine that began, which lets the next one go on; see relay.go.
package coro

import (
	"iter"
	"runtime"
	"runtime/debug"
	"time"
)

// Body is what a coroutine runs. It is an interface, not a func, so that
// starting one needs no closure.
type Body interface {
	// Run runs.
	Run()
	// Ended is called on the coroutine after Run where no Resume reports that:
	// when Run has returned on a coroutine that was switched to, which is then
	// in the pool again, and when Run did not return, because of a Goexit or a
	// panic.
	//
	// What Run itself recovers may have been a panic in a deferred function that
	// a Goexit has called. The Goexit goes on after that, so only here it is
	// known which of the two it was.
	Ended(returned bool)
}

// A Coro is a coroutine of a [Pool], and the place that was made with it.
//
// A coroutine that was made on a goroutine that is not locked to its thread
// must not be resumed on one that is, nor the reverse: the runtime ends the
// program then.
type Coro struct {
	body Body  // nil when it has returned, idle in the pool
	at   *Coro // the place where this coroutine waits

	// The place.
	next    func() (struct{}, bool)
	yield   func(struct{}) bool
	entered bool // next was called last, so it is yield's turn

	nested    bool // it was resumed, and not switched to
	unproven  bool // it was made and resumed, and nobody has switched to it yet
	unwinding bool
	dead      bool // its goroutine waits for its end, and for nothing else
	gone      bool // its goroutine has ended
}

// A Pool makes coroutines and keeps those whose body returned for the next
// one. The zero value is empty and ready for use. It is not safe for use by
// several goroutines at a time, must not be copied, and must be closed.
type Pool struct {
	// Next says who goes on when one has stopped that nobody resumed.
	Next func() *Coro

	running *Coro              // the coroutine that runs, or root
	begin   iter.Seq[struct{}] // what each runs: one func for all
	resumer *Coro              // who has resumed the running coroutine, if that is nested
	order   func() *Coro       // what whoever wakes up next has to do first; see obey
	relays  bool               // see relay

	// Simulated says that the pool is one of many in a simulated world, each of which is
	// soon gone. Who uses it is never locked to a thread, so Put need not find out, and
	// stacks begin as large as they will be.
	Simulated bool

	root   Coro   // stands for the goroutine that is no coroutine of this pool
	idle   *Coro  // the one that was put back last
	unused []Coro // made, and not yet coroutines
	n      int    // how many are idle
	least  int    // the fewest that were since the last Trim
	excess int    // how many Shed is to end
	alive  int    // how many have not ended

	dead   []*Coro // to be ended by Close
	ender  *Coro   // who is ending a coroutine
	thrown any     // the panic of the one that is ended

	visit *visit // the one that is under way; nil before the first
}

// Root stands for the goroutine that is no coroutine of the pool: the one that
// resumed the first.
func (p *Pool) Root() *Coro { return &p.root }

// Switch makes another coroutine go on; to must wait, or be new. It returns
// when somebody has switched to the one that runs now.
func (p *Pool) Switch(to *Coro) {
	me := p.running
	if p.relays {
		p.relay(to)
	} else {
		place := to.at
		me.at, p.running = place, to
		if place.entered = !place.entered; place.entered {
			place.next()
		} else {
			place.yield(struct{}{})
		}
	}
	if p.order != nil {
		p.obey(me)
	}
}

// obey is for whoever wakes up, and there is an order for. An order returns who is to
// go on then, or nil when that is the one who has woken up. Who waits again, waits
// here: however often it is woken for an order, its stack is as deep.
func (p *Pool) obey(woke *Coro) {
	for p.order != nil {
		order := p.order
		p.order = nil
		p.running = woke
		to := order()
		if to == nil {
			return
		}
		if p.relays {
			p.relay(to)
			continue
		}
		place := to.at
		woke.at, p.running = place, to
		if place.entered = !place.entered; place.entered {
			place.next()
		} else {
			place.yield(struct{}{})
		}
	}
}

// Resume runs the coroutine until it suspends or its body returns, and says
// whether it returned. After that the coroutine must be given back with
// [Pool.Put]. A panic or a [runtime.Goexit] of the body comes out here.
func (p *Pool) Resume(c *Coro) (ended bool) {
	outer := p.resumer
	defer func() { p.resumer = outer }()
	c.nested, p.resumer = true, p.running
	p.Switch(c)
	return c.body == nil
}

// Suspend lets others go on: whoever resumed the running coroutine, or if nobody
// did, the one that Next returns. It returns when this one goes on. When that was
// unwound, it ends the goroutine with [runtime.Goexit], and the deferred
// functions run.
//
// It is Switch again, written out: a return that the processor cannot foresee
// costs as much as half a switch, and after a switch it foresees none.
func (p *Pool) Suspend() {
	me := p.running
	to := p.resumer
	if me.nested {
		if me.unwinding {
			runtime.Goexit()
		}
		me.nested = false
		me.unproven = me.unproven && me.body == nil // else it will be let go on
	} else if to = p.Next(); to == me {
		return
	}
	if p.relays {
		p.relay(to)
	} else {
		place := to.at
		me.at, p.running = place, to
		if place.entered = !place.entered; place.entered {
			place.next()
		} else {
			place.yield(struct{}{})
		}
	}
	if p.order != nil {
		p.obey(me)
	}
}

// Visit runs fn on the coroutine's goroutine, at the place in its stack where
// it waits. It returns false when the coroutine runs or has ended, and must not be
// called before it first ran. fn must return.
func (p *Pool) Visit(c *Coro, fn func()) bool {
	if _, idle := c.body.(idle); idle || c == p.running || c.body == nil {
		return false
	}
	if p.visit == nil {
		p.visit = newVisit()
	}
	p.visit.fn, p.visit.by = fn, p.running
	p.order = p.visit.order
	p.Switch(c)
	p.visit.fn = nil
	return true
}

// A visit lets a function run on another coroutine's stack. Its order is made once, for
// there may be very many visits.
type visit struct {
	fn    func()
	by    *Coro
	order func() *Coro
}

func newVisit() *visit {
	v := &visit{}
	v.order = func() *Coro {
		v.fn()
		return v.by
	}
	return v
}

// Unwind ends a waiting coroutine, whose Switch or Suspend never returns. It
// returns when the deferred functions have run. A panic of theirs comes out
// here.
func (p *Pool) Unwind(c *Coro) {
	c.unwinding = true
	if c.body != nil { // else run returns
		c.nested = true // so that Suspend looks
		p.order = func() *Coro { runtime.Goexit(); return nil }
	}
	p.end(c)
}

// end waits until the goroutine of c, which is to end as soon as it goes on, has
// ended.
//
// A goroutine that ends lets whoever waits in its own place go on. That must be
// the one that called end. If c has waited elsewhere, it switches back when it
// has nothing left to do (leave); then end takes the place, and whoever waited
// there lets c go on.
func (p *Pool) end(c *Coro) {
	me, outer := p.running, p.ender
	p.ender, p.thrown = me, nil
	p.switchToEnd(c)
	if !c.gone {
		p.order = func() *Coro { p.Switch(c); return nil }
		p.switchToEnd(&Coro{at: c})
	}
	p.running, p.ender = me, outer
	c.next, c.yield, c.at = nil, nil, nil // others that were made with it may keep it
	if v := p.thrown; v != nil {
		p.thrown = nil
		panic(v)
	}
}

func (p *Pool) switchToEnd(c *Coro) {
	defer func() {
		if v := recover(); v != nil && v != any(unwound{}) {
			panic(v)
		}
	}()
	p.Switch(c)
}

// unwound is the panic with which the goroutine of a coroutine ends. Nobody but
// end gets it.
//
// The runtime passes a Goexit on to whoever waits in the coroutine's place, and
// would end the loop; a panic it passes on too, but that can be recovered. So
// the Goexit, which nobody in the body could have stopped, becomes a panic when
// it has passed all of the body. (To end the coroutine on another goroutine
// instead is no way out: on one that is locked to its thread the runtime ends
// the program then.)
type unwound struct{}

// leave is what the coroutine does last: when it was idle and has returned, when
// its body was unwound or ended the goroutine, and when the body panicked with v.
func (p *Pool) leave(c *Coro, returned bool, v any) {
	body := c.body
	c.body = nil
	if !returned {
		body.Ended(false)
	}
	if c.unwinding {
		p.thrown = v
	} else {
		p.dead = append(p.dead, c)
		c.dead = true
		to := &p.root
		if c.nested {
			to = p.resumer
		}
		p.order = func() *Coro {
			if v != nil {
				panic(v)
			}
			runtime.Goexit()
			return nil
		}
		p.Switch(to)
	}
	if p.relays {
		p.running = p.ender
	} else if p.ender.at != c {
		p.Switch(p.ender)
	}
	c.gone = true
	p.alive--
	if !returned {
		panic(unwound{})
	}
}

// bodies returns what each coroutine runs: one body after another.
func (p *Pool) bodies() iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		c := p.running
		returned := false
		defer func() { p.leave(c, returned, recover()) }()
		MarkGoroutine()
		c.yield = yield
		if p.Simulated {
			deepen()
		}
		for !c.unwinding {
			body := c.body
			body.Run()
			if c.nested {
				c.body = nil
			} else {
				p.put(c)
				body.Ended(true)
			}
			p.Suspend() // until there is a next body, or none
		}
		returned = true
	}
}

// deepen lets a stack grow at once to what most bodies need. Later it would have to be
// copied, frame by frame, perhaps twice.
//
//go:noinline
func deepen() {
	var room [5 << 10]byte
	keep(&room)
}

//go:noinline
func keep(*[5 << 10]byte) {}

// MarkGoroutine marks the calling goroutine as one that belongs to a loop, and
// reports whether it was marked before.
//
// Go has no goroutine-local storage, but it has one bit of it:
// [debug.SetPanicOnFault] is a flag of the goroutine and returns its old
// value, for about a nanosecond. Nothing else here depends on that flag, and
// what it does (a fault at an unexpected address panics instead of ending the
// program) is harmless.
func MarkGoroutine() (before bool) { return debug.SetPanicOnFault(true) }

// UnmarkGoroutine takes the mark away.
func UnmarkGoroutine() { debug.SetPanicOnFault(false) }

// OnMarkedGoroutine reports whether the calling goroutine is marked.
func OnMarkedGoroutine() bool {
	if debug.SetPanicOnFault(true) {
		return true
	}
	debug.SetPanicOnFault(false)
	return false
}

// Kept is how many idle coroutines Trim leaves in any case.
const Kept = 256

// Shed ends at most so many coroutines, and goes on for not much longer than that.
const (
	shedAtOnce = 1024
	shedTime   = 500 * time.Microsecond
)

// Get returns a coroutine that will run body when it first goes on.
func (p *Pool) Get(body Body) *Coro {
	if p.n > 0 {
		c := p.takeIdle()
		c.body = body
		return c
	}
	if p.running == nil {
		p.running = &p.root
		p.begin = p.bodies()
		p.relays = relays
	}
	c := p.fresh()
	c.body, c.unproven = body, true
	c.at = c
	c.next, _ = iter.Pull(p.begin)
	p.alive++
	return c
}

// madeAtOnce is how many Coros are made together: the collector has fewer to find.
const madeAtOnce = 8

func (p *Pool) fresh() *Coro {
	if len(p.unused) == 0 {
		p.unused = make([]Coro, madeAtOnce)
	}
	c := &p.unused[0]
	p.unused = p.unused[1:]
	return c
}

// Alive counts the coroutines that have not ended. While there are any, the pool
// must be used at the [Home] where they were made.
func (p *Pool) Alive() int { return p.alive }

// Put takes back a coroutine whose body has returned, and Resume has said so.
//
// A coroutine that was made just for that body may have been made by a goroutine
// that is locked to its thread for a while: in a callback from C, or between
// LockOSThread and UnlockOSThread. Nobody could resume it after that, so Put ends
// it. When it has waited in between, the loop itself has let it go on, and it is
// like all the others.
func (p *Pool) Put(c *Coro) {
	if c.unproven && !p.Simulated && Here().Locked != 0 {
		p.Unwind(c)
		return
	}
	p.put(c)
}

func (p *Pool) put(c *Coro) {
	c.unproven = false
	c.body, p.idle = idle{p.idle}, c
	p.n++
}

// idle is what an idle coroutine has for a body: the one that was put back
// before it.
type idle struct{ next *Coro }

// Run implements Body.
func (idle) Run() { panic("coro: a coroutine went on that is idle") }

// Ended implements Body.
func (idle) Ended(bool) {}

func (p *Pool) takeIdle() *Coro {
	c := p.idle
	p.idle, c.body = c.body.(idle).next, nil
	p.n--
	p.least = min(p.least, p.n)
	return c
}

// Idle counts the coroutines that wait for a body.
func (p *Pool) Idle() int { return p.n }

// Trim finds out for how many coroutines there was no use since the last Trim,
// and Shed ends those: what a burst of tasks needed is not held for ever, and what
// comes again and again is not made anew each time.
func (p *Pool) Trim() {
	p.excess = max(p.least-Kept, 0)
	p.least = p.n
}

// Excess counts the coroutines that Shed is to end.
func (p *Pool) Excess() int { return p.excess }

// Shed ends some of the coroutines that the last Trim has found, for about half a
// millisecond.
func (p *Pool) Shed() {
	p.excess = max(min(p.excess, p.n-Kept), 0) // some may be in use again
	var began time.Time
	for i := range min(p.excess, shedAtOnce) {
		if i == 0 {
			began = time.Now()
		} else if i%16 == 0 && time.Since(began) > shedTime {
			break
		}
		p.Unwind(p.takeIdle())
		p.excess--
	}
}

// Close ends the idle coroutines, and what is left of those whose body ended
// its goroutine or panicked.
func (p *Pool) Close() {
	for p.n > 0 {
		p.Unwind(p.takeIdle())
	}
	for _, c := range p.dead {
		p.end(c)
	}
	p.dead = nil
}
