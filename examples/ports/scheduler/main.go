// Command scheduler runs jobs at times, as the AsyncIOScheduler of Python's APScheduler
// does. As a program it shows ten minutes of a day, on the virtual clock, which take no
// time.
//
// The same as there: the triggers date, interval and cron; for each job how many of its runs
// may be under way (max_instances), whether several runs that were missed are one
// (coalesce), and how late one may be (misfire_grace_time); jobs are paused, resumed and
// removed while others run; listeners are told what became of each run.
//
// Other than there: jobs are kept in memory alone. A trigger of cron has the fields minute,
// hour, day, month and day of the week. A job is a coroutine; what blocks calls
// asyncio.ToThread itself.
package main

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A Trigger says when a job runs. After returns the first time after t, and false when there
// is none any more.
type Trigger interface {
	After(t time.Time) (time.Time, bool)
}

// At is a trigger of one time. APScheduler: DateTrigger.
type At time.Time

// After returns the time, if it is after t.
func (a At) After(t time.Time) (time.Time, bool) { return time.Time(a), time.Time(a).After(t) }

// Interval is a trigger each so often, from a time on. APScheduler: IntervalTrigger.
type Interval struct {
	From  time.Time
	Every time.Duration
}

// After returns the next multiple of the interval.
func (i Interval) After(t time.Time) (time.Time, bool) {
	if t.Before(i.From) {
		return i.From, true
	}
	return i.From.Add((t.Sub(i.From)/i.Every + 1) * i.Every), true
}

// A Job is what a scheduler runs. APScheduler: the arguments of add_job.
type Job struct {
	Name         string
	Trigger      Trigger
	Func         func(ctx context.Context) error
	MaxInstances int           // how many may run at once; 0: one
	Coalesce     bool          // runs that are due at the same time are one
	Grace        time.Duration // how late a run may be; 0: a second
}

// A Kind is what became of a run.
type Kind string

// These are the events of APScheduler that have to do with runs.
const (
	Executed     Kind = "executed"
	Failed       Kind = "failed"
	Missed       Kind = "missed"
	MaxInstances Kind = "too many at once"
)

// An Event is told to the listeners of a scheduler.
type Event struct {
	Kind Kind
	Job  string
	Due  time.Time
	Err  error
}

// An entry is a job with its state.
type entry struct {
	Job
	next    time.Time
	index   int // in the queue; -1: it is paused
	running int
}

// A queue is a heap of entries, by the times of their next runs.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next.Before(q[j].next) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	e.index = -1
	*q = (*q)[:last]
	return e
}

// A Scheduler runs jobs. All its methods are for the loop's goroutine, so it needs no lock.
type Scheduler struct {
	now     func() time.Time
	jobs    map[string]*entry
	queue   queue
	changed asyncio.Event
	hear    []func(Event)
}

// NewScheduler makes a scheduler with a clock.
func NewScheduler(now func() time.Time) *Scheduler {
	return &Scheduler{now: now, jobs: map[string]*entry{}}
}

// Listen makes hear be told each event.
func (s *Scheduler) Listen(hear func(Event)) { s.hear = append(s.hear, hear) }

func (s *Scheduler) tell(e Event) {
	for _, hear := range s.hear {
		hear(e)
	}
}

// ErrConflict is the error of a job whose name another has. APScheduler:
// ConflictingIdError.
var ErrConflict = errors.New("scheduler: there is a job of that name")

// Add adds a job, also while the scheduler runs.
func (s *Scheduler) Add(j Job) error {
	if s.jobs[j.Name] != nil {
		return fmt.Errorf("%w: %s", ErrConflict, j.Name)
	}
	s.jobs[j.Name] = &entry{Job: j, index: -1}
	s.Resume(j.Name)
	return nil
}

// Pause keeps a job from running until Resume.
func (s *Scheduler) Pause(name string) {
	if e := s.jobs[name]; e != nil && e.index >= 0 {
		heap.Remove(&s.queue, e.index)
		s.changed.Set()
	}
}

