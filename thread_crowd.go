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
// only while few goroutines are ready and not running: a job that waits is neither.

// crowd decides whether an executor may have more workers than there are processors.
type crowd struct {
	few      int           // so many workers are always allowed
	ready    func() uint64 // how many goroutines are ready and do not run
	asked    time.Time
	is       bool          // the answer
	patience time.Duration // how long a job waits at most for another worker
	alarm    *time.Timer   // when to look again; nil: nobody waits for that
}

const (
	crowdKept     = 500 * time.Microsecond // how long an answer is good
	crowdAgain    = time.Millisecond
	patienceLeast = 20 * time.Millisecond
	patienceMost  = time.Second
)

func newCrowd() crowd {
	return crowd{
		few:      max(2, runtime.GOMAXPROCS(0)),
		ready:    goroutinesReady,
		patience: patienceLeast,
	}
}

// goroutinesReady asks the runtime, which counts for a fraction of a microsecond. A Go
// that does not count them says 0.
func goroutinesReady() uint64 {
	sample := [1]metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	metrics.Read(sample[:])
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// admits reports whether there may be another worker beside those that there are.
func (c *crowd) admits(workers int, now time.Time) bool {
	return workers < c.few || !c.crowded(workers, now)
}

// crowded reports whether so many goroutines are ready that half of the workers may be
// among them.
func (c *crowd) crowded(workers int, now time.Time) bool {
	if now.Sub(c.asked) >= crowdKept {
		c.asked = now
		c.is = c.ready() >= uint64(workers+1)/2
	}
	return c.is
}

// hire begins another worker for a job that was queued, if there may be one. If that is
// not known yet, it looks again soon.
func (e *ThreadPoolExecutor) hire(now time.Time) {
	switch {
	case e.workers >= e.max:
	case e.crowd.admits(e.workers, now):
		e.workers++
		go e.work()
	case e.crowd.alarm == nil:
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
	} else if now.Sub(e.queue[0].queued) > c.patience {
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
