package sim_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// orders returns in which orders three tasks and two callbacks have run.
func orders(t *testing.T, opts ...sim.Option) map[string]int {
	t.Helper()
	found := make(map[string]int)
	r := sim.Run(func(w *sim.World) {
		var log []string
		w.Host("h").Go(func(ctx context.Context) error {
			l, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return err
			}
			l.CallSoon(func() { log = append(log, "x") })
			for _, name := range []string{"a", "b", "c"} {
				asyncio.Go(ctx, func(context.Context) error {
					log = append(log, name)
					return nil
				})
			}
			l.CallSoon(func() { log = append(log, "y") })
			err = asyncio.Sleep(ctx, time.Second)
			found[fmt.Sprint(log)]++
			return err
		})
	}, append(opts, sim.Seeds(300))...)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return found
}

func TestOrdersOfWhatIsReady(t *testing.T) {
	if found := orders(t); len(found) != 1 || found["[x a b c y]"] == 0 {
		t.Errorf("by itself it is %v", found)
	}
	for name, opt := range map[string]sim.Option{"random": sim.RandomOrder(), "PCT": sim.PCT(1)} {
		found := orders(t, opt)
		if len(found) != 6 {
			t.Errorf("%s: %d orders of three tasks: %v", name, len(found), found)
		}
		for order := range found {
			if order[1] != 'x' || order[9] != 'y' {
				t.Errorf("%s: callbacks have moved: %s", name, order)
			}
		}
	}
	if found := orders(t, sim.WidePCT(1)); len(found) != 6 {
		t.Errorf("wide PCT: %v", found)
	}
}

// TestOnlyAWideOrderFindsStarvation has a task that must have its turn after another
// has had fourteen.
func TestOnlyAWideOrderFindsStarvation(t *testing.T) {
	starving := func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			served := false
			asyncio.Go(ctx, func(ctx context.Context) error {
				served = true
				return nil
			})
			for range 14 {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			if !served {
				return fmt.Errorf("starved")
			}
			return nil
		})
	}
	for i, opts := range [][]sim.Option{{}, {sim.RandomOrder()}, {sim.PCT(3)}, {sim.WidePCT(3)}} {
		r := sim.Run(starving, append(slices.Clone(opts), sim.Seeds(1000))...)
		if wide := i == 3; (r.Err != nil) != wide {
			t.Errorf("strategy %d, after %d worlds: %v", i, r.Worlds, r.Err)
		}
	}
}
