package conformance_test

import (
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/conformance"
)

func TestShrinkKeepsOnlyWhatMattersToTheJudge(t *testing.T) {
	p := parse(t, `{"name": "p", "objects": {"L": {"kind": "lock"}, "E": {"kind": "event"}}, "coros": {
		"main": [["log", "red"], ["spawn", "a", "c1"], ["spawn", "b", "c2"], ["timeout", 1, [["log", "blue"],
			["try", [["log", "green"], ["event_wait", "E"]], {"any": [["log", "red"]]}, []]]],
			["gather", ["a", "b", "a"], false]],
		"c1": [["with", "L", [["sleep", 1]]]],
		"c2": [["log", "red"]]}}`)
	small, err := conformance.Shrink(p, func(ps []*conformance.Program) (int, error) {
		for i, p := range ps {
			s := source(t, p)
			if strings.Contains(s, `["event_wait","E"]`) && strings.Contains(s, `"gather"`) {
				return i, nil
			}
		}
		return -1, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := source(t, small)
	if c := strings.Count(got, `["`); c != 3 || strings.Contains(got, "c1") || strings.Contains(got, "lock") {
		t.Fatal(got)
	}
}

func TestShrinkGivesBackTheProgramWhenNothingSmallerDiffers(t *testing.T) {
	p := parse(t, `{"name": "p", "coros": {"main": [["log", "red"]]}}`)
	small, err := conformance.Shrink(p, func([]*conformance.Program) (int, error) { return -1, nil })
	if err != nil || source(t, small) != source(t, p) {
		t.Fatal(source(t, small), err)
	}
}

func parse(t *testing.T, text string) *conformance.Program {
	t.Helper()
	ps, err := conformance.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ps[0]
}

func source(t *testing.T, p *conformance.Program) string {
	t.Helper()
	s, err := p.Source()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
