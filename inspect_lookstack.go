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

// stackKey returns what equal stacks have in common, as the key of a map.
func stackKey(pcs []uintptr) string {
	return string(unsafe.Slice((*byte)(unsafe.Pointer(&pcs[0])), len(pcs)*int(unsafe.Sizeof(pcs[0]))))
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

// rawStack returns the program counters of a suspended task, in pcs.
func (t *task) rawStack(pcs []uintptr) []uintptr {
	n := 0
	if t.co == nil || !t.loop.coros.Visit(t.co, func() { n = runtime.Callers(1, pcs) }) {
		return nil
	}
	return pcs[:n]
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
