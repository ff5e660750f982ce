package asyncio

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
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
}

const (
	defaultLookTasks = 1000
	maxLookSockets   = 1000

	// lookSlice is how long a look holds the loop at a time, about.
	lookSlice = 200 * time.Microsecond
	// tellFor is how long a loop notes events for those who have asked for them.
	tellFor = 5 * time.Second
)

// Look returns what the loop does and what its tasks wait for. It may be called in any
// goroutine but that of a loop, where it returns [ErrLoopRunning].
//
// It asks the loop, which answers between its other work, 200 microseconds at a time:
// within a millisecond where there are few tasks, and some 200 for 100,000 of them with
// their stacks. A loop that does not begin with the answer within patience hangs, or
// is very busy: then Look returns what can be seen from outside, which takes up to a
// second where there are very many tasks: the culprit with its stack, the tasks
// without theirs. That needs no help of the loop, and reads its memory while it may
// be written, so some of it may be old.
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
	r := &lookRequest{loop: l, options: o, answer: make(chan struct{})}
	seen := takePulse(l)
	if !l.post(r) {
		return nil, ErrLoopClosed
	}
	k, err := r.await(ctx, p, patience, seen)
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

// A lookRequest is a Look under way: it is in the loop's ready queue, and in each
// turn looks at some of the tasks.
type lookRequest struct {
	loop    *Loop
	options LookOptions
	taken   atomic.Bool // by the loop, which answers; or by who asks, and does not any more
	answer  chan struct{}

	look  *LoopLook
	after taskCursor
	seen  [][]seenTask // in pieces: a list that grew would be copied while the loop waits
	n     int
	pc    []uintptr // what stacks are read into
	pcs   []uintptr // where they are kept, the last piece of it
	edges map[uint64][]uint64
}

// A seenTask is a task as the loop has seen it; what else is to be done with it needs
// no loop.
type seenTask struct {
	TaskLook
	waits  WaitLook // Waits points here
	object any      // what it waits for
	pcs    []uintptr
}

const (
	seenPiece = 64
	pcsPiece  = 2048
)

