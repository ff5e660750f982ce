package coro

import (
	"iter"
	"runtime"
	"strconv"
	"strings"
)

// A Home is what the runtime ties a coroutine to: the thread of the goroutine
// that made it, where that is locked to one, and its bubble of testing/synctest.
// A coroutine that goes on elsewhere ends the program.
type Home struct {
	Locked uint64 // the goroutine that is locked to its thread; 0: it is not locked
	Bubble uint64 // 0: outside of all bubbles
}

// Here returns the calling goroutine's home, for some microseconds.
//
// Go tells both in the first line of a stack only. The stack of a coroutine, which
// has the same home, is short, and that of the caller may be long; so a coroutine
// is asked. When a later Go words it otherwise, Here finds nothing.
func Here() Home {
	var h Home
	next, stop := iter.Pull(func(func(struct{}) bool) { h = readHome() })
	next()
	stop()
	if h.Locked != 0 {
		h.Locked = readHome().Locked
	}
	return h
}

func readHome() Home {
	var buf [128]byte
	return parseHome(string(buf[:runtime.Stack(buf[:], false)]))
}

// parseHome reads a line such as
//
//	goroutine 7 [running, locked to thread, synctest bubble 1]:
func parseHome(stack string) (h Home) {
	line, _, _ := strings.Cut(stack, "\n")
	what, state, _ := strings.Cut(strings.TrimSuffix(line, "]:"), " [")
	for _, s := range strings.Split(state, ", ") {
		if s == "locked to thread" {
			h.Locked, _ = strconv.ParseUint(strings.TrimPrefix(what, "goroutine "), 10, 64)
		} else if n, ok := strings.CutPrefix(s, "synctest bubble "); ok {
			h.Bubble, _ = strconv.ParseUint(n, 10, 64)
		}
	}
	return h
}
