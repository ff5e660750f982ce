package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"pgregory.net/rapid"
)

// noting runs body on a clock that it lets go by, while the loop takes note of what
// level says.
func noting(t *testing.T, level asyncio.InsightLevel, body func(t *testing.T, ctx context.Context, clock *asyncio.Clock)) {
	t.Helper()
	withInsight(t, level)
	clock := asyncio.NewClock()
	runOn(t, asyncio.WithClock(clock), func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		clock.Outside = func() bool { return l.Stats().Jobs > 0 } // who looks is waited for
		body(t, ctx, clock)
	})
}

func TestStepsAreTimedToTheNanosecond(t *testing.T) {
	noting(t, asyncio.InsightEveryStep, func(t *testing.T, ctx context.Context, clock *asyncio.Clock) {
		l := loopOf(ctx)
		main := asyncio.TaskNumber(asyncio.CurrentTask(ctx))
		asyncio.Sleep(ctx, time.Second)
		takes := func(d time.Duration) func(ctx context.Context) error {
			return func(ctx context.Context) error { clock.Pass(d); return nil }
		}
		began := l.Time()
		slow := asyncio.Go(ctx, takes(time.Millisecond), asyncio.WithName("slow"))
		slow.Await(ctx)
		asyncio.Go(ctx, takes(time.Millisecond-1), asyncio.WithName("quick")).Await(ctx)
		l.CallSoon(func() { clock.Pass(3 * time.Millisecond) })
		asyncio.Sleep(ctx, 0)
		asyncio.Go(ctx, func(ctx context.Context) error {
			clock.Pass(2 * time.Microsecond)
			asyncio.Sleep(ctx, 0)
			clock.Pass(3 * time.Microsecond)
			return asyncio.Sleep(ctx, time.Hour)
		}, asyncio.WithName("sleeper"))
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		k := look(t, ctx)
		want := []asyncio.StepLook{
			{Of: 1, At: began + 2*time.Millisecond - 1, Took: 3 * time.Millisecond},
			{Of: 1, At: began, Took: time.Millisecond, Task: asyncio.TaskNumber(slow), Name: "slow"},
		}
		if len(k.Slow) != 2 || fmt.Sprint(k.Slow) != fmt.Sprint(want) {
			t.Errorf("slow were %+v, want %+v", k.Slow, want)
		}
		for i, n := range k.Steps.Counts {
			if want, ok := map[int]uint64{4: 1, 5: 1, 13: 2, 15: 1}[i]; i > 0 && n != want {
				t.Errorf("%d steps of %v, want %d, %t", n, 128*time.Nanosecond<<i, want, ok)
			}
		}
		if k.Steps.Counts[0] == 0 || len(k.Steps.Counts) != 16 {
			t.Errorf("steps: %v", k.Steps.Counts)
		}
		if s := taskOf(t, k, "sleeper"); s.Busy != 5*time.Microsecond || s.Parent != main || s.Steps != 2 {
			t.Errorf("%+v", s)
		}
		ended := k.Ended[1]
		if ended != (asyncio.EndLook{ID: asyncio.TaskNumber(slow), Parent: main, Name: "slow", Ended: began + time.Millisecond, Busy: time.Millisecond, State: "done"}) {
			t.Errorf("%+v", ended)
		}
		var events []asyncio.EventLook
		for _, e := range k.Events {
			if e.Task == asyncio.TaskNumber(slow) {
				e.Seq = 0
				events = append(events, e)
			}
		}
		if !slices.Equal(events, []asyncio.EventLook{
			{At: began, Kind: "made", Task: asyncio.TaskNumber(slow), Parent: main},
			{At: began, Kind: "slow", Task: asyncio.TaskNumber(slow), Took: time.Millisecond},
			{At: began + time.Millisecond, Kind: "ended", Task: asyncio.TaskNumber(slow), Parent: main},
		}) {
			t.Errorf("events: %+v", events)
		}
		if i := slices.IndexFunc(k.Events, func(e asyncio.EventLook) bool { return e.Kind == "park" }); i < 0 || k.Events[i].Took != time.Second || k.Events[i].At != began {
			t.Errorf("%d: %+v", i, k.Events)
		}
	})
}

