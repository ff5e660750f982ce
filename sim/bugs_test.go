package sim_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

var (
	mendedSeeds = flag.Int("bugs.seeds", 200, "run the mended programs with so many `seeds`") // 100000 with -sim.parallel take minutes
	shrinkRuns  = flag.Int("bugs.shrink", 1000, "make the tapes of the bugs smaller in so many `runs`; 8000 leave at most nine choices of each")
)

// A bug is one that was published, as a small program with it and without it.
type bug struct {
	name    string
	world   func(w *sim.World, mended bool)
	opts    []sim.Option
	choices int // that may be left of its tape after 1000 runs; 0: ten
}

var bugs = []bug{
	{name: "wait_for drops a result (bpo-37658)", world: waitForDropsResult},
	{name: "a cancelled waiter eats a wake-up (bpo-27585)", world: eatenWakeup},
	{name: "a notification between check and wait is lost", world: lostNotify},
	{name: "an item is dropped on timeout (bpo-42130)", world: itemDroppedOnTimeout, opts: []sim.Option{sim.Time(time.Second)}},
	{name: "a pool's slot is lost on cancel (httpcore 1093)", world: slotLost},
	{name: "a task group swallows a cancel (bpo-46771)", world: swallowedCancel},
	{name: "two drain at once (bpo-29930)", world: concurrentDrain},
	{name: "a reply goes to the next request (redis-py 2624)", world: offByOneReply},
	{name: "a late cancel hits the next query (asyncpg 547)", world: lateCancel},
	{name: "a lost acknowledgement applies a request twice", world: appliedTwice},
	{name: "a write without fencing after a pause", world: unfencedWrite},
	{name: "Raft: a vote is forgotten in a crash", world: raftElection(forgetsVotes)},
	{name: "Raft: two votes in one term", world: raftElection(votesTwice)},
	{name: "Raft: a vote of an older term is counted", world: raftElection(countsOldVotes), choices: 12},
	{name: "starvation of fourteen picks", world: starvation, opts: []sim.Option{sim.WidePCT(3)}},
}

func TestPublishedBugsAreFoundWithin1000Seeds(t *testing.T) {
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			r := sim.Run(func(w *sim.World) { b.world(w, false) }, append([]sim.Option{sim.Seeds(1000), sim.ShrinkRuns(*shrinkRuns)}, b.opts...)...)
			if r.Err == nil {
				t.Fatalf("not in %d worlds", r.Worlds)
			}
			if errors.Is(r.Err, sim.ErrDiverged) || errors.Is(r.Err, sim.ErrLivelock) {
				t.Fatal(r.Err)
			}
			first, _, _ := strings.Cut(r.Err.Error(), "\n")
			t.Logf("seed %d, %d choices: %s", r.Seed, r.Choices, first)
			most := 10
			if *shrinkRuns <= 1000 {
				most = max(b.choices, most)
			}
			if r.Choices > most {
				t.Errorf("%d choices are left", r.Choices)
			}
		})
	}
}

func TestMendedProgramsHoldInAllWorlds(t *testing.T) {
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			sim.Test(t, func(w *sim.World) { b.world(w, true) }, append([]sim.Option{sim.Seeds(*mendedSeeds), sim.ShrinkRuns(300)}, b.opts...)...)
		})
	}
}

// some sleeps for up to 20 whole milliseconds.
func some(ctx context.Context, w *sim.World) error {
	return asyncio.Sleep(ctx, time.Duration(w.Pick(20))*time.Millisecond)
}

// serveLines answers each line that comes to a port.
func serveLines(port string, answer func(ctx context.Context, line string) string) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, "tcp", port, func(ctx context.Context, s *asyncio.Stream) error {
			defer s.Close()
			for {
				line, err := s.ReadLine(ctx)
				if err != nil || len(line) == 0 {
					return nil
				}
				if _, err := s.Write([]byte(answer(ctx, strings.TrimSpace(string(line))) + "\n")); err != nil {
					return nil
				}
			}
		})
		if err != nil {
			return err
		}
		return s.ServeForever(ctx)
	}
}

// call asks a server one line, and gives up after a while.
func call(ctx context.Context, address, line string, within time.Duration) (reply string, err error) {
	err = asyncio.Timeout(ctx, within, func(ctx context.Context) error {
		s, err := dialRetrying(ctx, address)
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := fmt.Fprintln(s, line); err != nil {
			return err
		}
		line, err := s.ReadLine(ctx)
		if err == nil && !bytes.HasSuffix(line, []byte("\n")) {
			err = io.ErrUnexpectedEOF
		}
		reply = strings.TrimSpace(string(line))
		return err
	})
	return reply, err
}

// starvation is a task that must have its turn before another has had fourteen.
func starvation(w *sim.World, mended bool) {
	w.Host("h").Go(func(ctx context.Context) error {
		served := false
		t := asyncio.Go(ctx, func(ctx context.Context) error {
			served = true
			return nil
		})
		if mended { // it waits for what it needs, and does not count on a turn
			_, err := t.Await(ctx)
			return err
		}
		for range 14 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		if !served {
			return errors.New("it has starved")
		}
		return nil
	})
}
