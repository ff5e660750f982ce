package asyncio_test

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// goRoot is where the files of Go's library are, as their names begin.
func goRoot() string {
	f := runtime.FuncForPC(reflect.ValueOf(strings.Cut).Pointer())
	file, _ := f.FileLine(f.Entry())
	root, _, _ := strings.Cut(file, "strings/")
	return root
}

// stackOf makes a stack of functions, the innermost first. Those of "main" are the
// user's, all others Go's or this module's.
func stackOf(functions ...string) (frames []runtime.Frame) {
	for i, name := range functions {
		file := goRoot() + "some/file.go"
		if strings.HasPrefix(name, "main.") || strings.HasPrefix(name, "github.com/") {
			file = "/home/user/main.go"
		}
		frames = append(frames, runtime.Frame{Function: name, File: file, Line: i + 1})
	}
	return frames
}

func TestProgramCountersOfAProfile(t *testing.T) {
	for text, want := range map[string]struct {
		count int
		pcs   []uintptr
	}{
		"":                            {},
		"words":                       {},
		"2 @ 0x10 0xff\n#\t0x10\tf\n": {2, []uintptr{0x10, 0xff}},
		"goroutine profile: total 3\n1 @ 0x1 0x2":     {1, []uintptr{0x1, 0x2}},
		"1 @ 0x1 nothing 0x2\n# labels: {}\n1 @ 0x3":  {1, []uintptr{0x1, 0x2}},
		"# labels: {\"a\":\"b\"}\nmore\n9 @ 0xabc\n#": {9, []uintptr{0xabc}},
	} {
		if count, got := asyncio.ProgramCounters(text); count != want.count || !slices.Equal(got, want.pcs) {
			t.Errorf("%q: %d times %x, want %v", text, count, got, want)
		}
	}
}

