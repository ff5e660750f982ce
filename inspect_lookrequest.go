package asyncio

import (
	"sync"
	"sync/atomic"
	"time"
)

// lookSlice is how long a look holds the loop at a time, about.
const lookSlice = 200 * time.Microsecond

// A lookRequest is a look as the loop sees it: it comes in through the inbox, looks at
// some of the tasks, and comes in again when who asks has emptied another piece. So
// the loop holds nothing of those who ask, and makes nothing for them but small parts.
type lookRequest struct {
	loop    *Loop
	options LookOptions
	twice   bool // first comes who waits for whom, then the tasks

	move   atomic.Uint32 // whose move it is
	answer chan struct{} // there is an answer in piece

	// What follows is the loop's while it answers, and else the asker's.

	look  *LoopLook
	piece *lookPiece
	edges bool // who waits for whom is looked for
	tasks bool // tasks are looked at
	over  bool // all was seen
	n     int  // how many tasks were looked at
	after taskCursor

	sockets []lookingSocket // to be looked at before the tasks
	stacks  stackReader
}

// The moves of a lookRequest.
const (
	lookIdle      uint32 = iota // who asks is to ask
	lookAsked                   // the request is in the inbox
	lookAnswering               // by the loop
	lookWithdrawn               // who has asked does not want to know any more
)

// A lookPiece is some of the tasks as the loop has seen them.
type lookPiece struct {
	tasks []seenTask
	edges []seenEdge
	pcs   []uintptr // of all stacks
}

// A seenTask is a task as the loop has seen it; what else is to be done with it needs
// no loop.
type seenTask struct {
	TaskLook
	waits  WaitLook // Waits points here
	object any      // what it waits for
	entry  any      // its function, if it has no stack
	pcs    []uintptr
}

// A seenEdge is that one task waits for another, by way of a future.
type seenEdge struct{ by, task uint64 }

const (
	pieceTasks = 128
	pieceEdges = 1024
	piecePCs   = 32 * pieceTasks // 32 calls each: few have more

	// maxAwaitedBy is in how many callbacks is looked for who waits for one task.
	maxAwaitedBy = 2000
)

// lookPieces keeps pieces for the next look.
var lookPieces = sync.Pool{New: func() any {
	return &lookPiece{
		tasks: make([]seenTask, 0, pieceTasks),
		edges: make([]seenEdge, 0, pieceEdges+maxAwaitedBy),
		pcs:   make([]uintptr, 0, piecePCs),
	}
}}

// empty makes room, and holds on to nothing of the tasks.
func (p *lookPiece) empty() {
	clear(p.tasks)
	p.tasks, p.edges, p.pcs = p.tasks[:0], p.edges[:0], p.pcs[:0]
}

func (p *lookPiece) full() bool {
	return len(p.tasks) == cap(p.tasks) || len(p.edges) >= pieceEdges || cap(p.pcs)-len(p.pcs) < rawFrames
}

// ask makes the loop fill a piece. It reports whether the loop will: one that closes
// does not.
func (r *lookRequest) ask(p *lookPiece) bool {
	r.piece = p
	r.move.Store(lookAsked)
	return r.loop.post(r)
}

// withdraw is for who asks no more. It may be called at any time.
func (r *lookRequest) withdraw() {
	if r.move.Swap(lookWithdrawn) == lookIdle && r.look != nil && !r.over {
		r.loop.post(r) // so that it leaves the list of tasks
	}
}

// takeBack takes back what the loop has not begun to answer.
func (r *lookRequest) takeBack() bool { return r.move.CompareAndSwap(lookAsked, lookWithdrawn) }