// await waits for the loop's answer, and looks from outside when none comes.
func (r *lookRequest) await(ctx context.Context, p *presence, patience time.Duration, seen pulse) (*LoopLook, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	gone := time.NewTicker(50 * time.Millisecond) // for a loop that was stopped
	defer gone.Stop()
	for {
		select {
		case <-r.answer:
			r.finish()
			if seen.parked {
				r.look.State = "parked"
			} else {
				r.look.State = "runs"
			}
			return r.look, nil
		case <-late.C:
			if r.taken.Load() {
				continue // slow is not stuck
			}
			k := r.loop.lookOutside(p, r.options)
			if r.taken.CompareAndSwap(false, true) {
				k.Stuck = max(k.Stuck, patience)
				return k, nil
			}
		case <-gone.C:
			if !running.has(p) && r.taken.CompareAndSwap(false, true) {
				return r.loop.lookStopped()
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.loop.gone:
			return nil, ErrLoopClosed
		}
	}
}

// run implements runnable: it looks for a while, and comes back in the next turn.
func (r *lookRequest) run() {
	l := r.loop
	began := time.Now()
	if r.look == nil {
		if !r.taken.CompareAndSwap(false, true) {
			return
		}
		r.begin()
	}
	for n := 1; ; n++ {
		t := r.after.take()
		if t == nil || r.n >= r.options.Tasks {
			r.look.More = t != nil
			r.after.end(&l.tasks)
			r.look.Held = max(r.look.Held, time.Since(began))
			close(r.answer)
			return
		}
		r.task(t)
		if n%8 == 0 && time.Since(began) > lookSlice {
			break
		}
	}
	r.look.Held = max(r.look.Held, time.Since(began))
	l.ready.Push(r)
}

// begin looks at the loop itself, and goes to the first task.
func (r *lookRequest) begin() {
	l := r.loop
	k := &LoopLook{Now: l.Time(), Stats: l.Stats()}
	k.Busy = k.Stats.BusyRatio()
	for _, f := range l.unseen.futures {
		if !f.retrieved {
			k.Unseen++
		}
	}
	for _, p := range l.parts {
		if p, ok := p.(lookingPart); ok {
			p.look(k, &r.options)
		}
	}
	if b := l.notes.book; b != nil {
		b.look(k)
		if after := r.options.Events; after != nil {
			k.Events = b.eventsAfter(*after)
			l.notes.tell(k.Now + tellFor)
		}
	}
	r.look = k
	r.edges = make(map[uint64][]uint64)
	r.pc = make([]uintptr, rawFrames)
	r.after.begin(&l.tasks, r.options.After)
}

// A lookingPart is a part that has something to show.
type lookingPart interface {
	part
	look(k *LoopLook, o *LookOptions)
}

// task looks at a task.
func (r *lookRequest) task(t *task) {
	l := r.loop
	k := r.next()
	k.TaskLook = TaskLook{ID: t.id, Parent: t.parent(), Name: t.givenName(), State: t.stateName(), For: -1, Steps: t.waits, Cancels: t.cancelling()}
	k.Busy = time.Duration(t.busy) * time.Microsecond
	if l.notes.level != notesOff {
		k.For = since(t.sinceLow, t.sinceHigh, l.now)
	}
	if k.State == "waits" {
		k.Waits, k.object = &k.waits, l.whatAwaits(t, &k.waits)
	}
	if t.callback != nil {
		for _, by := range awaitedBy(&t.future, true) {
			r.edges[by.id] = append(r.edges[by.id], t.id)
		}
	}
	if r.options.Stacks {
		if k.pcs = r.keep(t.rawStack(r.pc)); k.pcs == nil {
			k.Function = entryName(t.shell().entry())
		}
	}
	if r.options.Labels {
		k.Labels = labelsOf((*taskContext)(t))
	}
}

// keep returns a copy of a stack; nil for none.
func (r *lookRequest) keep(pcs []uintptr) []uintptr {
	if len(pcs) == 0 {
		return nil
	}
	if cap(r.pcs)-len(r.pcs) < len(pcs) {
		r.pcs = make([]uintptr, 0, max(pcsPiece, len(pcs)))
	}
	from := len(r.pcs)
	r.pcs = append(r.pcs, pcs...)
	return r.pcs[from:len(r.pcs):len(r.pcs)]
}

// next returns the place for the next task.
func (r *lookRequest) next() *seenTask {
	if r.n%seenPiece == 0 {
		r.seen = append(r.seen, make([]seenTask, seenPiece))
	}
	r.n++
	return &r.seen[len(r.seen)-1][(r.n-1)%seenPiece]
}

// finish does what needs no loop: it names the frames of the stacks, and finds out who
// waits for whom. For the goroutine that has asked.
func (r *lookRequest) finish() {
	k := r.look
	k.Tasks = make([]TaskLook, r.n)
	named := make(map[string]*namedStack) // many tasks stand in the same place
	for i := range k.Tasks {
		t, seen := &k.Tasks[i], &r.seen[i/seenPiece][i%seenPiece]
		*t = seen.TaskLook
		t.Name = nameOf(t.ID, t.Name)
		if seen.object != nil {
			t.Waits.Object = objectName(seen.object)
		}
		if pcs := seen.pcs; len(pcs) > 0 {
			key := stackKey(pcs)
			s := named[key]
			if s == nil {
				s = nameStack(trimStack(framesOf(pcs)))
				named[key] = s
			}
			t.Stack, t.At, t.Function = s.frames, s.at, s.entry
			if t.Waits != nil {
				t.Waits.Call = s.call
			}
		}
		if w := t.Waits; w != nil && w.Tasks == nil && w.takesEdges() {
			w.Tasks = r.edges[t.ID]
			slices.Sort(w.Tasks)
			switch {
			case w.Kind != "":
			case len(w.Tasks) > 1:
				w.Kind = "tasks"
			case len(w.Tasks) == 1:
				w.Kind = "task"
			}
		}
		if t.Waits != nil && t.Waits.Kind == "" {
			t.Waits.Kind = "future"
		}
	}
	if !k.More && r.options.After == 0 {
		k.Cycles = findCycles(k.Tasks)
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