func TestStepsThatWereNotTimedAreSlowTogether(t *testing.T) {
	noting(t, asyncio.InsightOn, func(t *testing.T, ctx context.Context, clock *asyncio.Clock) {
		l := loopOf(ctx)
		for i, over := range []time.Duration{-1, 0} {
			for range 300 { // no step is timed any more
				asyncio.Sleep(ctx, 0)
			}
			asyncio.Sleep(ctx, time.Second)
			at := l.Time()
			l.CallSoon(func() { clock.Pass(4 * time.Millisecond) })
			l.CallSoon(func() { clock.Pass(6*time.Millisecond + over) })
			asyncio.Sleep(ctx, 0)
			asyncio.Sleep(ctx, 0)
			k := look(t, ctx)
			if len(k.Slow) != i || i == 1 && (k.Slow[0].Of != 4 || k.Slow[0].At != at || k.Slow[0].Took != 10*time.Millisecond || k.Slow[0].Task != 0) {
				t.Errorf("%d: %+v", i, k.Slow)
			}
			if len(k.Turns.Counts) != 17 || k.Turns.Counts[16] != uint64(2*i+2) {
				t.Errorf("turns: %v", k.Turns.Counts)
			}
		}
	})
}

func TestAfterTurnsThatWereLongSomeStepsAreTimed(t *testing.T) {
	noting(t, asyncio.InsightOn, func(t *testing.T, ctx context.Context, clock *asyncio.Clock) {
		count := func(k *asyncio.LoopLook) (n uint64) {
			for _, c := range k.Steps.Counts {
				n += c
			}
			return n
		}
		for range 300 {
			asyncio.Sleep(ctx, 0)
		}
		before := count(look(t, ctx))
		asyncio.Sleep(ctx, time.Second)
		clock.Pass(2 * 2 * time.Microsecond) // as long as the two that have run may be
		for range 300 {
			asyncio.Sleep(ctx, 0)
		}
		if n := count(look(t, ctx)); n != before {
			t.Errorf("%d steps were timed, %d before", n, before)
		}
		asyncio.Sleep(ctx, time.Second)
		clock.Pass(2*2*time.Microsecond + 1)
		for range 600 {
			asyncio.Sleep(ctx, 0)
		}
		if n := count(look(t, ctx)) - before; n != 256 {
			t.Errorf("%d steps were timed", n)
		}
		// Then others are passed over, unless they are long.
		for _, c := range []struct {
			took time.Duration
			want uint64
		}{{2*2*time.Microsecond + 1, 0}, {2 * 20 * time.Microsecond, 0}, {2*20*time.Microsecond + 1, 256}} {
			before := count(look(t, ctx))
			asyncio.Sleep(ctx, time.Second)
			clock.Pass(c.took)
			for range 600 {
				asyncio.Sleep(ctx, 0)
			}
			if n := count(look(t, ctx)) - before; n != c.want {
				t.Errorf("after %v %d steps were timed", c.took, n)
			}
		}
	})
}

func TestOfShortStepsOneInEightIsTimedAndStandsForTheOthers(t *testing.T) {
	noting(t, asyncio.InsightOn, func(t *testing.T, ctx context.Context, clock *asyncio.Clock) {
		const steps, each = 50_000, 5 * time.Microsecond
		worker := asyncio.Go(ctx, func(ctx context.Context) error {
			for range steps {
				clock.Pass(each)
				asyncio.Sleep(ctx, 0)
			}
			return asyncio.Sleep(ctx, time.Hour)
		}, asyncio.WithName("worker"))
		asyncio.Sleep(ctx, time.Second)
		if busy, want := taskOf(t, look(t, ctx), "worker").Busy, steps*each; busy < want/2 || busy > want*3/2 {
			t.Errorf("it was busy for %v, want about %v", busy, want)
		}
		worker.Cancel()
		asyncio.GatherSettled(ctx, worker)
	})
}

