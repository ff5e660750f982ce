package asyncio

import (
	"context"
	"time"
)

// SetGoroutinesReady makes the executor believe that so many goroutines are ready, and,
// if there are any, that no processor is free.
func (e *ThreadPoolExecutor) SetGoroutinesReady(n int) { e.SetProcessorFree(n == 0, n) }

// SetProcessorFree makes the executor believe that a processor is free or not, and that
// so many goroutines are ready.
func (e *ThreadPoolExecutor) SetProcessorFree(free bool, ready int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.crowd.look = func() (bool, int) { return free, ready }
	e.crowd.asked = e.crowd.asked.Add(-crowdKept)
}

// SetPatience makes a job wait at most for so long until it has a worker.
func (e *ThreadPoolExecutor) SetPatience(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.crowd.patience = d
}

// SetJobsLast makes the executor believe that its jobs have lasted for d.
func (e *ThreadPoolExecutor) SetJobsLast(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.crowd.lasts = d
}

// Workers counts the goroutines of the executor.
func (e *ThreadPoolExecutor) Workers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.workers
}

// NewCrowd makes what decides for an executor with so many processors, and looks by look.
func NewCrowd(few int, lasts time.Duration, look func() (free bool, ready int)) *crowd {
	return &crowd{few: few, left: few - 1, lasts: lasts, look: look}
}

// Note is note, and returns what jobs last now.
func (c *crowd) Note(d time.Duration) time.Duration {
	c.note(d)
	return c.lasts
}

// Admits is admits.
func (c *crowd) Admits(workers int, now time.Time) bool { return c.admits(workers, now) }

// Dismisses reports whether an executor with so many workers has one end.
func (c *crowd) Dismisses(workers int, now time.Time) bool {
	return (&ThreadPoolExecutor{workers: workers, crowd: *c}).dismisses(now)
}

// LookAtGoroutines is lookAtGoroutines.
var LookAtGoroutines = lookAtGoroutines

// Hiring is an executor that looks whether it may have more workers.
type Hiring struct {
	Workers, Max, Queue int
	Free                bool          // a processor
	Few                 int           // processors
	Waited              time.Duration // the first job; less than 0: it had a worker
	Patience            time.Duration
}

// Hire lets the executor look once, and returns how many workers it begins, its patience
// afterwards, and its alarm: "none", "set", or "off", which is none that goes off.
func (h Hiring) Hire() (begun int, patience time.Duration, alarm string) {
	e := NewThreadPoolExecutor(h.Max)
	gate, done := make(chan struct{}), make(chan struct{}, h.Queue)
	for range h.Queue {
		j := &poolJob{ctx: &directJob{Context: context.Background()}, fn: func(context.Context) { <-gate; done <- struct{}{} }}
		if h.Waited >= 0 {
			j.queued = time.Now().Add(-h.Waited)
		}
		e.queue = append(e.queue, j)
	}
	e.workers = h.Workers
	e.crowd = crowd{few: h.Few, lasts: time.Hour, patience: h.Patience, look: func() (bool, int) { return h.Free, 1 << 20 }}
	rang := make(chan struct{}, 1)
	e.crowd.alarm = time.AfterFunc(time.Hour, func() { rang <- struct{}{} })
	e.crowd.alarm.Stop()
	e.hireMore()
	e.mu.Lock()
	if begun = e.workers - h.Workers; len(e.queue) > 0 && e.queue[0].queued.IsZero() {
		patience = -1
	} else {
		patience = e.crowd.patience
	}
	switch {
	case e.crowd.alarm == nil:
		alarm = "none"
	case e.crowd.alarm.Stop():
		alarm = "set"
	default:
		select {
		case <-rang: // already
			alarm = "set"
		case <-time.After(time.Second):
			alarm = "off"
		}
	}
	e.queue = e.queue[:min(begun, len(e.queue))] // the rest is not to be run
	e.mu.Unlock()
	close(gate)
	for range begun {
		<-done
	}
	return begun, patience, alarm
}

const (
	CrowdKept     = crowdKept
	LongJob       = longJob
	PatienceLeast = patienceLeast
	PatienceMost  = patienceMost
)

// JobsLast returns what the executor believes that its jobs last.
func (e *ThreadPoolExecutor) JobsLast() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.crowd.lasts
}
