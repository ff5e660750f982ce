package asyncio_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestWhatJobsLastIsAnAverageThatNoLongOneSpoils(t *testing.T) {
	for _, c := range []struct{ before, took, want time.Duration }{
		{800, 1600, 900}, {800, 0, 700}, {0, time.Hour, 10 * asyncio.LongJob / 8}, {10 * asyncio.LongJob, time.Hour, 10 * asyncio.LongJob},
	} {
		if got := asyncio.NewCrowd(1, c.before, nil).Note(c.took); got != c.want {
			t.Errorf("%v and then %v make %v, want %v", c.before, c.took, got, c.want)
		}
	}
}

func TestMoreWorkersThanProcessorsNeedAFreeOneOrJobsThatWait(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		what    string
		lasts   time.Duration
		free    bool
		ready   int
		workers int
		want    bool
	}{
		{"a processor without a worker", time.Hour, false, 1000, 3, true},
		{"all have one, and many are ready", time.Hour, false, 1000, 4, false},
		{"one is free", time.Hour, true, 1000, 4, true},
		{"none is ready", time.Hour, false, 0, 5, true},
		{"one waits", time.Hour, false, 2, 6, true},
		{"none waits", time.Hour, false, 3, 6, false},
		{"jobs are just long enough", asyncio.LongJob, false, 1000, 6, false},
		{"jobs are short", asyncio.LongJob - 1, false, 1000, 6, true},
	} {
		crowd := asyncio.NewCrowd(4, c.lasts, func() (bool, int) { return c.free, c.ready })
		if got := crowd.Admits(c.workers, now); got != c.want {
			t.Errorf("%s: another worker: %v", c.what, got)
		}
		if got := crowd.Dismisses(c.workers, now); got == c.want && c.workers > 4 || got && c.workers <= 4 {
			t.Errorf("%s: one less: %v", c.what, got)
		}
	}
}

func TestAnAnswerAboutProcessorsIsKeptForAWhile(t *testing.T) {
	looks := 0
	crowd := asyncio.NewCrowd(1, time.Hour, func() (bool, int) { looks++; return looks > 1, 1000 })
	now := time.Now()
	for _, c := range []struct {
		after time.Duration
		looks int
		want  bool
	}{{0, 1, false}, {asyncio.CrowdKept - 1, 1, false}, {asyncio.CrowdKept, 2, true}, {asyncio.CrowdKept + 1, 2, true}} {
		if got := crowd.Admits(2, now.Add(c.after)); got != c.want || looks != c.looks {
			t.Errorf("after %v: %v, and it looked %d times", c.after, got, looks)
		}
	}
}

func TestAnExecutorHiresAsManyAgainOrOneForAJobThatHasWaitedTooLong(t *testing.T) {
	const least, most = asyncio.PatienceLeast, asyncio.PatienceMost
	type h = asyncio.Hiring
	for _, c := range []struct {
		what     string
		h        h
		begun    int
		patience time.Duration
		alarm    string
	}{
		{"no job waits", h{Workers: 2, Max: 9, Few: 1, Free: true, Patience: most}, 0, most, "none"},
		{"all workers are there", h{Workers: 9, Max: 9, Queue: 5, Few: 1, Free: true, Patience: most}, 0, most, "none"},
		{"as many again", h{Workers: 3, Max: 9, Queue: 5, Few: 1, Free: true, Patience: most}, 3, least, "set"},
		{"none was there", h{Max: 9, Queue: 5, Few: 1, Patience: most}, 1, least, "set"},
		{"not more than there may be", h{Workers: 3, Max: 5, Queue: 5, Few: 1, Free: true, Patience: most}, 2, least, "set"},
		{"not more than there are jobs", h{Workers: 3, Max: 9, Queue: 1, Few: 1, Free: true, Patience: most}, 1, least, "set"},
		{"not yet", h{Workers: 3, Max: 9, Queue: 5, Few: 1, Patience: time.Hour}, 0, time.Hour, "set"},
		{"one has waited for too long", h{Workers: 3, Max: 9, Queue: 5, Few: 1, Waited: time.Minute, Patience: least}, 1, 2 * least, "set"},
		{"and many have", h{Workers: 3, Max: 9, Queue: 5, Few: 1, Waited: time.Minute, Patience: most - 1}, 1, most, "set"},
		{"its worker took another", h{Workers: 3, Max: 9, Queue: 5, Few: 1, Waited: -1, Patience: least}, 0, least, "set"},
	} {
		if begun, patience, alarm := c.h.Hire(); begun != c.begun || patience != c.patience || alarm != c.alarm {
			t.Errorf("%s: %d, patience %v, alarm %s", c.what, begun, patience, alarm)
		}
	}
}

// On one processor, on which this goroutine runs, none is free, and those that are ready
// are counted.
func TestALookAtGoroutinesCountsThoseThatAreReady(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	var over atomic.Bool
	ended := make(chan struct{})
	defer over.Store(true)
	const n = 10
	for range n {
		go func() {
			for !over.Load() {
				runtime.Gosched()
			}
			ended <- struct{}{}
		}()
	}
	free, ready := asyncio.LookAtGoroutines()
	if free || ready < n/2 {
		t.Errorf("free: %v, ready: %d", free, ready)
	}
	runtime.GOMAXPROCS(64)
	if free, _ := asyncio.LookAtGoroutines(); !free {
		t.Error("of many processors none is free")
	}
	over.Store(true)
	for range n {
		<-ended
	}
}
