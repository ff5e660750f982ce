package sim_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/sim"
)

var (
	replays      = flag.Int("bugs.replays", 3, "run each world that fails so often again, in each of two processes")
	replayedSeed = flag.Int("bugs.replayed", 4, "so many seeds that fail of each of five bugs are run again")
)

// replayed are the bugs whose failing seeds are run again.
var replayed = []string{
	"a pool's slot is lost on cancel (httpcore 1093)",
	"a reply goes to the next request (redis-py 2624)",
	"a late cancel hits the next query (asyncpg 547)",
	"a lost acknowledgement applies a request twice",
	"Raft: a vote is forgotten in a crash",
}

// TestChildReplays prints the hashes of the worlds of a bug, all runs of each seed in a
// line. It is run by TestAFailureIsTheSameWheneverItIsRun.
func TestChildReplays(t *testing.T) {
	name := os.Getenv("SIM_TEST_CHILD_BUG")
	if name == "" {
		t.Skip("it is run by another test")
	}
	for _, b := range bugs {
		if b.name != name {
			continue
		}
		for _, text := range strings.Fields(os.Getenv("SIM_TEST_CHILD_SEEDS")) {
			seed, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("replay %d", seed)
			for range *replays {
				r := sim.Run(func(w *sim.World) { b.world(w, false) }, append([]sim.Option{sim.Seed(seed), sim.Seeds(1), sim.ShrinkRuns(0), sim.Once()}, b.opts...)...)
				fmt.Printf(" %016x", r.Hash)
				if r.Err == nil {
					fmt.Printf("-holds")
				}
			}
			fmt.Println()
		}
	}
}

func TestAFailureIsTheSameWheneverItIsRun(t *testing.T) {
	for _, name := range replayed {
		t.Run(name, func(t *testing.T) {
			var b *bug
			for i := range bugs {
				if bugs[i].name == name {
					b = &bugs[i]
				}
			}
			if b == nil {
				t.Fatal("there is no such bug")
			}
			want := make(map[string]string)
			var seeds []string
			for first := uint64(1); len(seeds) < *replayedSeed; {
				r := sim.Run(func(w *sim.World) { b.world(w, false) }, append([]sim.Option{sim.Seed(first), sim.Seeds(10_000), sim.ShrinkRuns(0), sim.Once()}, b.opts...)...)
				if r.Err == nil {
					t.Fatalf("only %d seeds fail", len(seeds))
				}
				seed := strconv.FormatUint(r.Seed, 10)
				seeds = append(seeds, seed)
				want[seed] = fmt.Sprintf("%016x", r.Hash)
				first = r.Seed + 1
			}
			for _, procs := range []string{"1", "2"} {
				env := []string{"GOMAXPROCS=" + procs, "SIM_TEST_CHILD_BUG=" + name, "SIM_TEST_CHILD_SEEDS=" + strings.Join(seeds, " ")}
				out, ok := child(t, t.TempDir(), env, "-test.run=^TestChildReplays$", "-bugs.replays="+strconv.Itoa(*replays))
				if !ok {
					t.Fatal(out)
				}
				lines := 0
				for line := range strings.Lines(out) {
					fields := strings.Fields(line)
					if len(fields) < 2 || fields[0] != "replay" {
						continue
					}
					lines++
					for _, hash := range fields[2:] {
						if hash != want[fields[1]] {
							t.Errorf("on %s processors seed %s gave %s, not %s", procs, fields[1], hash, want[fields[1]])
						}
					}
					if len(fields)-2 != *replays {
						t.Errorf("%d replays of seed %s", len(fields)-2, fields[1])
					}
				}
				if lines != len(seeds) {
					t.Errorf("%d of %d seeds were run again", lines, len(seeds))
				}
			}
		})
	}
}