func TestHowLateTimersAreIsCountedForEveryFourth(t *testing.T) {
	noting(t, asyncio.InsightOn, func(t *testing.T, ctx context.Context, clock *asyncio.Clock) {
		asyncio.Sleep(ctx, time.Second)
		for range 8 {
			loopOf(ctx).CallLater(time.Millisecond, func() {})
		}
		clock.Pass(3 * time.Millisecond)
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		if k := look(t, ctx); len(k.Late.Counts) != 15 || k.Late.Counts[14] != 8 {
			t.Errorf("%v", k.Late.Counts)
		}
	})
}

// unspeakable is an error whose text cannot be had.
type unspeakable struct{}

func (unspeakable) Error() string { panic("unspeakable") }

func TestOfTheTasksThatHaveEndedTheLastAreKept(t *testing.T) {
	noting(t, asyncio.InsightOn, func(t *testing.T, ctx context.Context, _ *asyncio.Clock) {
		long := strings.Repeat("x", 200)
		end := func(err error, opts ...asyncio.TaskOption) uint64 {
			task := asyncio.Go(ctx, func(ctx context.Context) error { return err }, opts...)
			task.Await(ctx)
			return asyncio.TaskNumber(task)
		}
		for err, want := range map[error]string{errors.New(long): long, errors.New(long + "y"): long + "...", unspeakable{}: "an error whose text cannot be had"} {
			end(err, asyncio.WithName("named"))
			if k := look(t, ctx); k.Ended[0].Name != "named" || k.Ended[0].State != "failed" || k.Ended[0].Err != want {
				t.Errorf("%+v", k.Ended[0])
			}
		}
		for range 64 { // the next take the place of these
			end(errBoom, asyncio.WithName("named"))
		}
		var ids []uint64
		for range 64 {
			ids = append(ids, end(nil))
		}
		k := look(t, ctx)
		slices.Reverse(ids)
		if len(k.Ended) != 64 {
			t.Fatal(len(k.Ended))
		}
		for i, e := range k.Ended {
			if e.ID != ids[i] || e.Name != fmt.Sprintf("Task-%d", e.ID) || e.Err != "" || e.State != "done" {
				t.Errorf("%d: %+v, want %d", i, e, ids[i])
			}
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		task.Cancel() // before it has begun
		asyncio.GatherSettled(ctx, task)
		if k := look(t, ctx); k.Ended[0].ID != asyncio.TaskNumber(task) || k.Ended[0].State != "cancelled" || k.Ended[0].Err != "" {
			t.Errorf("%+v", k.Ended[0])
		}
		task = asyncio.Go(ctx, func(ctx context.Context) error { asyncio.CurrentTask(ctx).Cancel(); return nil }) // in its last step
		asyncio.GatherSettled(ctx, task)
		if k := look(t, ctx); k.Ended[0].ID != asyncio.TaskNumber(task) || k.Ended[0].State != "cancelled" || k.Ended[0].Err != "" {
			t.Errorf("%+v", k.Ended[0])
		}
	})
}

func TestEventsAreNotedForFiveSeconds(t *testing.T) {
	noting(t, asyncio.InsightOn, func(t *testing.T, ctx context.Context, _ *asyncio.Clock) {
		asyncio.Go(ctx, func(ctx context.Context) error { return nil }).Await(ctx)
		asyncio.Sleep(ctx, time.Second)
		if k := look(t, ctx); len(k.Events) > 0 {
			t.Errorf("nobody has asked for %+v", k.Events)
		}
		asyncio.Sleep(ctx, 5*time.Second-1)
		in := asyncio.Go(ctx, func(ctx context.Context) error { return nil })
		in.Await(ctx)
		asyncio.Sleep(ctx, 1)
		out := asyncio.Go(ctx, func(ctx context.Context) error { return nil })
		out.Await(ctx)
		k := look(t, ctx)
		var kinds []string
		for _, e := range k.Events {
			if e.Task == asyncio.TaskNumber(in) {
				kinds = append(kinds, e.Kind)
			}
			if e.Task == asyncio.TaskNumber(out) {
				t.Errorf("too late: %+v", e)
			}
		}
		if !slices.Equal(kinds, []string{"made", "ended"}) {
			t.Errorf("%v in %+v", kinds, k.Events)
		}
	})
}

func TestEventsAreNumberedAndTheLastAreKept(t *testing.T) {
	noting(t, asyncio.InsightEveryStep, func(t *testing.T, ctx context.Context, _ *asyncio.Clock) {
		for range 2000 { // each is made, runs and ends
			asyncio.Go(ctx, func(ctx context.Context) error { return nil }).Await(ctx)
		}
		k := look(t, ctx)
		n := len(k.Events)
		if n != 4096 || k.Events[n-1].Seq-k.Events[0].Seq != 4095 {
			t.Fatalf("%d events: %+v ... %+v", n, k.Events[0], k.Events[n-1])
		}
		last := k.Events[n-1]
		l := loopOf(ctx)
		after := func(seq uint64) []asyncio.EventLook {
			k, err := asyncio.ToThread(ctx, func(ctx context.Context) (*asyncio.LoopLook, error) {
				return l.Look(ctx, time.Minute, asyncio.LookOptions{Events: &seq})
			})
			if err != nil {
				t.Fatal(err)
			}
			return k.Events
		}
		if again := after(last.Seq - 1); len(again) < 2 || again[0] != last || again[1].Seq != last.Seq+1 {
			t.Errorf("%+v, want it to begin with %+v", again, last)
		}
		if none := after(last.Seq + 1000); len(none) > 0 {
			t.Errorf("%+v", none)
		}
	})
}

func TestWhoHasMadeATaskIsNoted(t *testing.T) {
	noting(t, asyncio.InsightOn, func(t *testing.T, ctx context.Context, clock *asyncio.Clock) {
		forever := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }
		loopOf(ctx).CallSoon(func() { asyncio.Go(ctx, forever, asyncio.WithName("of a callback")) })
		asyncio.Go(ctx, func(ctx context.Context) error {
			asyncio.Go(ctx, forever, asyncio.WithName("grandchild"))
			return forever(ctx)
		}, asyncio.WithName("child"))
		asyncio.Sleep(ctx, 10*time.Second)
		k := look(t, ctx)
		if p := taskOf(t, k, "of a callback").Parent; p != 0 {
			t.Errorf("a callback is %d", p)
		}
		child := taskOf(t, k, "child")
		if got := taskOf(t, k, "grandchild").Parent; got != child.ID {
			t.Errorf("%d, want %d", got, child.ID)
		}
		if child.For < 10*time.Second || child.For > 10*time.Second+2*time.Millisecond {
			t.Errorf("for %v", child.For)
		}
	})
}

