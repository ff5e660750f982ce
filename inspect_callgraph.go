package asyncio

import (
	"fmt"
	"io"
	"runtime"
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
	for _, by := range awaitedBy(f, false) {
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

// awaitedBy returns the tasks that wait for f, directly or by way of futures that
// are no tasks, in the order in which they came; those that will wait for it, too,
// unless now.
func awaitedBy(f *future, now bool) []*task {
	var found []*task
	seen := map[*future]bool{f: true}
	var look func(f *future)
	look = func(f *future) {
		for r := range f.callbacks {
			d, ok := r.(dependent)
			if !ok {
				continue
			}
			by := d.dependent()
			if by == nil || seen[by] {
				continue
			}
			if w, ok := r.(willingDependent); ok && now && !w.waits() {
				continue
			}
			seen[by] = true
			if t := by.asTask(); t != nil {
				found = append(found, t)
			} else {
				look(by)
			}
		}
	}
	look(f)
	return found
}
