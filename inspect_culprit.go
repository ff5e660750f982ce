package asyncio

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
)

// loopLabel is the label of the goroutine that runs a loop, and of its coroutines,
// in profiles: the loop's number.
const loopLabel = "asyncio.loop"

// A culprit is what holds a loop: the goroutine on which it runs, or the coroutine
// of the task that does.
type culprit struct {
	frames []runtime.Frame // the innermost first
	doing  string          // in a few words
	hint   string          // what to do about it, or empty
}

// findCulprit looks for what holds the loop with that label. See profileOf.
func findCulprit(label string) *culprit { return profileOf(label).culprit }

// A loopProfile is what the profile of all goroutines tells of a loop.
type loopProfile struct {
	culprit   *culprit // nil: it was not found
	suspended []standing
}

// A standing is how many of a loop's coroutines are suspended in a place.
type standing struct {
	count  int
	frames []runtime.Frame
}

// profileOf looks for the loop with that label among all goroutines, from any of
// them. Where there are a hundred thousand that takes up to a second, in which the
// program runs on.
func profileOf(label string) (p loopProfile) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return p
	}
	labelled := strconv.Quote(loopLabel) + ":" + strconv.Quote(label)
	for group := range strings.SplitSeq(profile.String(), "\n\n") {
		if !strings.Contains(group, labelled) {
			continue
		}
		count, pcs := programCounters(group)
		frames := framesOf(pcs)
		switch {
		case !runsLoop(frames):
		case isSuspended(frames):
			if isTask(frames) {
				p.suspended = append(p.suspended, standing{count, frames})
			}
		case p.culprit == nil:
			c := &culprit{frames: frames}
			c.doing, c.hint = whatItDoes(frames)
			p.culprit = c
		}
	}
	return p
}

// isTask reports whether a coroutine runs a task: one that is kept for the next does
// not.
func isTask(frames []runtime.Frame) bool {
	return len(taskPart(frames)) < len(frames)
}

// programCounters returns those of a group of goroutines with equal stacks, whose
// first line is "N @ 0x1 0x2", and how many those are.
func programCounters(group string) (count int, pcs []uintptr) {
	for line := range strings.Lines(group) {
		n, list, ok := strings.Cut(line, " @ ")
		if !ok {
			continue
		}
		count, _ = strconv.Atoi(n)
		for _, field := range strings.Fields(list) {
			pc, err := strconv.ParseUint(strings.TrimPrefix(field, "0x"), 16, 64)
			if err == nil {
				pcs = append(pcs, uintptr(pc))
			}
		}
		return count, pcs
	}
	return 0, nil
}

const loopForever = thisPackage + "(*Loop).forever"

// runsLoop reports whether a goroutine is a loop's own or one of its coroutines, and
// not one that a task has started, which has the label too.
func runsLoop(frames []runtime.Frame) bool {
	for _, f := range frames {
		if f.Function == loopForever || strings.HasPrefix(f.Function, coroPackage) && strings.Contains(f.Function, "bodies") {
			return true
		}
	}
	return false
}

// isSuspended reports whether a goroutine waits for its turn: in iter.Pull, and that
// was called by package coro, since a task may use an iterator of its own.
func isSuspended(frames []runtime.Frame) bool {
	for i, f := range frames {
		switch {
		case strings.HasPrefix(f.Function, runtimeParts):
		case strings.HasPrefix(f.Function, "iter.Pull"):
			return i+1 < len(frames) && strings.HasPrefix(frames[i+1].Function, coroPackage)
		default:
			return false
		}
	}
	return false
}

// blockers are functions in which a goroutine blocks, what that is called, and what
// does the same on a loop.
var blockers = []struct{ function, doing, hint string }{
	{"runtime.chanrecv1", "a channel receive", "on a loop, wait with WaitDone, WrapChan or a ThreadQueue"},
	{"runtime.chanrecv2", "a channel receive", "on a loop, wait with WaitDone, WrapChan or a ThreadQueue"},
	{"runtime.chansend1", "a channel send", "on a loop, use a Queue, or a ThreadQueue"},
	{"runtime.selectgo", "a select", "on a loop, wait with WaitDone, WrapChan or a ThreadQueue"},
	{"runtime.block", "an empty select", ""},
	{"sync.(*Mutex).Lock", "sync.Mutex.Lock", "a sync.Mutex that is held while its task waits stops the loop: use Lock"},
	{"sync.(*RWMutex).Lock", "sync.RWMutex.Lock", "a sync.RWMutex that is held while its task waits stops the loop: use Lock"},
	{"sync.(*RWMutex).RLock", "sync.RWMutex.RLock", "a sync.RWMutex that is held while its task waits stops the loop: use Lock"},
	{"sync.(*Cond).Wait", "sync.Cond.Wait", "on a loop, use Condition"},
	{"sync.(*WaitGroup).Wait", "sync.WaitGroup.Wait", "on a loop, use Group or Gather"},
	{"time.Sleep", "time.Sleep", "on a loop, use Sleep"},
}