func TestOnlyALoopsOwnGoroutinesRunIt(t *testing.T) {
	coroutine := asyncio.CoroPackage + "(*Pool).bodies.func1"
	for name, c := range map[string]struct {
		stack []string
		want  bool
	}{
		"the loop's":           {[]string{"main.f", asyncio.RunForeverName, "main.main"}, true},
		"a coroutine":          {[]string{"main.f", coroutine, "iter.Pull[...].func1"}, true},
		"one of a task":        {[]string{"main.f", "main.bodies"}, false},
		"one that knows coro":  {[]string{"main.f", asyncio.CoroPackage + "OnMarkedGoroutine"}, false},
		"one without a stack":  {nil, false},
		"another's RunForever": {[]string{"main.(*Loop).RunForever"}, false},
	} {
		if got := asyncio.RunsLoop(stackOf(c.stack...)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestACoroutineThatWaitsForItsTurnIsSuspended(t *testing.T) {
	next, ours := "iter.Pull[...].func2", asyncio.CoroPackage+"(*Pool).Switch"
	for name, c := range map[string]struct {
		stack []string
		want  bool
	}{
		"a coroutine":          {[]string{"runtime.coroswitch_m", next, ours, "main.f"}, true},
		"without the runtime":  {[]string{next, ours}, true},
		"a task's iterator":    {[]string{"runtime.coroswitch", next, "main.f", ours}, false},
		"an iterator alone":    {[]string{"runtime.coroswitch", next}, false},
		"one that runs":        {[]string{"main.f", next, ours}, false},
		"the runtime's":        {[]string{"runtime.gopark"}, false},
		"nothing":              {nil, false},
		"one that calls coro":  {[]string{ours, next, ours}, false},
		"the iterator is last": {[]string{ours, "runtime.x", next}, false},
	} {
		if got := asyncio.IsSuspended(stackOf(c.stack...)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatAGoroutineIsHeldInIsNamed(t *testing.T) {
	parked := []string{"runtime.gopark"}
	for name, c := range map[string]struct {
		stack       []string
		doing, hint string // the hint in part
	}{
		"a receive":               {append(parked, "runtime.chanrecv", "runtime.chanrecv1", "main.f"), "blocked in a channel receive", "WaitDone"},
		"a receive with ok":       {append(parked, "runtime.chanrecv", "runtime.chanrecv2", "main.f"), "blocked in a channel receive", "WaitDone"},
		"a select":                {append(parked, "runtime.selectgo", "main.f"), "blocked in a select", "WrapChan"},
		"an empty select":         {append(parked, "runtime.block", "main.f"), "blocked in an empty select", ""},
		"a lock":                  {append(parked, "runtime.semacquire1", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f"), "blocked in sync.Mutex.Lock", "use Lock"},
		"a lock that is free":     {[]string{"sync.(*Mutex).Lock", "main.f"}, "blocked in sync.Mutex.Lock", "use Lock"},
		"a wait group":            {append(parked, "sync.(*WaitGroup).Wait", "main.f"), "blocked in sync.WaitGroup.Wait", "Group"},
		"a sleep":                 {append(parked, "time"+".Sleep", "main.f"), "blocked in time" + ".Sleep", "use Sleep"},
		"a lock in a library":     {append(parked, "sync.(*Mutex).Lock", "database/sql.(*DB).conn", "database/sql.(*DB).Query", "main.f", "main.g"), "blocked in sync.Mutex.Lock, in database/sql.(*DB).Query", "ToThread"},
		"a select that does not":  {[]string{"runtime.lock2", "runtime.selectgo", "main.f"}, "computing", "Sleep(ctx, 0)"},
		"a computation":           {[]string{"main.f", "main.g"}, "computing", "Sleep(ctx, 0)"},
		"a computation of Go's":   {[]string{"runtime.memmove", "regexp.(*Regexp).match", "regexp.Match", "main.f"}, "held in regexp.Match", "ToThread"},
		"a computation below":     {[]string{"sort.Sort", "main.f", "time" + ".Sleep", "main.g"}, "held in sort.Sort", "ToThread"},
		"a function of a type":    {[]string{"slices.SortFunc[...]", "main.f"}, "held in slices.SortFunc", "ToThread"},
		"a function of C":         {[]string{"runtime.cgocall", "main._Cfunc_nap", "main.f"}, "in C, in nap", "ToThread"},
		"tasks without end":       {[]string{"runtime.mallocgc", "github.com/asyncio-go/asyncio.newTask[...]", "github.com/asyncio-go/asyncio.Go", "main.f"}, "computing", "Sleep(ctx, 0)"},
		"a lock below a callback": {[]string{"main.f", "sync.(*Mutex).Lock", "main.g"}, "computing", "Sleep(ctx, 0)"},
	} {
		doing, hint := asyncio.WhatItDoes(stackOf(c.stack...))
		if doing != c.doing || !strings.Contains(hint, c.hint) || (hint == "") != (c.hint == "") {
			t.Errorf("%s: %s (%s); want %s (%s)", name, doing, hint, c.doing, c.hint)
		}
	}
}

func TestTheNameOfAFunctionIsThatOfTheSource(t *testing.T) {
	for name, want := range map[string]string{
		"slices.SortFunc[...]":            "slices.SortFunc",
		"net/http.(*Client).Do-fm":        "net/http.(*Client).Do",
		"database/sql.(*DB).QueryContext": "database/sql.(*DB).QueryContext",
	} {
		if got := asyncio.PlainFunction(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestThePlaceIsTheUsersOwnAndTheStackEndsWithTheTask(t *testing.T) {
	const module = "github.com/asyncio-go/asyncio"
	place, stack := asyncio.PlaceAndStack(stackOf("sync.(*Mutex).Lock", module+".(*Lock).Acquire", module+"/asynchttp.(*Server).serve",
		module+"/internal/ring.f", "main.f", "main.g", asyncio.TaskBodyName, "main.below"))
	if place != "/home/user/main.go:5" {
		t.Errorf("the place is %q", place)
	}
	if !strings.Contains(stack, "main.g") || strings.Contains(stack, "main.below") || strings.Contains(stack, asyncio.TaskBodyName) {
		t.Errorf("the stack is\n%s", stack)
	}
	if place, _ := asyncio.PlaceAndStack(stackOf("runtime.cgocall", "main._Cfunc_nap", "main.f")); place != "/home/user/main.go:3" {
		t.Errorf("the place of a call to C is %q", place)
	}
	if place, _ := asyncio.PlaceAndStack(stackOf("sync.(*Mutex).Lock")); place != "" {
		t.Errorf("without the user's code: %q", place)
	}
}