// run implements runnable: it looks for a while.
func (r *lookRequest) run() {
	l := r.loop
	if !r.move.CompareAndSwap(lookAsked, lookAnswering) {
		r.after.end(&l.tasks)
		return
	}
	began := time.Now()
	if r.look == nil {
		r.begin()
	}
	for n := 1; !r.piece.full(); n++ {
		if r.next(); r.over || n%4 == 0 && time.Since(began) > lookSlice {
			break
		}
	}
	r.look.Held = max(r.look.Held, time.Since(began))
	if r.move.CompareAndSwap(lookAnswering, lookIdle) {
		r.answer <- struct{}{} // there is room: each answer is taken before the next is asked for
	} else {
		r.after.end(&l.tasks)
	}
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
	if r.sockets = k.lookAtParts(l, &r.options); len(r.sockets) > 0 {
		k.Sockets = make([]SocketLook, 0, len(r.sockets))
	}
	if b := l.notes.book; b != nil {
		b.look(k)
		if after := r.options.Events; after != nil {
			k.Events = b.eventsAfter(*after)
			l.notes.tell(k.Now + tellFor)
		}
	}
	r.look = k
	r.edges, r.tasks = true, !r.twice
	r.after.begin(&l.tasks, 0)
}

// lookAtParts looks at what the loop owns, and returns the sockets that are to be looked
// at each by itself.
func (k *LoopLook) lookAtParts(l *Loop, o *LookOptions) []lookingSocket {
	seen := seenLoop{LoopLook: k, options: o}
	for _, p := range l.parts {
		if p, ok := p.(lookingPart); ok {
			p.look(&seen)
		}
	}
	return seen.sockets
}

// A lookingPart is a part that has something to show.
type lookingPart interface {
	part
	look(k *seenLoop)
}

// A seenLoop is what the parts of a loop show of themselves.
type seenLoop struct {
	*LoopLook
	options *LookOptions
	sockets []lookingSocket // those to look at
}

// wantsSocket reports whether a further socket is to be shown.
func (k *seenLoop) wantsSocket() bool { return k.options.Sockets && len(k.sockets) < maxLookSockets }

// A lookingSocket is a socket that is to be looked at, when it is its turn: its addresses
// may take the system's help, and all of a thousand too long at a time.
type lookingSocket interface{ lookAtSocket() SocketLook }

// next looks at the next socket or task.
func (r *lookRequest) next() {
	if len(r.sockets) > 0 {
		r.look.Sockets = append(r.look.Sockets, r.sockets[0].lookAtSocket())
		r.sockets = r.sockets[1:]
		return
	}
	l := r.loop
	t := r.after.take()
	switch {
	case t == nil && !r.tasks:
		r.after.end(&l.tasks)
		r.edges, r.tasks = false, true
		r.after.begin(&l.tasks, 0)
	case t == nil || r.tasks && r.n >= r.options.Tasks && t.id > r.options.After:
		r.look.More = t != nil
		r.after.end(&l.tasks)
		r.over = true
	default:
		if r.tasks && t.id > r.options.After {
			r.n++
			r.task(t)
		}
		if r.edges && t.callback != nil && (t.id > r.options.After || r.twice) {
			for _, by := range awaitedBy(&t.future, onlyIndirect) {
				r.piece.edges = append(r.piece.edges, seenEdge{by.id, t.id})
			}
		}
	}
}

// task looks at a task.
func (r *lookRequest) task(t *task) {
	l, p := r.loop, r.piece
	p.tasks = p.tasks[:len(p.tasks)+1]
	k := &p.tasks[len(p.tasks)-1]
	k.TaskLook = TaskLook{ID: t.id, Parent: t.parent(), Name: t.givenName(), State: t.stateName(), For: -1, Steps: t.waits, Cancels: t.cancelling()}
	k.Busy = time.Duration(t.busy) * time.Microsecond
	if l.notes.level != notesOff {
		k.For = since(t.sinceLow, t.sinceHigh, l.now)
	}
	if k.State == "waits" {
		k.Waits, k.object = &k.waits, l.whatAwaits(t, &k.waits)
	}
	if r.options.Stacks {
		from := len(p.pcs)
		n := r.stacks.of(t, p.pcs[from:from+rawFrames])
		if n == 0 {
			k.entry = t.shell().entry()
		}
		p.pcs = p.pcs[:from+n]
		k.pcs = p.pcs[from : from+n : from+n]
	}
	if r.options.Labels {
		k.Labels = labelsOf((*taskContext)(t))
	}
}
