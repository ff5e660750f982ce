package conformance_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/conformance"
)

// shrunk is how many programs that differ are made small.
const shrunk = 3

func TestFreshProgramsGiveTheTracesOfCPython(t *testing.T) {
	if *fuzzFlag == 0 {
		t.Skip("asked for by -fuzz-programs=N")
	}
	f := &conformance.Fuzzer{
		Reference: reference(t),
		Programs:  *fuzzFlag,
		Seed:      *seedFlag,
		Changes:   *changesFlag,
		Workers:   *workersFlag,
		Options:   driver(t),
	}
	if f.Seed == 0 {
		f.Seed = int(time.Now().UnixMilli()) // no two runs make the same programs
	}
	if *profilesFlag != "" {
		f.Profiles = strings.Split(*profilesFlag, ",")
	}
	began, next := time.Now(), 1000
	f.Progress = func(done int) {
		if done >= next {
			fmt.Printf("conformance: %d of %d fresh programs compared in %s\n", done, f.Programs, time.Since(began).Round(time.Second))
			next = done + 1000
		}
	}
	differ, done, err := f.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("conformance: %d of %d fresh programs equal, from seed %d\n", done-len(differ), done, f.Seed)
	for i, r := range differ {
		t.Errorf("%s differs", r.Program.Name)
		if i >= shrunk {
			continue
		}
		small, err := f.Smallest(t.Context(), r)
		if err != nil {
			t.Error(err)
		}
		source, err := small.Program.Source()
		if err != nil {
			t.Error(err)
		}
		fmt.Printf("\n%s\n%s", source, small)
	}
}

func reference(t *testing.T) *conformance.Reference {
	t.Helper()
	r, err := conformance.FindReference()
	if errors.Is(err, conformance.ErrNoReference) {
		t.Skip("there is no CPython 3.13 to compare with: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheReferenceGivesTheRecordedTraces(t *testing.T) {
	r := reference(t)
	programs, err := conformance.Load("testdata/cancel.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	programs = programs[:5]
	for _, p := range programs {
		recorded := slices.Clone(p.Trace)
		p.Trace = nil
		t.Cleanup(func() {
			if d := conformance.SideBySide(p.Trace, recorded); d != "" {
				t.Errorf("%s\n%s", p.Name, d)
			}
		})
	}
	if err := r.Record(t.Context(), programs); err != nil {
		t.Fatal(err)
	}
}

func TestTheGeneratorGivesTheCorpusAgain(t *testing.T) {
	r := reference(t)
	programs, err := conformance.Load("testdata/mixed.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	made, err := r.Generate(t.Context(), "mixed", 1, 5)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range made {
		ours, err1 := p.Source()
		theirs, err2 := programs[i].Source()
		if err1 != nil || err2 != nil || ours != theirs {
			t.Errorf("%v %v: %s\nis not %s", err1, err2, ours, theirs)
		}
	}
}
