package asyncio

import (
	"context"
	"time"
)

// LookOptions say what a [Loop.Look] is to return. The zero value asks for the loop and
// its first thousand tasks, without their stacks.
type LookOptions struct {
	// Tasks is the most tasks to return: a thousand when it is zero, none when it is
	// negative. After is the number of the task after which to begin.
	Tasks int
	After uint64
	// Stacks asks for where each task stands, Labels for its labels.
	Stacks, Labels bool
	// Events asks for the events after the one of that number, as far as they are
	// still known; nil for none.
	Events *uint64
}

// defaultLookTasks is the most tasks of a look where nothing else was said.
const defaultLookTasks = 1000

// Look returns what the loop does, from any goroutine but a loop's. STUB
func (l *Loop) Look(ctx context.Context, patience time.Duration, o LookOptions) (*LoopLook, error) {
	answer := make(chan *LoopLook, 1)
	if _, err := l.CallSoonThreadsafe(func() {
		k := &LoopLook{Loop: 1, State: "runs", Level: "off", Now: l.Time(), Stats: l.Stats()}
		for t := l.tasks.head; t != nil; t = t.next {
			k.Tasks = append(k.Tasks, TaskLook{ID: t.id, Name: t.name(), State: t.stateName(), For: -1})
		}
		answer <- k
	}); err != nil {
		return nil, err
	}
	select {
	case k := <-answer:
		return k, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Loops returns the loops of the process that run now, in any goroutine.
func Loops() []*Loop { return nil }

// ID returns the loop's number in the process.
func (l *Loop) ID() uint64 { return 1 }

// An InsightLevel says how much loops take note of, for those who look into them.
type InsightLevel uint8

const (
	InsightOff       InsightLevel = iota
	InsightOn                     // what costs next to nothing: for production
	InsightEveryStep              // also how long each step takes
)

// SetInsight sets what all loops of the process take note of, those that run and
// those that will. It may be called in any goroutine.
func SetInsight(level InsightLevel) {}

// Insight returns what SetInsight has set.
func Insight() InsightLevel { return 0 }

// An Incident is a stall of a loop, or a panic in one of its tasks or callbacks.
type Incident struct {
	Kind string // "stall", "goes on" or "panic"
	Loop *Loop
	Look *LoopLook // of a stall, from outside; else nil
	Err  error     // of a panic, a *PanicError
	Task uint64    // in which it was; 0: a callback
}

// NotifyIncidents makes the process call fn, on a goroutine of its own, for each
// incident of a loop, one after another, until stop is called.
func NotifyIncidents(fn func(Incident)) (stop func()) { return func() {} }

// TaskByID returns the task of that number, or nil when it has ended. For the loop's
// goroutine.
func (l *Loop) TaskByID(id uint64) AnyTask { return nil }