// whatItDoes says what a goroutine is blocked in, as far as its own stack tells.
func whatItDoes(frames []runtime.Frame) (doing, hint string) {
	for i, f := range frames {
		for _, b := range blockers {
			if f.Function != b.function || strings.HasPrefix(b.function, runtimeParts) && !isParked(frames) {
				continue
			}
			doing = "blocked in " + b.doing
			if called := calledByUser(frames[i+1:]); called != "" {
				return doing + ", in " + called, "run what blocks in a thread (ToThread)"
			}
			return doing, b.hint
		}
		if !strings.HasPrefix(f.Function, runtimeParts) && !isBlockersPart(f.Function) {
			break
		}
	}
	if c := calledC(frames); c != "" {
		return "in C, in " + c, "run what takes long in a thread (ToThread)"
	}
	called := calledByUser(frames)
	if called == "" || strings.HasPrefix(called, thisPackage) && !isParked(frames) {
		return "computing", "compute in steps, with Sleep(ctx, 0) between them, or in a thread (ToThread)"
	}
	return "held in " + called, "run what takes long in a thread (ToThread)"
}

// calledC returns the function of C that a goroutine is in, or "".
func calledC(frames []runtime.Frame) string {
	for _, f := range frames {
		if !strings.HasPrefix(f.Function, runtimeParts) {
			_, c, _ := strings.Cut(f.Function, "._Cfunc_")
			return c
		}
	}
	return ""
}

// isParked reports whether the goroutine waits in the runtime: what does not block,
// as a select with a default, calls the same functions.
func isParked(frames []runtime.Frame) bool {
	return len(frames) > 0 && strings.HasPrefix(frames[0].Function, "runtime.gopark")
}

// isBlockersPart reports whether a function is one by which another in blockers does
// its work.
func isBlockersPart(name string) bool {
	return strings.HasPrefix(name, "sync.") || strings.HasPrefix(name, "internal/sync.") || strings.HasPrefix(name, "internal/runtime/")
}

// calledByUser returns the function of another package that the user's code has
// called, if it is still in there.
func calledByUser(frames []runtime.Frame) string {
	called := ""
	for _, f := range frames {
		if isUsers(f) {
			return called
		}
		if !strings.HasPrefix(f.Function, runtimeParts) && !strings.HasPrefix(f.Function, "sync/atomic.") {
			called = plainFunction(f.Function)
		}
	}
	return ""
}

// place returns where the user's code stands, or "".
func (c *culprit) place() string {
	for _, f := range c.frames {
		if isUsers(f) {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
	return ""
}

// stack returns the frames as Go prints them, without what is this package's affair.
func (c *culprit) stack() string {
	var b strings.Builder
	writeStack(&b, c.ownFrames(), "")
	return b.String()
}

// ownFrames returns the frames without what is this package's affair.
func (c *culprit) ownFrames() []runtime.Frame {
	frames := taskPart(c.frames)
	return frames[:min(len(frames), maxFrames)]
}

// isUsers reports whether a frame is code of the program's, and not of Go's library
// or this module.
func isUsers(f runtime.Frame) bool {
	return f.Function != "" && !isStandard(f) && !strings.Contains(f.Function, "._Cfunc_") && !strings.HasPrefix(f.Function, thisPackage) &&
		!strings.HasPrefix(f.Function, thisModule+"asynchttp.") && !strings.HasPrefix(f.Function, thisModule+"internal/")
}

const thisModule = "github.com/asyncio-go/asyncio/"

// standardFiles is the folder of Go's library, with which the names of its files
// begin; empty in a program that was built with -trimpath.
var standardFiles = func() string {
	gc := runtime.FuncForPC(reflect.ValueOf(runtime.GC).Pointer())
	file, _ := gc.FileLine(gc.Entry())
	folder, _, _ := strings.Cut(file, "runtime/")
	return folder
}()

// isStandard reports whether a frame is of Go's library. Where the names of files do
// not tell, a package is that has no dot in the first part of its path and is not
// main.
func isStandard(f runtime.Frame) bool {
	if standardFiles != "" {
		return strings.HasPrefix(f.File, standardFiles)
	}
	if first, _, nested := strings.Cut(f.Function, "/"); nested {
		return !strings.Contains(first, ".")
	}
	return !strings.HasPrefix(f.Function, "main.")
}

// plainFunction returns the name of a function as a reader knows it:
// "database/sql.(*DB).QueryContext", without what tells instances apart.
func plainFunction(name string) string {
	return strings.TrimSuffix(strings.ReplaceAll(name, "[...]", ""), "-fm")
}
