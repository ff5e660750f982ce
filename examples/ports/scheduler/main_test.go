package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var monday = time.Date(2026, time.January, 5, 8, 0, 0, 0, time.UTC)

// with runs use beside a scheduler that begins on a Monday at eight, and wants these
// events.
func with(t *testing.T, use func(ctx context.Context, s *Scheduler), want ...string) {
	t.Helper()
	asynctest.Run(t, func(ctx context.Context) {
		loop := asyncio.CurrentTask(ctx).Loop()
		began := loop.Time()
		s := NewScheduler(func() time.Time { return monday.Add(loop.Time() - began) })
		events := asynctest.NewEvents(ctx)
		s.Listen(func(e Event) {
			line := e.Due.Format("15:04:05") + " " + e.Job + " " + string(e.Kind)
			if e.Err != nil {
				line += ": " + e.Err.Error()
			}
			events.Add("%s", line)
		})
		task := asyncio.Go(ctx, s.Run)
		use(ctx, s)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		events.Want(t, want...)
	})
}

func add(t *testing.T, s *Scheduler, j Job) {
	t.Helper()
	if err := s.Add(j); err != nil {
		t.Error(err)
	}
}

func sleep(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error { return asyncio.Sleep(ctx, d) }
}

func TestJobsRunWhenTheyAreDue(t *testing.T) {
	with(t, func(ctx context.Context, s *Scheduler) {
		asyncio.Sleep(ctx, time.Second) // jobs are added to one that runs, too
		add(t, s, Job{Name: "each minute", Trigger: Interval{monday, time.Minute}, Func: sleep(10 * time.Second)})
		add(t, s, Job{Name: "once", Trigger: At(monday.Add(90 * time.Second)), Func: func(context.Context) error { return errors.New("boom") }})
		add(t, s, Job{Name: "past", Trigger: At(monday), Func: sleep(0)})
		if err := s.Add(Job{Name: "once", Trigger: At(monday.Add(time.Hour))}); !errors.Is(err, ErrConflict) {
			t.Error(err)
		}
		asyncio.Sleep(ctx, 3*time.Minute)
		if len(s.jobs) != 1 {
			t.Errorf("%d jobs are left", len(s.jobs))
		}
	},
		"1m10s 08:01:00 each minute executed", "1m30s 08:01:30 once failed: boom", "2m10s 08:02:00 each minute executed")
}

func TestRunsThatOverlapAreLimited(t *testing.T) {
	with(t, func(ctx context.Context, s *Scheduler) {
		add(t, s, Job{Name: "one", Trigger: Interval{monday, time.Minute}, Func: sleep(90 * time.Second)})
		add(t, s, Job{Name: "two", Trigger: Interval{monday, time.Minute}, Func: sleep(90 * time.Second), MaxInstances: 2})
		asyncio.Sleep(ctx, 3*time.Minute+time.Second)
	},
		"2m0s 08:02:00 one too many at once",
		"2m30s 08:01:00 one executed", "2m30s 08:01:00 two executed")
}

// A loop that was held up, here by a clock that leaps.
func TestRunsThatAreLate(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		now := monday
		s := NewScheduler(func() time.Time { return now })
		var got []string
		s.Listen(func(e Event) { got = append(got, e.Due.Format("15:04")+" "+e.Job+" "+string(e.Kind)) })
		minutely := Interval{monday, time.Minute}
		add(t, s, Job{Name: "all", Trigger: minutely, Func: sleep(0), MaxInstances: 9, Grace: time.Hour})
		add(t, s, Job{Name: "last", Trigger: minutely, Func: sleep(0), MaxInstances: 9, Grace: time.Hour, Coalesce: true})
		add(t, s, Job{Name: "strict", Trigger: minutely, Func: sleep(0), MaxInstances: 9, Grace: 90 * time.Second})
		now = monday.Add(3 * time.Minute)
		task := asyncio.Go(ctx, s.Run)
		asyncio.Sleep(ctx, time.Second)
		task.Cancel()
		asyncio.GatherSettled(ctx, task)
		counts := map[string]int{}
		for _, line := range got {
			counts[line[6:]]++
		}
		for line, n := range map[string]int{"all executed": 3, "last executed": 1, "strict missed": 1, "strict executed": 2} {
			if counts[line] != n {
				t.Errorf("%s: %d times, want %d: %q", line, counts[line], n, got)
			}
		}
	})
}

func TestAJobThatIsPausedOrRemovedDoesNotRun(t *testing.T) {
	with(t, func(ctx context.Context, s *Scheduler) {
		for _, name := range []string{"a", "b"} {
			add(t, s, Job{Name: name, Trigger: Interval{monday, time.Minute}, Func: sleep(0)})
		}
		s.Pause("a")
		s.Pause("nobody")
		asyncio.Sleep(ctx, 61*time.Second)
		s.Resume("a")
		s.Resume("a")
		s.Remove("b")
		asyncio.Sleep(ctx, time.Minute)
	}, "1m0s 08:01:00 b executed", "2m0s 08:02:00 a executed")
}

func TestCron(t *testing.T) {
	for _, c := range []struct{ text, from, want string }{
		{"* * * * *", "2026-01-05 08:00", "2026-01-05 08:01"},
		{"*/15 * * * *", "2026-01-05 08:46", "2026-01-05 09:00"},
		{"30 9-17/4 * * *", "2026-01-05 09:30", "2026-01-05 13:30"},
		{"0 0 * * 1-5", "2026-01-09 00:00", "2026-01-12 00:00"},
		{"0 0 * * 7", "2026-01-05 08:00", "2026-01-11 00:00"},
		{"0 0 1,15 * *", "2026-01-05 08:00", "2026-01-15 00:00"},
		{"0 0 13 * 5", "2026-01-05 08:00", "2026-01-09 00:00"}, // one of both is enough
		{"0 12 29 2 *", "2026-01-05 08:00", "2028-02-29 12:00"},
		{"59 23 31 12 *", "2026-12-31 23:59", "2027-12-31 23:59"},
		{"0 0 31 2 *", "2026-01-05 08:00", ""},
	} {
		cron, err := ParseCron(c.text)
		if err != nil {
			t.Error(err)
			continue
		}
		from, err := time.Parse("2006-01-02 15:04", c.from)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if next, more := cron.After(from); more {
			got = next.Format("2006-01-02 15:04")
		}
		if got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.text, c.from, got, c.want)
		}
	}
	for _, text := range []string{"", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "1-x * * * *", "* * 0 * *"} {
		if _, err := ParseCron(text); err == nil || !strings.Contains(err.Error(), "scheduler: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func Example() {
	main()
	// Output:
	// 08:55:30: once executed
	// 08:58:00: slow too many at once
	// 08:56:00: slow executed
	// 09:00:00: report executed
	// 09:02:00: slow too many at once
	// 09:00:00: slow executed
	// 09:05:00: report executed
	// ended: true [report slow]
}
