package sim

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// A watchdog looks on the real clock whether worlds go on: what a job or a callback
// waits for outside of its world may never come. It says who waits there, and ends
// nothing; go test has a time limit for that.
type watchdog struct {
	pulse    atomic.Uint64 // is increased now and then while a world goes on
	seed     atomic.Uint64 // of that world
	patience time.Duration
	out      io.Writer
	end      chan struct{}
	ended    chan struct{}
}

const defaultPatience = 10 * time.Second

// watch starts a watchdog, which is not in the bubble of any world.
func (c *config) watch() *watchdog {
	d := &watchdog{patience: c.patience, out: c.complaints, end: make(chan struct{}), ended: make(chan struct{})}
	if d.out == nil {
		d.out = os.Stderr
	}
	if d.patience <= 0 {
		close(d.ended)
		return d
	}
	go d.run()
	return d
}

// stop ends the watchdog.
func (d *watchdog) stop() {
	close(d.end)
	<-d.ended
}

// run looks four times within the patience, and then at the stacks, twice: who has
// not moved in between is the one.
func (d *watchdog) run() {
	defer close(d.ended)
	tick := time.NewTicker(d.patience / 4)
	defer tick.Stop()
	last, still := d.pulse.Load(), 0
	var before map[string]string
	for {
		select {
		case <-d.end:
			return
		case <-tick.C:
		}
		now := d.pulse.Load()
		if now != last {
			last, still, before = now, 0, nil
			continue
		}
		switch still++; still {
		case 3:
			before = worldStacks()
		case 4:
			d.complain(before, worldStacks())
		}
	}
}

// complain says who has stood still.
func (d *watchdog) complain(before, now map[string]string) {
	for id, stack := range now {
		if before[id] != stack {
			continue
		}
		who, where := doing(stack)
		fmt.Fprintf(d.out, "sim: seed %d: nothing has happened for %v of real time: %s is blocked, or computes, at %s\n%s\n\n", d.seed.Load(), d.patience, who, where, stack)
	}
}

// goroutineHead is the first line of a stack: its number, its state, its bubble.
var goroutineHead = regexp.MustCompile(`^goroutine (\d+)(?: gp=\S+)?[^\[]*\[([^\],]+)[^\n]*\]:\n`)

// worldStacks returns the stacks of those goroutines, by their numbers, that belong to
// worlds and are not coroutines that wait for their turn.
func worldStacks() map[string]string {
	found := make(map[string]string)
	for _, stack := range strings.Split(allStacks(), "\n\n") {
		m := goroutineHead.FindStringSubmatch(stack)
		if m == nil || m[2] == "coroutine" {
			continue
		}
		if strings.Contains(stack, module+"/sim.(*World).live(") || strings.Contains(stack, module+"/internal/coro.(*Pool).bodies.") {
			found[m[1]] = stack[len(m[0]):] // the head says for how long
		}
	}
	return found
}

// allStacks returns the stacks of all goroutines, up to 64 megabytes of them.
func allStacks() string {
	for size := 1 << 20; ; size *= 4 {
		p := make([]byte, size)
		if n := runtime.Stack(p, true); n < size || size >= 1<<26 {
			return string(p[:n])
		}
	}
}

// doing says what a stack is of, and where the program stands in it.
func doing(stack string) (who, where string) {
	switch {
	case strings.Contains(stack, "(*netWorld).Submit."):
		who = "a job of an executor"
	case strings.Contains(stack, module+"/internal/coro.(*Pool).bodies."):
		who = "a task"
	case strings.Contains(stack, module+".(*Loop).runBatch("):
		who = "a callback"
	default:
		who = "a function of the world"
	}
	lines := strings.Split(stack, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		if place := strings.TrimSpace(lines[i+1]); !own(lines[i]) && !standard(place) {
			place, _, _ = strings.Cut(place, " +0x")
			return who, place
		}
	}
	return who, "a place that is not the program's own"
}

// goLibrary is where Go's library is, with which the names of its files begin.
var goLibrary = func() string {
	gc := runtime.FuncForPC(reflect.ValueOf(runtime.GC).Pointer())
	at, _ := gc.FileLine(gc.Entry())
	dir, _, _ := strings.Cut(at, "runtime/")
	return dir
}()

func standard(place string) bool { return goLibrary != "" && strings.HasPrefix(place, goLibrary) }