func TestWhatALoopTakesNoteOf(t *testing.T) {
	withInsight(t, asyncio.InsightEveryStep)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		asyncio.Go(ctx, func(ctx context.Context) error {
			for began := time.Now(); time.Since(began) < 2*time.Millisecond; {
			}
			return nil
		}, asyncio.WithName("slow")).Await(ctx)
		asyncio.Go(ctx, func(ctx context.Context) error { return errBoom }, asyncio.WithName("fails")).Await(ctx)
		gone := asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) }, asyncio.WithName("gone"))
		for parks := loopOf(ctx).Stats().Parks; loopOf(ctx).Stats().Parks == parks; { // it may wake up at once
			asyncio.Sleep(ctx, time.Millisecond)
		}
		gone.Cancel()
		gone.Await(ctx)
		k := look(t, ctx)
		for i, want := range []struct{ name, state, err string }{{"gone", "cancelled", ""}, {"fails", "failed", "boom"}, {"slow", "done", ""}} {
			if got := k.Ended[i]; got.Name != want.name || got.State != want.state || got.Err != want.err || got.Parent == 0 {
				t.Errorf("%+v, want %v", got, want)
			}
		}
		if slow := k.Ended[2]; slow.Busy < 2*time.Millisecond {
			t.Errorf("it has taken %v", slow.Busy)
		}
		if i := slices.IndexFunc(k.Slow, func(s asyncio.StepLook) bool { return s.Name == "slow" }); i < 0 || k.Slow[i].Took < 2*time.Millisecond || k.Slow[i].Of != 1 {
			t.Errorf("slow: %+v", k.Slow)
		}
		if k.Steps.Quantile(1) < 2*time.Millisecond || k.Steps.Quantile(0) > time.Millisecond || len(k.Turns.Counts) == 0 {
			t.Errorf("steps %v, turns %v", k.Steps, k.Turns)
		}
		kinds := make(map[string]int)
		for i, e := range k.Events {
			kinds[e.Kind]++
			if e.Seq != k.Events[0].Seq+uint64(i) {
				t.Errorf("event %d is number %d", i, e.Seq)
			}
		}
		if kinds["made"] < 3 || kinds["ended"] < 3 || kinds["step"] == 0 || kinds["slow"] == 0 || kinds["park"] == 0 {
			t.Errorf("events: %v", kinds)
		}
	})
}

