package coro_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/internal/coro"
)

func TestVisitSeesTheStackOfASuspendedCoroutine(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	steps := 0
	c := start(&p, func(c *coro.Coro) {
		p.Suspend()
		steps++
		p.Suspend()
		steps++
	})
	p.Resume(c)
	for range 3 {
		stack := make([]byte, 4096)
		if !p.Visit(c, func() { stack = stack[:runtime.Stack(stack, false)] }) {
			t.Fatal("it was not suspended")
		}
		if !strings.Contains(string(stack), "TestVisitSeesTheStackOfASuspendedCoroutine") || steps != 0 {
			t.Errorf("after %d steps the visitor saw\n%s", steps, stack)
		}
	}
	p.Resume(c)
	if steps != 1 || !p.Resume(c) || steps != 2 {
		t.Errorf("it then went %d steps", steps)
	}
	if p.Visit(c, func() {}) {
		t.Error("one that has ended was visited")
	}
	p.Put(c)
}

func TestVisitOfOneThatHasResumedAnother(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	visits := 0
	var outer *coro.Coro
	inner := start(&p, func(c *coro.Coro) {
		if p.Visit(c, func() {}) {
			t.Error("the coroutine that runs was visited")
		}
		for range 2 {
			if !p.Visit(outer, func() { visits++ }) {
				t.Error("a coroutine that waits was not visited")
			}
		}
	})
	outer = start(&p, func(*coro.Coro) { p.Resume(inner) })
	if !p.Resume(outer) || visits != 2 {
		t.Errorf("there were %d visits", visits)
	}
	p.Put(inner)
	p.Put(outer)
}

// A coroutine that nobody lets go on may be visited again and again.
func TestVisitsLeaveNothingOnTheStack(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	c := start(&p, func(c *coro.Coro) { p.Suspend() })
	p.Resume(c)
	depth := func() int {
		n, pcs := 0, make([]uintptr, 1000)
		if !p.Visit(c, func() { n = runtime.Callers(0, pcs) }) {
			t.Fatal("it was not suspended")
		}
		return n
	}
	depth() // from now on it waits elsewhere
	first := depth()
	for range 50 {
		depth()
	}
	if last := depth(); last != first {
		t.Errorf("after 50 visits the stack has %d calls, before %d", last, first)
	}
	if !p.Resume(c) {
		t.Error("it did not go on")
	}
	p.Put(c)
}