// Resume lets a job run again. What it would have run meanwhile is not made up for.
func (s *Scheduler) Resume(name string) {
	if e := s.jobs[name]; e != nil && e.index < 0 {
		s.put(e, s.now())
	}
}

// Remove takes a job away. A run that is under way goes on.
func (s *Scheduler) Remove(name string) {
	s.Pause(name)
	delete(s.jobs, name)
}

// put queues the next run after t, or removes a job that has none.
func (s *Scheduler) put(e *entry, t time.Time) {
	next, more := e.Trigger.After(t)
	if !more {
		delete(s.jobs, e.Name)
		return
	}
	e.next = next
	heap.Push(&s.queue, e)
	s.changed.Set()
}

// Run runs the jobs until its task is cancelled, and then ends those that are under way. It
// is start and shutdown of APScheduler.
func (s *Scheduler) Run(ctx context.Context) error {
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for {
			for len(s.queue) > 0 && !s.queue[0].next.After(s.now()) {
				s.start(g, heap.Pop(&s.queue).(*entry))
			}
			s.changed.Clear()
			wait := asyncio.NoTimeout
			if len(s.queue) > 0 {
				wait = s.queue[0].next.Sub(s.now())
			}
			if _, err := asyncio.MoveOnAfter(ctx, wait, s.changed.Wait); err != nil {
				return err
			}
		}
	})
}

// start begins the runs of a job that are due, and queues the next.
func (s *Scheduler) start(g *asyncio.TaskGroup, e *entry) {
	now := s.now()
	var due []time.Time
	for t, more := e.next, true; more && !t.After(now); t, more = e.Trigger.After(t) {
		due = append(due, t)
	}
	if e.Coalesce {
		due = due[len(due)-1:]
	}
	s.put(e, now)
	grace := max(e.Grace, time.Second)
	for _, t := range due {
		switch {
		case now.Sub(t) > grace:
			s.tell(Event{Missed, e.Name, t, nil})
		case e.running >= max(e.MaxInstances, 1):
			s.tell(Event{MaxInstances, e.Name, t, nil})
		default:
			e.running++
			g.Go(func(ctx context.Context) error { return s.run(ctx, e, t) }, asyncio.WithName(e.Name))
		}
	}
}

// run is the task of a run. A job that fails ends nobody else.
func (s *Scheduler) run(ctx context.Context, e *entry, due time.Time) error {
	defer func() { e.running-- }()
	err := e.Func(ctx)
	if asyncio.IsCancelled(err) {
		return err
	}
	kind := Executed
	if err != nil {
		kind = Failed
	}
	s.tell(Event{kind, e.Name, due, err})
	return nil
}

func main() {
	if err := asyncio.Run(context.Background(), show, asyncio.WithVirtualClock()); err != nil {
		log.Fatal(err)
	}
}

// show shows ten minutes.
func show(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	morning := time.Date(2026, time.January, 5, 8, 55, 0, 0, time.UTC)
	began := loop.Time()
	s := NewScheduler(func() time.Time { return morning.Add(loop.Time() - began) })
	s.Listen(func(e Event) { fmt.Printf("%s: %s %s\n", e.Due.Format(time.TimeOnly), e.Job, e.Kind) })
	sleep := func(d time.Duration) func(context.Context) error {
		return func(ctx context.Context) error { return asyncio.Sleep(ctx, d) }
	}
	cron, err := ParseCron("*/5 9-17 * * 1-5")
	if err != nil {
		return err
	}
	err = errors.Join(
		s.Add(Job{Name: "report", Trigger: cron, Func: sleep(time.Second)}),
		s.Add(Job{Name: "slow", Trigger: Interval{morning.Add(time.Minute), 2 * time.Minute}, Func: sleep(3 * time.Minute)}),
		s.Add(Job{Name: "once", Trigger: At(morning.Add(30 * time.Second)), Func: sleep(0)}),
	)
	if err != nil {
		return err
	}
	ended, err := asyncio.MoveOnAfter(ctx, 10*time.Minute+2*time.Second, s.Run)
	fmt.Println("ended:", ended, slices.Sorted(maps.Keys(s.jobs)))
	return err
}
