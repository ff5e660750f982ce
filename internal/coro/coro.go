// Package coro has stackful coroutines: functions that can stop in the middle,
// however deep in other people's code, and go on later.
//
// They are [iter.Pull] and nothing else. A switch there and back costs some 60
// nanoseconds, because the runtime hands the thread over directly without
// asking the scheduler; making a coroutine costs ten times as much, so a
// [Pool] keeps them for the next function.
package coro

import (
	"iter"
	"runtime"
	"runtime/debug"
)

// Body is what a coroutine runs. It is an interface, not a func, so that
// starting one needs no closure.
type Body interface{ Run() }

// A Coro is a coroutine of a [Pool].
//
// A coroutine that was made on a goroutine that is not locked to its thread
// must not be resumed on one that is, nor the reverse: the runtime ends the
// program then.
type Coro struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	body  Body
	ended bool

	running   bool   // or it has resumed another one that runs
	visitor   func() // what Visit wants to be run
	unwinding bool
}

// Resume runs the coroutine until it suspends or its body returns, and says
// whether it returned. After that the coroutine must be given back with
// [Pool.Put]. A panic or a [runtime.Goexit] of the body comes out here.
func (c *Coro) Resume() (ended bool) {
	c.running = true
	c.next()
	c.running = false
	return c.ended
}

// Visit runs fn on the coroutine's goroutine, at the place where that is
// suspended; so fn sees its stack. It says false when the coroutine is not
// suspended, and must not be called before the first Resume. fn must return.
func (c *Coro) Visit(fn func()) bool {
	if c.running || c.ended {
		return false
	}
	c.visitor = fn
	c.next()
	return true
}

// Suspend goes back to the caller of Resume, until the next Resume. It must be
// called on the coroutine itself. When the coroutine was unwound, it ends the
// goroutine with [runtime.Goexit], and the deferred functions run.
func (c *Coro) Suspend() {
	for !c.yield(struct{}{}) || c.visitor != nil {
		c.interrupted()
	}
}

// interrupted is what else a coroutine can be resumed for.
func (c *Coro) interrupted() {
	fn := c.visitor
	if fn == nil {
		runtime.Goexit()
	}
	c.visitor = nil
	fn()
}

// Unwind ends a suspended coroutine, whose Suspend never returns. It waits
// until the deferred functions have run. A panic of theirs comes out here.
func (c *Coro) Unwind() {
	c.unwinding = true
	defer func() {
		if v := recover(); v != nil && v != any(unwound{}) {
			panic(v)
		}
	}()
	c.stop()
}

// unwound is the panic that ends an unwinding. Nobody but Unwind gets it.
type unwound struct{}

// endUnwinding is deferred before all else on a coroutine. The runtime passes a
// Goexit on to whoever resumed, and would end the loop; a panic it passes on
// too, but that can be recovered. So the Goexit, which nobody in the body could
// have stopped, becomes a panic when it has passed all of the body. (To stop
// the coroutine on another goroutine instead is no way out: on one that is
// locked to its thread the runtime ends the program then.)
func (c *Coro) endUnwinding() {
	if !c.unwinding {
		return
	}
	v := recover()
	if v == nil {
		v = unwound{}
	}
	panic(v)
}

func (c *Coro) loop(yield func(struct{}) bool) {
	defer c.endUnwinding()
	MarkGoroutine()
	c.yield = yield
	for {
		c.body.Run()
		c.body = nil
		c.ended = true
		if !yield(struct{}{}) {
			return
		}
	}
}

// MarkGoroutine marks the calling goroutine as one that belongs to a loop, and
// says whether it was marked before.
//
// Go has no goroutine-local storage, but it has one bit of it:
// [debug.SetPanicOnFault] is a flag of the goroutine and returns its old
// value, for about a nanosecond. Nothing else here depends on that flag, and
// what it does (a fault at an unexpected address panics instead of ending the
// program) is harmless.
func MarkGoroutine() (before bool) { return debug.SetPanicOnFault(true) }

// UnmarkGoroutine takes the mark away.
func UnmarkGoroutine() { debug.SetPanicOnFault(false) }

// OnMarkedGoroutine says whether the calling goroutine is marked.
func OnMarkedGoroutine() bool {
	if debug.SetPanicOnFault(true) {
		return true
	}
	debug.SetPanicOnFault(false)
	return false
}

// A Pool makes coroutines and keeps those whose body returned for the next
// one. The zero value is empty and ready for use. It is not safe for use by
// several goroutines, and must be closed.
type Pool struct {
	idle  []*Coro
	least int // the fewest that were idle since the last Trim
}

// Kept is how many idle coroutines Trim leaves in any case.
const Kept = 256

// trimAtOnce bounds how long a Trim takes: about half a millisecond.
const trimAtOnce = 1024

// Get gives a coroutine that will run body at its first Resume.
func (p *Pool) Get(body Body) *Coro {
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.least = min(p.least, n-1)
		c.body, c.ended = body, false
		return c
	}
	c := &Coro{body: body}
	c.next, c.stop = iter.Pull(c.loop)
	return c
}

// Put takes back a coroutine whose body has returned.
func (p *Pool) Put(c *Coro) { p.idle = append(p.idle, c) }

// Idle counts the coroutines that wait for a body.
func (p *Pool) Idle() int { return len(p.idle) }

// Trim ends some of the coroutines for which there was no use since the last
// Trim: what a burst of tasks needed is not held for ever, and what comes again
// and again is not made anew each time.
func (p *Pool) Trim() {
	n := len(p.idle)
	left := n - min(max(p.least-Kept, 0), trimAtOnce)
	for i := left; i < n; i++ {
		p.idle[i].stop()
		p.idle[i] = nil
	}
	p.idle = p.idle[:left]
	p.least = left
}

// Close ends the idle coroutines.
func (p *Pool) Close() {
	for _, c := range p.idle {
		c.stop()
	}
	p.idle = nil
}
