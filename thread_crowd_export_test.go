package asyncio

import "time"

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
