package sim_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// failsRarely fails with a seed in some hundred.
func failsRarely(w *sim.World) {
	w.Host("h").Go(func(ctx context.Context) error {
		odd := w.Pick(300) == 299
		w.Sometimes("even", !odd)
		if odd {
			return errors.New("it is odd")
		}
		return asyncio.Sleep(ctx, 0)
	})
}

// TestChildRunsInParallel is run by TestSeedsAreDealtOutToProcesses.
func TestChildRunsInParallel(t *testing.T) {
	if os.Getenv("SIM_TEST_CHILD") == "" {
		t.Skip("it is run by another test")
	}
	sim.Test(t, func(w *sim.World) { w.Sometimes("never before", true) }) // another call, which the processes leave out
	t.Run("sub test", func(t *testing.T) { sim.Test(t, failsRarely) })
}

func TestSeedsAreDealtOutToProcesses(t *testing.T) {
	alone := sim.Run(failsRarely, sim.Seeds(5000), sim.ShrinkRuns(0))
	if alone.Err == nil {
		t.Fatal("it does not fail")
	}
	dir := t.TempDir()
	out, ok := child(t, dir, nil, "-test.run=^TestChildRunsInParallel$", "-sim.parallel=2", "-sim.seeds=5000", "-test.v")
	m := regexp.MustCompile(`seed (\d+), world (\d+): .*it is odd`).FindStringSubmatch(out)
	if ok || m == nil {
		t.Fatalf("it passed: %v\n%s", ok, out)
	}
	if want := strconv.FormatUint(alone.Seed, 10); m[1] != want {
		t.Errorf("in processes seed %s has failed, and alone %s", m[1], want)
	}
	if !strings.Contains(out, "never before: 5000 times in 5000 worlds") {
		t.Errorf("the other call has not run all its seeds:\n%s", out)
	}
	if out, ok := child(t, dir, []string{"ASYNCIO_SIM_PARALLEL=true"}, "-test.run=^TestChildRunsInParallel$", "-sim.seeds=90", "-test.v", "-test.count=2"); !ok || strings.Count(out, "even: 90 times in 90 worlds") != 2 {
		t.Errorf("it passed: %v\n%s", ok, out)
	}
	if out, ok := child(t, dir, nil, "-test.run=^TestChildRunsInParallel$", "-sim.parallel=x"); ok || !strings.Contains(out, "neither a number") {
		t.Errorf("it passed: %v\n%s", ok, out)
	}
}
