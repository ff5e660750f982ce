package coro

import (
	"go/version"
	"os"
	"runtime"
	"strings"
)

// newestTested is the newest Go with which the places of this package were
// tested. With a newer one a pool relays.
const newestTested = "go1.27"

// ModeVariable is the environment variable that chooses how coroutines switch,
// whatever the version of Go is: "direct" or "relay".
const ModeVariable = "ASYNCIO_COROUTINES"

// relays is whether pools relay. It is chosen at the start of the program.
var relays = chooseRelay(runtime.Version(), os.Getenv(ModeVariable))

// Relays reports whether each switch goes by way of the goroutine that is no
// coroutine.
func Relays() bool { return relays }

func chooseRelay(goVersion, asked string) bool {
	switch asked {
	case "direct":
		return false
	case "relay":
		return true
	}
	for _, word := range strings.Fields(goVersion) { // it may be "devel go1.28-0123abc date"
		if lang := version.Lang(word); lang != "" {
			return version.Compare(lang, newestTested) > 0
		}
	}
	return true
}

// relay is a switch that needs of package iter no more than it promises: only the
// coroutine itself calls its yield, and only the goroutine that is no coroutine
// calls next. So a coroutine says who goes on and goes back to that goroutine,
// which lets the other one go on: two switches, and not one.
func (p *Pool) relay(to *Coro) {
	me := p.running
	p.running = to
	if me != &p.root {
		me.yield(struct{}{})
		return
	}
	for p.running != &p.root {
		p.carry()
	}
}

// carry lets one coroutine after another go on, until it is the turn of the
// calling goroutine, or a coroutine has ended.
func (p *Pool) carry() {
	defer func() {
		if v := recover(); v != nil && v != any(unwound{}) {
			panic(v)
		}
	}()
	for p.running != &p.root {
		p.running.next()
	}
}
