package asyncio_test

import (
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestAWorkerIsGivenAsManyCallsAsItsTasksMemoryAndSpeedAllow(t *testing.T) {
	plain := newProcessPool(t, 1)
	three := newProcessPool(t, 1, asyncio.WithMaxTasksPerChild(3))
	one := newProcessPool(t, 1, asyncio.WithMaxTasksPerChild(1))
	small := newProcessPool(t, 1, asyncio.WithMaxWorkerMemory(1))
	type w = asyncio.PoolWorker
	for _, c := range []struct {
		what    string
		pool    *asyncio.ProcessPoolExecutor
		worker  w
		request int
		want    bool
	}{
		{"idle", plain, w{}, 1 << 20, true},
		{"idle, after many tasks", plain, w{Tasks: 1000}, 1, true},
		{"idle, held up before", plain, w{HeldUp: true}, 1, true},
		{"idle, with a limit of memory", small, w{}, 1, true},
		{"starting", plain, w{Starting: true}, 1, false},
		{"ending", plain, w{Doomed: true}, 1, false},
		{"one task to go", three, w{Tasks: 2}, 1, true},
		{"no task to go", three, w{Tasks: 3}, 1, false},
		{"the last task under way", three, w{Tasks: 2, Calls: 1, Average: 1}, 1, false},
		{"a task to go behind another", three, w{Tasks: 1, Calls: 1, Average: 1}, 1, true},
		{"its only task", one, w{}, 1, true},
		{"after its only task", one, w{Tasks: 1}, 1, false},
		{"behind another", plain, w{Calls: 1, Average: 1}, 1, true},
		{"behind a long one", plain, w{Calls: 1, Average: 1, HeldUp: true}, 1, false},
		{"behind one of unknown length", plain, w{Calls: 1}, 1, false},
		{"behind another, with a limit of memory", small, w{Calls: 1, Average: 1}, 1, false},
		{"large", plain, w{Calls: 1, Average: 1}, asyncio.MaxAheadBytes, true},
		{"too large", plain, w{Calls: 1, Average: 1}, asyncio.MaxAheadBytes + 1, false},
		{"as many as it does in time", plain, w{Calls: 2, Average: asyncio.AheadTime / 2}, 1, true},
		{"more than it does in time", plain, w{Calls: 3, Average: asyncio.AheadTime / 2}, 1, false},
		{"many", plain, w{Calls: asyncio.MaxAhead, Average: 1}, 1, true},
		{"too many", plain, w{Calls: asyncio.MaxAhead + 1, Average: 1}, 1, false},
	} {
		if got := c.pool.HasRoom(c.worker, c.request); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestACallGoesToTheWorkerWithLessToDoAndThenToTheOneThatWorkedLast(t *testing.T) {
	type w = asyncio.PoolWorker
	for _, c := range []struct {
		a, b w
		want bool
	}{
		{w{Calls: 1, Last: 1}, w{Calls: 2, Last: 9}, true},
		{w{Calls: 2, Last: 9}, w{Calls: 1, Last: 1}, false},
		{w{Calls: 1, Last: 9}, w{Calls: 1, Last: 1}, true},
		{w{Calls: 1, Last: 1}, w{Calls: 1, Last: 9}, false},
		{w{Calls: 1, Last: 9}, w{Calls: 1, Last: 9}, false},
	} {
		if got := c.a.Before(c.b); got != c.want {
			t.Errorf("%+v before %+v: %v", c.a, c.b, got)
		}
	}
}

func TestAWorkerLearnsHowLongCallsTake(t *testing.T) {
	for _, c := range []struct{ average, took, want time.Duration }{
		{0, 800, 800}, {0, 0, 1}, {1, 1, 1}, {1, 801, 101}, {800, 0, 700}, {800, 1600, 900}, {time.Second, time.Second, time.Second},
	} {
		if got := (asyncio.PoolWorker{Average: c.average}).Learn(c.took); got != c.want {
			t.Errorf("after %d a call of %d makes %d, want %d", c.average, c.took, got, c.want)
		}
	}
}
