package asyncio

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// A CallGraph is a task or a future and all who wait for it. Python:
// FutureCallGraph.
type CallGraph struct {
	Name      string          // of the task; "a future" for one that is no task
	Task      AnyTask         // nil for a future that is no task
	Stack     []runtime.Frame // where the task stands, as Task.Stack returns it
	AwaitedBy []*CallGraph    // those who wait for it
	// Again says that the task stands in the graph already, where its stack
	// and those who wait for it are.
	Again bool
}

// CaptureCallGraph returns who waits for aw, who waits for those, and so on, each
// with its stack. A [Gather], a [Wait] or a [Shield] in between is passed over:
// the task that called it waits. It is for the loop's goroutine. It costs some
// microseconds for each task in the graph, and nothing while nobody asks.
// Python: capture_call_graph.
func CaptureCallGraph(aw Awaitable) *CallGraph {
	return captureCallGraph(aw.base(), make(map[*future]bool))
}

func captureCallGraph(f *future, seen map[*future]bool) *CallGraph {
	g := &CallGraph{Name: "a future", Again: seen[f]}
	t := f.asTask()
	if t != nil {
		g.Name, g.Task = t.name(), t.any()
	}
	if g.Again {
		return g
	}
	seen[f] = true
	if t != nil {
		g.Stack = t.stack()
	}
	for _, by := range awaitedBy(f, everybody) {
		g.AwaitedBy = append(g.AwaitedBy, captureCallGraph(&by.future, seen))
	}
	return g
}

// FormatCallGraph returns [CaptureCallGraph] as text. Python: format_call_graph.
func FormatCallGraph(aw Awaitable) string { return CaptureCallGraph(aw).String() }

// PrintCallGraph writes [CaptureCallGraph] as text. Python: print_call_graph.
func PrintCallGraph(w io.Writer, aw Awaitable) error {
	_, err := io.WriteString(w, FormatCallGraph(aw))
	return err
}

// String returns the graph as text of several lines.
func (g *CallGraph) String() string {
	var b strings.Builder
	g.write(&b, "")
	return b.String()
}

func (g *CallGraph) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s* %s", indent, g.Name)
	if g.Again {
		b.WriteString(" (see above)\n")
		return
	}
	b.WriteByte('\n')
	indent += "  "
	if len(g.Stack) > 0 {
		fmt.Fprintf(b, "%s+ stack:\n", indent)
		writeStack(b, g.Stack, indent+"  ")
	}
	if len(g.AwaitedBy) > 0 {
		fmt.Fprintf(b, "%s+ awaited by:\n", indent)
		for _, by := range g.AwaitedBy {
			by.write(b, indent+"  ")
		}
	}
}

// A willingDependent is a dependent that may be there before it waits: a group, whose
// body is not over.
type willingDependent interface {
	dependent
	waits() bool
}

// How awaitedBy looks.
type awaitedHow int

const (
	everybody    awaitedHow = iota // also those that will wait
	onlyIndirect                   // those that wait now by way of a future, as far as a bounded search finds them
)

// awaitedBy returns the tasks that wait for f, directly or by way of futures that
// are no tasks, in the order in which they came.
func awaitedBy(f *future, how awaitedHow) []*task {
	s := awaitedSearch{how: how}
	s.add(f)
	s.look(f, true)
	return s.found
}

type awaitedSearch struct {
	how   awaitedHow
	asked int
	found []*task
	seen  []*future // few, or else in more
	more  map[*future]bool
}

// look looks at the callbacks of f, which is the future that was asked for if first.
func (s *awaitedSearch) look(f *future, first bool) {
	for r := range f.callbacks {
		d, ok := r.(dependent)
		if s.how == onlyIndirect {
			if s.asked++; s.asked > maxAwaitedBy {
				return
			}
			if _, direct := r.(*task); first && direct {
				continue
			}
			if w, ok := r.(willingDependent); ok && !w.waits() {
				continue
			}
		}
		if !ok {
			continue
		}
		by := d.dependent()
		if by == nil || !s.add(by) {
			continue
		}
		if t := by.asTask(); t != nil {
			s.found = append(s.found, t)
		} else {
			s.look(by, false)
		}
	}
}

// add notes that a future was seen, and reports whether that is new.
func (s *awaitedSearch) add(f *future) bool {
	const few = 8
	if s.more[f] || slices.Contains(s.seen, f) {
		return false
	}
	if len(s.seen) < few {
		s.seen = append(s.seen, f)
		return true
	}
	if s.more == nil {
		s.more = make(map[*future]bool)
	}
	s.more[f] = true
	return true
}
