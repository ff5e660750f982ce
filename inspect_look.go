package asyncio

import (
	"context"
	"fmt"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// LookOptions say what a [Loop.Look] is to return. The zero value asks for the loop and
// its first thousand tasks, without their stacks.
type LookOptions struct {
	// Tasks is the most tasks to return: a thousand when it is zero, none when it is
	// negative. Who waits for whom in a circle is known only where all of them are
	// returned. After is the number of the task after which to begin.
	Tasks int
	After uint64
	// Stacks asks for where each task stands, Labels for its labels.
	Stacks, Labels bool
	// Sockets asks for the loop's sockets, a thousand of them at most.
	Sockets bool
	// Events asks for the events after the one of that number, as far as they are
	// still known; nil for none. From then on for five seconds the loop takes note of
	// them, unless insight is off.
	Events *uint64
	// Each is called for each task, in the goroutine that looks, and the Tasks of the
	// result stay empty: so a look at very many tasks holds few of them at a time. A
	// TaskLook and what it points to is the function's until it returns. The loop
	// waits for the function no longer than for anybody who does not ask.
	Each func(t *TaskLook)
}

const (
	defaultLookTasks = 1000
	maxLookSockets   = 1000

	// keptTasks is up to how many tasks are kept until all of them are seen, also for
	// Each. Of more the loop is asked twice, for who waits for whom is known only when
	// all were seen.
	keptTasks = 2000
	// tellFor is how long a loop notes events for those who have asked for them.
	tellFor = 5 * time.Second
	// laterPatience is how much longer a loop may take that has begun to answer.
	laterPatience = time.Second
)

// Look returns what the loop does and what its tasks wait for. It may be called in any
// goroutine but that of a loop, where it returns [ErrLoopRunning].
//
// It asks the loop, which answers between its other work, 200 microseconds at a time:
// within a millisecond where there are few tasks, and some 300 for 100,000 of them with
// their stacks. A loop that does not begin with the answer within patience hangs, or
// is very busy: then Look returns what can be seen from outside, which takes up to a
// second where there are very many tasks: the culprit with its stack, the tasks
// without theirs. That needs no help of the loop, and reads its memory while it may
// be written, so some of it may be old. The same is done for what is left of the tasks
// when a loop stops answering.
//
// It costs a loop nothing that is not looked at; for what else a look can show see
// [SetInsight]. Look returns [ErrLoopClosed], or the error of ctx. The model is what
// Python's "asyncio ps" and "pstree" show.
func (l *Loop) Look(ctx context.Context, patience time.Duration, o LookOptions) (*LoopLook, error) {
	if coro.OnMarkedGoroutine() {
		return nil, fmt.Errorf("look: %w: look from another goroutine (ToThread)", ErrLoopRunning)
	}
	began := time.Now()
	p, ok := l.onRun.(*presence)
	if !ok || !running.has(p) {
		return l.lookStopped()
	}
	if o.Tasks == 0 {
		o.Tasks = defaultLookTasks
	}
	a := newAsker(l, p, o)
	defer a.request.withdraw()
	k, err := a.ask(ctx, patience)
	if err != nil {
		return nil, fmt.Errorf("look: %w", err)
	}
	p.explainSlow(k.Slow)
	k.Loop, k.Level = p.number, Insight().String()
	k.Took = time.Since(began)
	return k, nil
}

// lookStopped returns what is known of a loop that does not run.
func (l *Loop) lookStopped() (*LoopLook, error) {
	select {
	case <-l.gone:
		return nil, ErrLoopClosed
	default:
		return &LoopLook{Loop: l.ID(), State: "stopped", Level: Insight().String()}, nil
	}
}

// TaskByID returns the task of that number, as [TaskLook] has it, or nil when there is
// none or it has ended. For the loop's goroutine. It costs a walk over the tasks.
func (l *Loop) TaskByID(id uint64) AnyTask {
	for t := l.tasks.head; t != nil && t.id <= id; t = t.next {
		if t.id == id {
			return t.any()
		}
	}
	return nil
}
