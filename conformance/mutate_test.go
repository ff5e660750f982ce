package conformance_test

import (
	"math/rand/v2"
	"testing"

	"github.com/asyncio-go/asyncio/conformance"
)

func TestMutateGivesOtherProgramsThatCanBeReadBackAndAreTheSameForASeed(t *testing.T) {
	programs, err := conformance.Load("testdata/mixed.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	other := 0
	for i, p := range programs {
		q := conformance.Mutate(rand.New(rand.NewPCG(uint64(i), 1)), p, 5)
		again := conformance.Mutate(rand.New(rand.NewPCG(uint64(i), 1)), p, 5)
		s := source(t, q)
		if s != source(t, again) {
			t.Fatalf("%s: a seed gave two programs", p.Name)
		}
		if s != source(t, p) {
			other++
		}
		if s != source(t, parse(t, s)) {
			t.Fatalf("%s is not read as it was written", s)
		}
		if _, err := conformance.Run(q, driver(t)...); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if other < len(programs)*9/10 {
		t.Errorf("only %d of %d programs are other than before", other, len(programs))
	}
}
