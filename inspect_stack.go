package asyncio

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// maxFrames is the most that Stack returns.
const maxFrames = 100

// Stack returns where the task stands: the calls between its function and the
// place where it waits, the innermost first. Of this package it shows only the
// function that was called. A task that has not begun or has ended has no
// stack. On another goroutine than the loop's it returns nothing. It costs some
// microseconds, and nothing while nobody asks. Python: Task.get_stack.
func (t *Task[T]) Stack() []runtime.Frame { return t.stack() }

// PrintStack writes the task's name and its stack, in the form of Go's own
// stacks. Python: Task.print_stack.
func (t *Task[T]) PrintStack(w io.Writer) error {
	var b strings.Builder
	frames := t.stack()
	switch {
	case len(frames) > 0:
		fmt.Fprintf(&b, "%s, the innermost call first:\n", t.name())
		writeStack(&b, frames, "")
	case t.state != pending:
		fmt.Fprintf(&b, "%s has ended\n", t.name())
	default:
		fmt.Fprintf(&b, "%s has no stack\n", t.name())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeStack(b *strings.Builder, frames []runtime.Frame, indent string) {
	for _, f := range frames {
		fmt.Fprintf(b, "%s%s\n%s\t%s:%d\n", indent, shortFunction(f.Function), indent, f.File, f.Line)
	}
}

// stack returns the task's stack. A suspended coroutine is asked itself: only it
// sees its stack without a look at all goroutines.
func (t *task) stack() []runtime.Frame {
	if t.loop.running && !coro.OnMarkedGoroutine() {
		return nil // from here a visit would run the coroutine beside the loop
	}
	if t.co == nil {
		return nil
	}
	if t == t.loop.current {
		return trimStack(callers())
	}
	// The array is not the visitor's own: on the stack of the coroutine it would
	// make that grow, and stacks do not shrink while they are in use.
	pcs, n := make([]uintptr, rawFrames), 0
	if !t.loop.coros.Visit(t.co, func() { n = runtime.Callers(1, pcs) }) {
		return nil
	}
	return trimStack(framesOf(pcs[:n]))
}

// rawFrames is the most that is looked at, with what trimStack takes away.
const rawFrames = 2 * maxFrames

// callers returns the calling goroutine's stack.
func callers() []runtime.Frame {
	pcs := make([]uintptr, rawFrames)
	return framesOf(pcs[:runtime.Callers(2, pcs)])
}

func framesOf(pcs []uintptr) []runtime.Frame {
	if len(pcs) == 0 {
		return nil
	}
	all := make([]runtime.Frame, 0, len(pcs))
	frames := runtime.CallersFrames(pcs)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		all = append(all, f)
	}
	return all
}

const (
	thisPackage  = "github.com/asyncio-go/asyncio."
	coroPackage  = "github.com/asyncio-go/asyncio/internal/coro."
	taskBody     = thisPackage + "(*taskRunner).Run"
	taskCall     = thisPackage + "(*Task[...]).call" // above it, in a task with a result
	stackOfTask  = thisPackage + "(*Task[...]).Stack"
	printOfTask  = thisPackage + "(*Task[...]).PrintStack"
	runtimeParts = "runtime."
)

// taskPart returns the frames of the task's function and of what that has called: all
// of them, where no task runs.
func taskPart(frames []runtime.Frame) []runtime.Frame {
	for i, f := range frames {
		if f.Function == taskBody || f.Function == taskCall {
			return frames[:i]
		}
	}
	return frames
}

// trimStack takes away what is this package's affair: below the task's
// function, and above the function of this package that the task has called.
func trimStack(frames []runtime.Frame) []runtime.Frame {
	frames = taskPart(frames)
	called := -1 // the last of this package above the user's
	for i, f := range frames {
		if strings.HasPrefix(f.Function, thisPackage) {
			called = i
		} else if !internalFunction(f.Function) {
			break
		}
	}
	if called >= 0 {
		switch frames[called].Function {
		case stackOfTask, printOfTask: // which the task has called itself
			called++
		}
		frames = frames[called:]
	}
	return frames[:min(len(frames), maxFrames)]
}

func internalFunction(name string) bool {
	return strings.HasPrefix(name, coroPackage) || strings.HasPrefix(name, runtimeParts) || strings.HasPrefix(name, "iter.")
}

// shortFunction returns a function's name without the path of its package.
func shortFunction(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[i+1:]
	}
	return name
}
