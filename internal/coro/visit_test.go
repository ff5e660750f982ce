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
		c.Suspend()
		steps++
		c.Suspend()
		steps++
	})
	c.Resume()
	for range 3 {
		stack := make([]byte, 4096)
		if !c.Visit(func() { stack = stack[:runtime.Stack(stack, false)] }) {
			t.Fatal("it was not suspended")
		}
		if !strings.Contains(string(stack), "TestVisitSeesTheStackOfASuspendedCoroutine") || steps != 0 {
			t.Errorf("after %d steps the visitor saw\n%s", steps, stack)
		}
	}
	c.Resume()
	if steps != 1 || !c.Resume() || steps != 2 {
		t.Errorf("it then went %d steps", steps)
	}
	if c.Visit(func() {}) {
		t.Error("one that has ended was visited")
	}
	p.Put(c)
}

func TestVisitOfOneThatRunsIsRefused(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	visited := true
	var outer *coro.Coro
	inner := start(&p, func(*coro.Coro) { visited = outer.Visit(func() {}) })
	outer = start(&p, func(*coro.Coro) { inner.Resume() })
	if !outer.Resume() || visited {
		t.Error("a coroutine was visited while it resumed another")
	}
	p.Put(inner)
	p.Put(outer)
}
