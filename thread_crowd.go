package asyncio

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// Jobs that compute share the processors with the loop. Go lets each goroutine run for
// ten or twenty milliseconds before the next has its turn, so a loop that is ready is
// late by as much for every job before it in the queue. More jobs than processors get
// nothing done sooner, where they compute; where they wait for something else they do.
// Which of the two a job does, nobody knows before it runs.
//
// So an executor begins as many jobs at once as there are processors, and more of them
// only while a processor is free, or while fewer goroutines are ready than there are jobs
// beyond the processors that are left beside who looks: then some jobs wait, and are
// neither running nor ready.
//
// Two jobs that compute on two processors leave the loop none, and it waits for a slice
// to end. Where GOMAXPROCS is one more than there are processors, Go has a place for the
// loop, and the system divides the processors, which it does in finer slices.

// crowd decides whether an executor may have more workers than there are processors.
type crowd struct {
	few      int                           // so many workers are always allowed
	left     int                           // so many jobs can run while the executor looks
	look     func() (free bool, ready int) // see lookAtGoroutines
	asked    time.Time
	is       bool          // the answer
	lasts    time.Duration // what jobs have lasted on the average, of late
	patience time.Duration // how long a job waits at most for another worker
	alarm    *time.Timer   // when to look again; nil: nobody waits for that
}

const (
	crowdKept     = 500 * time.Microsecond // how long an answer is good
	crowdAgain    = time.Millisecond
	longJob       = 2 * time.Millisecond // shorter ones make nobody late
	patienceLeast = 20 * time.Millisecond
	patienceMost  = time.Second
)

func newCrowd() crowd {
	return crowd{
		few:      min(runtime.GOMAXPROCS(0), runtime.NumCPU()),
		left:     runtime.GOMAXPROCS(0) - 1,
		look:     lookAtGoroutines,
		lasts:    longJob, // nobody knows yet
		patience: patienceLeast,
	}
}

// note takes note of what a job has lasted.
func (c *crowd) note(d time.Duration) { c.lasts += (min(d, 10*longJob) - c.lasts) / 8 }

// lookAtGoroutines asks the runtime whether Go would run another goroutine at once, and
// how many are ready and do not run. It counts for a fraction of a microsecond. A Go that
// does not count them says that it would.
func lookAtGoroutines() (free bool, ready int) {
	samples := [2]metrics.Sample{{Name: "/sched/goroutines/running:goroutines"}, {Name: "/sched/goroutines/runnable:goroutines"}}
	metrics.Read(samples[:])
	if samples[0].Value.Kind() != metrics.KindUint64 || samples[1].Value.Kind() != metrics.KindUint64 {
		return true, 0
	}
	return samples[0].Value.Uint64() < uint64(runtime.GOMAXPROCS(0)), int(samples[1].Value.Uint64())
}

// admits reports whether there may be another worker beside those that there are.
func (c *crowd) admits(workers int, now time.Time) bool {
	return workers < c.few || !c.crowded(workers, now)
}

// crowded reports whether all workers but the few may be among the goroutines that are
// ready.
func (c *crowd) crowded(workers int, now time.Time) bool {
	if c.lasts < longJob {
		return false
	}
	if now.Sub(c.asked) >= crowdKept {
		c.asked = now
		free, ready := c.look()
		c.is = !free && ready >= workers-c.left
	}
	return c.is
}

// hire begins another worker for j, which was queued, if there may be one. If that is
// not known yet, it looks again soon.
func (e *ThreadPoolExecutor) hire(j *poolJob) {
	if e.workers >= e.max {
		return
	}
	if e.workers >= e.crowd.few {
		j.queued = time.Now()
	}
	switch {
	case e.crowd.admits(e.workers, j.queued):
		e.workers++
		go e.work()
	default:
		e.hireLater()
	}
}

// hireLater looks again soon.
func (e *ThreadPoolExecutor) hireLater() {
	if e.crowd.alarm == nil {
		e.crowd.alarm = time.AfterFunc(crowdAgain, e.hireMore)
	}
}

// hireMore looks whether the jobs that wait can have more workers now: as many again,
// when few goroutines are ready; one, when the first job has waited for too long.
func (e *ThreadPoolExecutor) hireMore() {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := &e.crowd
	if len(e.queue) == 0 || e.workers >= e.max {
		c.alarm = nil
		return
	}
	now := time.Now()
	more := 0
	if c.admits(e.workers, now) {
		more = max(e.workers, 1)
		c.patience = patienceLeast
	} else if first := e.queue[0]; first.queued.IsZero() { // it had a worker, which took another
		first.queued = now
	} else if now.Sub(first.queued) > c.patience {
		more = 1
		c.patience = min(2*c.patience, patienceMost)
	}
	for range min(more, e.max-e.workers, len(e.queue)) {
		e.workers++
		go e.work()
	}
	c.alarm.Reset(crowdAgain)
}

// dismisses reports whether a worker should end though there are jobs, because there
// are too many.
func (e *ThreadPoolExecutor) dismisses(now time.Time) bool {
	return e.workers > e.crowd.few && e.crowd.crowded(e.workers, now)
}
