package asyncio

import (
	"context"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strings"
	"unsafe"
)

// A namedStack is a stack as a look shows it.
type namedStack struct {
	frames []FrameLook
	at     *FrameLook // where the program waits
	call   string     // the function of this package that it has called there
	entry  string     // the task's function
}

// stackKey returns what equal stacks have in common, as the key of a map. It lies in
// pcs: who keeps it makes a copy.
func stackKey(pcs []uintptr) string {
	return unsafe.String((*byte)(unsafe.Pointer(&pcs[0])), len(pcs)*int(unsafe.Sizeof(pcs[0])))
}

func nameStack(frames []runtime.Frame) *namedStack {
	s := &namedStack{frames: looksOf(frames)}
	if len(frames) == 0 {
		return s
	}
	if first := frames[0].Function; strings.HasPrefix(first, thisPackage) {
		s.call = strings.TrimPrefix(plainFunction(first), thisPackage)
		s.call = strings.NewReplacer("(*", "", ")", "").Replace(s.call)
	}
	s.entry = plainFunction(frames[len(frames)-1].Function)
	for i, f := range frames {
		if isUsers(f) {
			s.at = &s.frames[i]
			return s
		}
	}
	s.at = &s.frames[0]
	return s
}

// looksOf returns frames as a look shows them.
func looksOf(frames []runtime.Frame) []FrameLook {
	list := make([]FrameLook, len(frames))
	for i, f := range frames {
		list[i] = FrameLook{Function: plainFunction(f.Function), File: f.File, Line: f.Line}
	}
	return list
}

// A stackReader reads the stacks of suspended tasks, one after another. It allocates
// nothing for each: who does so while the collector runs has to help it, on the loop.
type stackReader struct {
	pcs  []uintptr
	n    int
	read func()
}

// of reads the program counters of a task into pcs, and returns how many those are: none
// where it has no stack.
func (r *stackReader) of(t *task, pcs []uintptr) int {
	if t.co == nil {
		return 0
	}
	if r.read == nil {
		r.read = func() { r.n = runtime.Callers(1, r.pcs) }
	}
	r.pcs, r.n = pcs, 0
	t.loop.coros.Visit(t.co, r.read)
	r.pcs = nil
	return r.n
}

// entryName returns the name of the function fn, or "" where that is none that the
// program would know.
func entryName(fn any) string {
	if fn == nil {
		return ""
	}
	f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer())
	if f == nil {
		return ""
	}
	return plainFunction(f.Name())
}

// labelsOf returns the labels of runtime/pprof in a context.
func labelsOf(ctx context.Context) map[string]string {
	var labels map[string]string
	pprof.ForLabels(ctx, func(key, value string) bool {
		if labels == nil {
			labels = make(map[string]string)
		}
		labels[key] = value
		return true
	})
	return labels
}