func TestALoopThatWasBusyForLongSaysSoEvenIfNoStepWasTimed(t *testing.T) {
	withInsight(t, asyncio.InsightOn)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		asyncio.Sleep(ctx, time.Millisecond)
		for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		}
		asyncio.Sleep(ctx, 0)
		long := func(s asyncio.StepLook) bool { return s.Took >= 20*time.Millisecond }
		if k := look(t, ctx); !slices.ContainsFunc(k.Slow, long) { // what came after it may have been slow, too
			t.Errorf("%+v", k.Slow)
		}
	})
}

func TestTheLastOfMoreOrFewerThings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := 1 << rapid.IntRange(0, 4).Draw(t, "size")
		s := asyncio.NewLastOf(size)
		var all []int
		kept := 0 // so many of the last
		for range rapid.IntRange(0, 60).Draw(t, "actions") {
			if rapid.IntRange(0, 9).Draw(t, "action") == 0 {
				size = 1 << rapid.IntRange(0, 4).Draw(t, "other size")
				s.Keep(size)
			} else {
				s.Add(len(all))
				all = append(all, len(all))
				kept++
			}
			kept = min(kept, size)
			after := rapid.IntRange(0, len(all)).Draw(t, "after")
			first, list := s.Since(uint64(after))
			if want := max(after, len(all)-kept); int(first) != want || !slices.Equal(list, all[want:]) {
				t.Fatalf("of %d, of which %d are kept, after %d: %d %v", len(all), kept, after, first, list)
			}
		}
	})
}

func TestWhatATaskNotesInFewBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Duration(rapid.Int64Range(0, int64(36*365*24*time.Hour)).Draw(t, "at"))
		if got := asyncio.Since(at); got > at || at-got > 2*time.Millisecond {
			t.Fatalf("%v became %v", at, got)
		}
		id := rapid.Uint64Range(2, 1<<40).Draw(t, "id")
		parent := id - rapid.Uint64Range(1, min(id-1, 1<<32-1)).Draw(t, "before")
		if got := asyncio.FullParent(id, uint32(parent)); got != parent && uint32(parent) != 0 {
			t.Fatalf("the parent of %d is %d, not %d", id, got, parent)
		}
	})
}

func TestQuantilesOfAHistogram(t *testing.T) {
	h := asyncio.HistogramLook{Counts: []uint64{0, 98, 0, 2}}
	for q, want := range map[float64]time.Duration{0: 256, 0.5: 256, 0.98: 256, 0.99: 1024, 1: 1024} {
		if got := h.Quantile(q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if got := (asyncio.HistogramLook{}).Quantile(0.5); got != 0 {
		t.Error(got)
	}
}

func TestAHistogramEndsWithTheLastThatIsNotEmpty(t *testing.T) {
	for _, c := range []struct {
		counted []time.Duration
		want    []uint64
	}{
		{nil, nil},
		{[]time.Duration{0, 127}, []uint64{2}},
		{[]time.Duration{128, 255}, []uint64{0, 2}},
		{[]time.Duration{1, 256, 511, 512}, []uint64{1, 0, 2, 1}},
	} {
		if got := asyncio.Counts(c.counted...); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.counted, got, c.want)
		}
	}
}
