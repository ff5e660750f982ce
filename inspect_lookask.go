package asyncio

import (
	"context"
	"slices"
	"strings"
	"time"
)

// An asker is a look as who asks sees it. It does all that needs no loop: it names the
// frames of stacks, and finds out who waits for whom.
type asker struct {
	request  lookRequest
	presence *presence
	options  LookOptions
	stacks   map[string]*namedStack // many tasks stand in the same place
	edges    map[uint64][]uint64
	waits    []waiting
	tasks    []TaskLook // kept until all are seen
	seen     int        // how many tasks
	last     uint64     // the last of them
}

// maxNamedStacks is how many stacks are kept, of those that were named.
const maxNamedStacks = 10_000

func newAsker(l *Loop, p *presence, o LookOptions) *asker {
	return &asker{
		request:  lookRequest{loop: l, options: o, twice: o.Each != nil && o.Tasks > keptTasks, answer: make(chan struct{}, 1)},
		presence: p, options: o,
		stacks: make(map[string]*namedStack), edges: make(map[uint64][]uint64),
	}
}

// ask asks the loop until all was seen, and looks from outside when it does not answer.
// While it does something with a piece, the loop is not asked for the next: two threads
// of one look would take the processors from each other, where there are few, and the
// loop would stand still in the middle of a piece.
func (a *asker) ask(ctx context.Context, patience time.Duration) (*LoopLook, error) {
	r := &a.request
	late := time.NewTimer(patience)
	defer late.Stop()
	gone := time.NewTicker(50 * time.Millisecond) // for a loop that was stopped
	defer gone.Stop()
	pulse := takePulse(r.loop)
	piece := lookPieces.Get().(*lookPiece)
	for !r.over {
		if !r.ask(piece) {
			return nil, ErrLoopClosed
		}
		if k, err := a.await(ctx, patience, late.C, gone.C); k != nil || err != nil {
			return k, err // the loop may still have the piece
		}
		a.take(piece)
		piece.empty()
		late.Reset(patience + laterPatience)
	}
	lookPieces.Put(piece)
	k := r.look
	k.State = "runs"
	if pulse.parked {
		k.State = "parked"
	}
	a.tellKept(k)
	if !k.More && a.options.After == 0 {
		k.Cycles = findCycles(a.waits)
	}
	return k, nil
}

// await waits until the loop has filled a piece. It returns a look when the loop does
// not, and that is the end.
func (a *asker) await(ctx context.Context, patience time.Duration, late, gone <-chan time.Time) (*LoopLook, error) {
	r := &a.request
	for {
		select {
		case <-r.answer:
			return nil, nil
		case <-late:
			if r.move.Load() != lookAsked {
				continue // slow is not stuck
			}
			seen := profileOf(a.presence.label)
			if r.takeBack() {
				k := a.lookAtHung(seen)
				k.Stuck = max(k.Stuck, patience)
				return k, nil
			}
		case <-gone:
			if !running.has(a.presence) && r.takeBack() {
				return r.loop.lookStopped()
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.loop.gone:
			return nil, ErrLoopClosed
		}
	}
}

// take takes what is in a piece.
func (a *asker) take(p *lookPiece) {
	for _, e := range p.edges {
		a.edges[e.by] = append(a.edges[e.by], e.task)
	}
	for i := range p.tasks {
		s := &p.tasks[i]
		a.name(s)
		if a.request.twice {
			a.tell(&s.TaskLook)
		} else {
			a.keep(s)
		}
		a.last = s.ID
	}
	a.seen += len(p.tasks)
}

// keep keeps a task until all are seen.
func (a *asker) keep(s *seenTask) {
	t := s.TaskLook
	if t.Waits != nil {
		w := s.waits
		t.Waits = &w
	}
	a.tasks = append(a.tasks, t)
}

// name names what a task and its stack are called.
func (a *asker) name(s *seenTask) {
	s.Name = nameOf(s.ID, s.Name)
	if s.object != nil {
		s.waits.Object = objectName(s.object)
	}
	if len(s.pcs) == 0 {
		s.Function = entryName(s.entry)
		return
	}
	stack := a.stacks[stackKey(s.pcs)]
	if stack == nil {
		stack = nameStack(trimStack(framesOf(s.pcs)))
		if len(a.stacks) < maxNamedStacks {
			a.stacks[strings.Clone(stackKey(s.pcs))] = stack
		}
	}
	s.Stack, s.At, s.Function = stack.frames, stack.at, stack.entry
	s.waits.Call = stack.call
}

// tellKept tells of the tasks that were kept, when all were seen.
func (a *asker) tellKept(k *LoopLook) {
	for i := range a.tasks {
		a.tell(&a.tasks[i])
	}
	if a.options.Each == nil {
		k.Tasks = a.tasks
	}
}

// tell tells who asks for each of a task, when it is known who waits for whom.
func (a *asker) tell(t *TaskLook) {
	if w := t.Waits; w != nil {
		if w.Tasks == nil && w.takesEdges() {
			w.Tasks = a.edges[t.ID]
			slices.Sort(w.Tasks)
			switch {
			case w.Kind != "":
			case len(w.Tasks) > 1:
				w.Kind = "tasks"
			case len(w.Tasks) == 1:
				w.Kind = "task"
			}
		}
		if w.Kind == "" {
			w.Kind = "future"
		}
		if len(w.Tasks) > 0 {
			a.waits = append(a.waits, waiting{t.ID, w.Tasks, w.Any})
		}
	}
	if a.options.Each != nil {
		a.options.Each(t)
	}
}
