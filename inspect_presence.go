package asyncio

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A presence is a loop as the process knows it while it runs: its number, the label of
// its goroutines in profiles, and its place among those that run.
type presence struct {
	loop     *Loop
	number   uint64
	label    string          // the number, as a label
	values   context.Context // whose labels the loop's goroutine has while it runs
	labelled atomic.Bool
	stall    stallSubject

	mu     sync.Mutex
	caught []caughtStep // the last, the oldest first
}

// A caughtStep is a step of a task, or a callback, that was seen from outside while it
// held the loop.
type caughtStep struct {
	at    time.Duration // on the loop's clock
	task  uint64
	stack []FrameLook
}

const maxCaught = 16

// caughtAt notes what holds the loop. It may be called in any goroutine.
func (p *presence) caughtAt(at time.Duration, task uint64, c *culprit) {
	if c == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.caught) == maxCaught {
		p.caught = slices.Delete(p.caught, 0, 1)
	}
	p.caught = append(p.caught, caughtStep{at, task, looksOf(c.ownFrames())})
}

// explainSlow adds the stacks of slow steps, as far as they were caught.
func (p *presence) explainSlow(steps []StepLook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range steps {
		s := &steps[i]
		for _, c := range p.caught {
			if s.At <= c.at && c.at <= s.At+s.Took {
				s.Task, s.Stack = c.task, c.stack
				s.Name = nameOf(s.Task, s.Name)
			}
		}
	}
}

var loopNumbers atomic.Uint64

// newPresence makes the presence of a loop that may stand still for limit; for ever
// when that is 0.
func newPresence(l *Loop, limit time.Duration) *presence {
	n := loopNumbers.Add(1)
	p := &presence{loop: l, number: n, label: strconv.FormatUint(n, 10), values: context.Background()}
	p.stall = stallSubject{presence: p, limit: limit}
	return p
}

// begin implements runWatcher.
func (p *presence) begin() {
	if inBubble() {
		return // its clock leaps, and a timer of another's would be a timer of the bubble's
	}
	pprof.SetGoroutineLabels(pprof.WithLabels(p.values, pprof.Labels(loopLabel, p.label)))
	p.labelled.Store(true)
	running.add(p)
	p.loop.noteAsSet()
	stalls.add(&p.stall)
}

// end implements runWatcher.
func (p *presence) end() {
	if !p.labelled.Load() {
		return
	}
	stalls.remove(&p.stall)
	running.remove(p)
	p.labelled.Store(false)
	pprof.SetGoroutineLabels(p.values)
}

// inBubble reports whether the calling goroutine is in a bubble of testing/synctest.
// The head of its stack says so: "goroutine 7 [running, synctest bubble 1]:".
func inBubble() bool {
	var head [80]byte
	line, _, _ := bytes.Cut(head[:runtime.Stack(head[:], false)], []byte("\n"))
	return bytes.Contains(line, []byte("synctest bubble"))
}

// running is the loops of the process that run.
var running runningLoops

type runningLoops struct {
	mu  sync.Mutex
	all map[*presence]struct{}
}

func (r *runningLoops) add(p *presence) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[*presence]struct{})
	}
	r.all[p] = struct{}{}
}

func (r *runningLoops) remove(p *presence) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, p)
}

func (r *runningLoops) has(p *presence) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.all[p]
	return ok
}

// list returns the loops by their numbers.
func (r *runningLoops) list() []*Loop {
	r.mu.Lock()
	all := slices.SortedFunc(maps.Keys(r.all), func(p, q *presence) int { return cmp.Compare(p.number, q.number) })
	r.mu.Unlock()
	loops := make([]*Loop, len(all))
	for i, p := range all {
		loops[i] = p.loop
	}
	return loops
}

// Loops returns the loops of the process that run now, in the order in which they were
// made, but for those in a bubble of testing/synctest. It may be called in any
// goroutine.
func Loops() []*Loop { return running.list() }

// ID returns the number of the loop among all of the process, from 1. It may be called
// in any goroutine.
func (l *Loop) ID() uint64 {
	if p, ok := l.onRun.(*presence); ok {
		return p.number
	}
	return 0
}

// An InsightLevel says how much loops take note of for those who look into them, see
// [Loop.Look].
type InsightLevel uint32

const (
	// InsightOff is nothing but [Stats]. A look shows no times of tasks then.
	InsightOff InsightLevel = iota
	// InsightOn is what is cheap enough to be always on: who has made a task, how
	// long it is in its state, the last tasks that have ended, histograms of turns,
	// and the times of steps while they are slow.
	InsightOn
	// InsightEveryStep is how long each step and each callback takes, too.
	InsightEveryStep
)

// String returns "off", "on" or "every step".
func (v InsightLevel) String() string {
	switch v {
	case InsightOff:
		return "off"
	case InsightOn:
		return "on"
	}
	return "every step"
}

var insightLevel atomic.Uint32

// SetInsight sets how much all loops of the process take note of: those that run,
// from soon after, and those that will run. Without it that is nothing. It may be
// called in any goroutine. InsightOn costs some nanoseconds for each task and each
// step, InsightEveryStep some tens. A loop that takes note holds 12 kilobytes for it, and
// 160 more while it notes events.
func SetInsight(level InsightLevel) {
	insightLevel.Store(uint32(level))
	for _, l := range Loops() {
		_, _ = l.CallSoonThreadsafe(l.noteAsSet)
	}
}

// noteAsSet makes the loop take note of what SetInsight has said.
func (l *Loop) noteAsSet() {
	level := Insight()
	l.notes.set(level > InsightOff, level >= InsightEveryStep)
	if b := l.notes.book; b != nil {
		b.onPanic = func(task uint64, p *PanicError) { tellIncident(Incident{Kind: "panic", Loop: l, Task: task, Err: p}) }
	}
}

// Insight returns what [SetInsight] has set. It may be called in any goroutine.
func Insight() InsightLevel { return InsightLevel(insightLevel.Load()) }
