package asyncio_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// A steppedTest is a loop that a test turns.
type steppedTest struct {
	t    *testing.T
	loop *asyncio.Loop
	hook.SteppedLoop
}

func newSteppedTest(t *testing.T, opts ...asyncio.Option) *steppedTest {
	t.Helper()
	l := must(asyncio.NewLoop(append([]asyncio.Option{asyncio.WithVirtualClock()}, opts...)...))
	s := &steppedTest{t, l, hook.Step(l)}
	t.Cleanup(func() {
		for range 2 { // the second finds it closed
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

func (s *steppedTest) turn() {
	s.t.Helper()
	if err := s.Turn(); err != nil {
		s.t.Fatal(err)
	}
	if s.loop.IsRunning() {
		s.t.Fatal("it runs between two turns")
	}
}

func (s *steppedTest) task(name string, fn func(ctx context.Context) error) *asyncio.Task[struct{}] {
	return asyncio.CreateTaskOn(s.loop, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) }, asyncio.WithName(name))
}

func (s *steppedTest) wantTasks(what string, want ...hook.TaskState) {
	s.t.Helper()
	if got := s.Tasks(); !slices.Equal(got, want) {
		s.t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func TestASteppedLoopTellsWhatItsTasksDo(t *testing.T) {
	s := newSteppedTest(t)
	future := asyncio.NewFuture[int](s.loop)
	queue := asyncio.NewQueue[int](0)
	sleeper := s.task("sleeps", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
	other := s.task("awaits", func(ctx context.Context) error { return errorOf(future.Await(ctx)) })
	s.task("joins", func(ctx context.Context) error { return errorOf(sleeper.Await(ctx)) })
	s.task("gathers", func(ctx context.Context) error { return errorOf(asyncio.GatherSettled(ctx, sleeper, other)) })
	s.task("gets", func(ctx context.Context) error { return errorOf(queue.Get(ctx)) })
	s.task("yields", func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) })
	state := func(id uint64, name, state, waits string, steps uint32) hook.TaskState {
		return hook.TaskState{ID: id, Name: name, State: state, Waits: waits, Steps: steps}
	}
	s.wantTasks("before the first turn",
		state(1, "sleeps", "not started", "", 0), state(2, "awaits", "not started", "", 0), state(3, "joins", "not started", "", 0),
		state(4, "gathers", "not started", "", 0), state(5, "gets", "not started", "", 0), state(6, "yields", "not started", "", 0))
	wait := []hook.TaskState{
		state(1, "sleeps", "waits", "sleep", 1), state(2, "awaits", "waits", "", 1), state(3, "joins", "waits", "task Task-1", 1),
		state(4, "gathers", "waits", "", 1), state(5, "gets", "waits", "queue get: empty", 1),
	}
	s.turn()
	s.wantTasks("after one turn", append(wait[:5:5], state(6, "yields", "ready", "", 1))...)
	s.turn()
	s.wantTasks("after two turns", wait...)
}

func TestASteppedLoopSaysWhenItHasSomethingToDo(t *testing.T) {
	s := newSteppedTest(t)
	if s.Ready(time.Hour) || s.Next() != driver.Forever {
		t.Error("it has something to do from the beginning")
	}
	s.loop.CallSoon(func() {})
	if !s.Ready(0) {
		t.Error("a callback is not seen")
	}
	s.turn()
	if s.Ready(time.Hour) {
		t.Error("the callback is seen after it has run")
	}
	if _, err := s.loop.CallSoonThreadsafe(func() {}); err != nil || !s.Ready(0) {
		t.Errorf("what comes from a thread is not seen: %v", err)
	}
	s.turn()
	s.loop.CallLater(time.Second, func() {})
	at := s.loop.Time() + time.Second
	if s.Ready(at-1) || !s.Ready(at) || s.Next() != at {
		t.Errorf("a timer at %v is seen at %v", at, s.Next())
	}
	s.turn()
	if s.Ready(time.Hour) {
		t.Error("the timer is seen after it has fired")
	}
	if _, ok := s.Deadline(); ok {
		t.Error("it has a deadline that nobody has set")
	}
}

func TestASteppedLoopSeesTheEndOfTheContextsItsTasksWaitWith(t *testing.T) {
	s := newSteppedTest(t)
	when := time.Now().Add(time.Hour)
	var cancel context.CancelFunc
	var told error
	s.task("limited", func(ctx context.Context) error {
		ctx, cancel = context.WithDeadline(ctx, when)
		told = asyncio.Sleep(ctx, 2*time.Hour)
		return nil
	})
	s.task("later", func(ctx context.Context) error {
		ctx, cancel := context.WithDeadline(ctx, when.Add(1))
		defer cancel()
		return asyncio.Sleep(ctx, time.Nanosecond)
	})
	s.turn()
	if at, ok := s.Deadline(); !ok || !at.Equal(when) {
		t.Errorf("its deadline is %v, %t, want %v", at, ok, when)
	}
	if s.Ready(0) {
		t.Error("it has something to do before the context ends")
	}
	cancel()
	if !s.Ready(0) {
		t.Error("the end of the context is not seen")
	}
	s.turn()
	if told != context.Canceled {
		t.Errorf("the task was told %v", told)
	}
	s.turn() // the clock goes to the timer
	s.turn()
	if _, ok := s.Deadline(); ok || len(s.Tasks()) > 0 {
		t.Error("it still waits for the end of a context")
	}
}

func TestASteppedLoopRunsWhatItIsToldToInThatOrder(t *testing.T) {
	s := newSteppedTest(t)
	var ran []string
	for _, name := range []string{"a", "b"} {
		s.task(name, func(ctx context.Context) error { ran = append(ran, name); return nil })
	}
	s.loop.CallSoon(func() { ran = append(ran, "c") })
	var given [][]uint64
	s.Arrange(func(tasks []uint64) ([]int, int) {
		given = append(given, slices.Clone(tasks))
		if len(tasks) == 3 {
			return []int{2, 1, 0}, 2
		}
		return []int{0}, 1
	})
	s.turn()
	if !slices.Equal(ran, []string{"c", "b"}) {
		t.Errorf("in the first turn ran %v", ran)
	}
	s.turn()
	if !slices.Equal(ran, []string{"c", "b", "a"}) {
		t.Errorf("in two turns ran %v", ran)
	}
	if len(given) != 2 || !slices.Equal(given[0], []uint64{1, 2, 0}) || !slices.Equal(given[1], []uint64{1}) {
		t.Errorf("it was asked about %v", given)
	}
}

func TestASteppedLoopGoesOnWhileItIsTold(t *testing.T) {
	s := newSteppedTest(t)
	turns, asked := 0, 0
	var again func()
	again = func() { turns++; s.loop.CallSoon(again) }
	s.loop.CallSoon(again)
	s.turn()
	if turns != 1 {
		t.Errorf("%d turns before anybody was asked", turns)
	}
	s.Again(func() bool { asked++; return asked < 3 })
	s.turn()
	if turns != 4 || asked != 3 {
		t.Errorf("%d turns, asked %d times", turns, asked)
	}
	// What else there is to do ends a turn, whoever wants to go on.
	for what, does := range map[string]func(){
		"a timer is due":      func() { s.loop.CallAt(s.loop.Time(), func() {}) },
		"something has come":  func() { s.loop.CallSoonThreadsafe(func() {}) },
		"it was told to stop": s.loop.Stop,
	} {
		asked, turns = 0, 0
		s.loop.CallSoon(does)
		s.turn()
		if turns != 1 || asked != 0 {
			t.Errorf("%s: %d turns, asked %d times", what, turns, asked)
		}
		asked = 3 // no more
		s.turn()
	}
}

func TestASteppedLoopEndsATurnThatIsAbandonedWithTheStepThatRuns(t *testing.T) {
	s := newSteppedTest(t)
	ran := 0
	s.loop.CallSoon(func() { ran++; s.Abandon() })
	s.loop.CallSoon(func() { ran += 10 })
	s.turn()
	if ran != 1 {
		t.Errorf("ran %d in the turn that was abandoned", ran)
	}
	s.turn()
	if ran != 11 {
		t.Errorf("ran %d in the turn after it", ran)
	}
}

// A fencedClock is a clock of a closed world.
type fencedClock struct{ *asyncio.Clock }

func (fencedClock) Escape(what string) error { return errBoom }

func TestASteppedLoopOfAClosedWorldCallsWhatWaitsForTheEndOfAContext(t *testing.T) {
	s := newSteppedTest(t, asyncio.WithDriver(fencedClock{asyncio.NewClock()}))
	when := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), when)
	defer cancel()
	called := ""
	hook.WhenDone(s.loop, ctx, func() { called += "a" })
	stop := hook.WhenDone(s.loop, ctx, func() { called += "b" })
	hook.WhenDone(s.loop, ctx, func() { called += "c" })
	earlier, end := context.WithDeadline(ctx, when.Add(-1))
	defer end()
	stopEarlier := hook.WhenDone(s.loop, earlier, func() { called += "d" })
	if at, ok := s.Deadline(); !ok || !at.Equal(when.Add(-1)) {
		t.Errorf("its deadline is %v, %t", at, ok)
	}
	stop()
	stopEarlier()
	if at, ok := s.Deadline(); !ok || !at.Equal(when) {
		t.Errorf("what was stopped is waited for: the deadline is %v, %t", at, ok)
	}
	if s.Ready(0) {
		t.Error("it has something to do before the context ends")
	}
	cancel()
	if !s.Ready(0) {
		t.Error("the end of the context is not seen")
	}
	s.turn()
	if _, ok := s.Deadline(); ok || s.Ready(0) || called != "ac" {
		t.Errorf("%q were called; a deadline: %t", called, ok)
	}
}

func TestASteppedLoopThatIsClosedHasNothingToDo(t *testing.T) {
	s := newSteppedTest(t)
	s.loop.CallSoon(func() {})
	s.loop.CallLater(time.Second, func() {})
	if _, err := s.loop.CallSoonThreadsafe(func() {}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Ready(time.Hour) || s.Next() != driver.Forever {
		t.Error("it has something to do")
	}
}
