package asyncio

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// maxWaiting is the most tasks that a WaitGraph shows.
const maxWaiting = 500

// A WaitGraph is the tasks of a loop that have not ended, and who of them waits
// for whom. It does not change once it is made, and may be read in any
// goroutine.
type WaitGraph struct {
	// Roots are the tasks that no other waits for, the oldest first; and of
	// tasks that wait for each other in a circle, the oldest.
	Roots []*Waiting
	// Omitted is how many tasks there are beyond the 500 that are shown.
	Omitted int
}

// Waiting is a task in a [WaitGraph].
type Waiting struct {
	Name  string          // of the task
	Task  AnyTask         // its methods are for the loop's goroutine
	State string          // "waits", "ready", "runs" or "not started"
	Stack []runtime.Frame // where it stands, as Task.Stack returns it
	// Until is when its Sleep is over, on the loop's clock; NoTimeout where it
	// does not sleep.
	Until time.Duration
	// WaitsFor are the tasks that it waits for. Where there are none and the
	// task waits, the stack says for what.
	WaitsFor []*Waiting
	// Made is where the task was made; empty outside of debug mode.
	Made string
	// Again says that the task stands in the graph already, above.
	Again bool
}

// WaitGraph returns who waits for what on this loop. It costs some microseconds
// for each task. It is for the loop's goroutine; see [CaptureWaitGraph].
func (l *Loop) WaitGraph() *WaitGraph {
	if l.probe != nil {
		l.probe.mustBeHere()
	}
	var all []*task
	for t := l.tasks.head; t != nil && len(all) < maxWaiting; t = t.next {
		all = append(all, t)
	}
	waitsFor := make(map[*task][]*task)
	awaited := make(map[*task]bool)
	for _, t := range all {
		for _, by := range awaitedBy(&t.future, everybody) {
			waitsFor[by] = append(waitsFor[by], t)
			awaited[t] = true
		}
	}
	g := &WaitGraph{Omitted: l.tasks.n - len(all)}
	seen := make(map[*task]bool)
	var show func(t *task) *Waiting
	show = func(t *task) *Waiting {
		w := &Waiting{Name: t.name(), Task: t.any(), State: t.stateName(), Until: NoTimeout, Again: seen[t]}
		if w.Again {
			return w
		}
		seen[t] = true
		w.Stack = t.stack()
		if l.probe != nil {
			w.Made = l.probe.madeAt(&t.future)
		}
		if t.asleep() {
			if when, ok := l.timers.When(&t.sleeping.node); ok {
				w.Until = time.Duration(when)
			}
		}
		for _, other := range waitsFor[t] {
			w.WaitsFor = append(w.WaitsFor, show(other))
		}
		return w
	}
	for _, t := range all {
		if !awaited[t] {
			g.Roots = append(g.Roots, show(t))
		}
	}
	for _, t := range all { // what is left goes round in circles
		if !seen[t] {
			g.Roots = append(g.Roots, show(t))
		}
	}
	return g
}

func (t *task) stateName() string {
	switch {
	case t == t.loop.current:
		return "runs"
	case t.co == nil:
		return "not started"
	case t.asleep(), t.waiter != nil && t.waiter.state == pending:
		return "waits"
	}
	return "ready"
}

// CaptureWaitGraph is [Loop.WaitGraph] for any goroutine but the loop's own: it
// asks the loop and waits for the answer, or the end of ctx, or of the loop. A
// loop that hangs in a callback returns none.
func CaptureWaitGraph(ctx context.Context, l *Loop) (*WaitGraph, error) {
	if coro.OnMarkedGoroutine() {
		return nil, fmt.Errorf("capture wait graph: %w", ErrLoopRunning)
	}
	answer := make(chan *WaitGraph, 1)
	if _, err := l.CallSoonThreadsafe(func() { answer <- l.WaitGraph() }); err != nil {
		return nil, err
	}
	select {
	case g := <-answer:
		return g, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.gone:
		return nil, ErrLoopClosed
	}
}

// String returns the graph as a tree: below each task those that it waits for.
func (g *WaitGraph) String() string {
	var b strings.Builder
	for _, w := range g.Roots {
		w.write(&b, "", "")
	}
	if g.Omitted > 0 {
		fmt.Fprintf(&b, "and %d more tasks\n", g.Omitted)
	}
	return b.String()
}

func (w *Waiting) write(b *strings.Builder, first, indent string) {
	fmt.Fprintf(b, "%s%s", first, w.Name)
	switch {
	case w.Again:
		b.WriteString(" (see above)")
	default:
		b.WriteString(" " + w.State)
		w.writePlace(b)
		if w.Made != "" {
			b.WriteString(", made by " + w.Made)
		}
	}
	b.WriteByte('\n')
	for i, other := range w.WaitsFor {
		if i < len(w.WaitsFor)-1 {
			other.write(b, indent+"├─ ", indent+"│  ")
		} else {
			other.write(b, indent+"└─ ", indent+"   ")
		}
	}
}

// writePlace says in which function of this package the task waits, and where
// that was called.
func (w *Waiting) writePlace(b *strings.Builder) {
	frames := w.Stack
	if len(frames) == 0 {
		return
	}
	if strings.HasPrefix(frames[0].Function, thisPackage) {
		fmt.Fprintf(b, " in %s", shortFunction(frames[0].Function))
		frames = frames[1:]
	}
	if w.Until != NoTimeout {
		fmt.Fprintf(b, " until %v", w.Until)
	}
	if len(frames) > 0 {
		f := frames[0]
		fmt.Fprintf(b, ", called by %s at %s:%d", shortFunction(f.Function), f.File, f.Line)
	}
}

// A DeadlockError is [ErrDeadlock] with the tasks that wait, and for what.
type DeadlockError struct {
	Graph *WaitGraph // of all tasks that are left
}

func (e *DeadlockError) Error() string { return ErrDeadlock.Error() + "\n" + e.Graph.String() }

// Unwrap returns ErrDeadlock.
func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

// deadlock returns the error of a loop in which nothing can happen any more.
func (l *Loop) deadlock() error {
	if l.tasks.n == 0 {
		return ErrDeadlock // nobody waits but who runs the loop
	}
	return &DeadlockError{l.WaitGraph()}
}
