package conformance_test

import (
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/conformance"
)

func TestParseRefusesWhatCannotRun(t *testing.T) {
	main := func(op string) string { return `{"name": "p", "coros": {"main": [` + op + `]}}` }
	for _, c := range []struct{ program, complaint string }{
		{`{"name": "p"}`, "no coroutine main"},
		{`[null]`, "null"},
		{main(`["jump"]`), "unknown op"},
		{main(`"sleep"`), "an op is a list"},
		{main(`[]`), "begins with its name"},
		{main(`["sleep"]`), "0 arguments where it takes 2"},
		{main(`["sleep", "long"]`), "op sleep: argument 1"},
		{main(`["sleep", 1e300]`), "too many"},
		{main(`["await", null]`), "op await: argument 1: null"},
		{main(`["spawn", "t", "c"]`), `no coroutine "c"`},
		{main(`["acquire", "L"]`), `no object "L"`},
		{main(`["wait", ["t"], null, "SOMETIME"]`), "unknown condition"},
		{main(`["try", [], {"sometimes": []}, []]`), "unknown handler"},
		{main(`["call_soon", "h", [["sleep", 1]]]`), "sleep cannot stand in a callback"},
		{main(`["call", "main"]`), "calls itself"},
		{`{"name": "p", "objects": {"X": {"kind": "axe"}}, "coros": {"main": []}}`, "unknown kind"},
	} {
		_, err := conformance.Parse([]byte(c.program))
		if err == nil || !strings.Contains(err.Error(), c.complaint) {
			t.Errorf("%s: %v, where %q was expected", c.program, err, c.complaint)
		}
	}
}

func TestAProgramThatSpawnsWithoutEndIsStopped(t *testing.T) {
	p := parse(t, `{"name": "p", "coros": {"main": [["spawn", "t", "main"]]}}`)
	_, err := conformance.Run(p, driver(t)...)
	if err != conformance.ErrTooLong {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"name": "p", "coros": {"main": [["try", [["sleep", 1, 2]], {"any": [["reraise"]]}, []]]}}`))
	f.Add([]byte(`[{"name": "p", "objects": {"S": {"kind": "semaphore", "value": 1}}, "coros": {"main": [["with", "S", []]]}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ps, err := conformance.Parse(data)
		if err != nil {
			return
		}
		for _, p := range ps {
			s := source(t, p)
			again, err := conformance.Parse([]byte(s))
			if err != nil || len(again) != 1 || source(t, again[0]) != s {
				t.Fatalf("%s is not read as it was written: %v", s, err)
			}
		}
	})
}
