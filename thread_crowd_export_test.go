package asyncio

import "time"

// SetGoroutinesReady makes the executor believe that so many goroutines are ready, and,
// if there are any, that no processor is free.
func (e *ThreadPoolExecutor) SetGoroutinesReady(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.crowd.look = func() (free bool, ready int) { return n == 0, n }
	e.crowd.asked = e.crowd.asked.Add(-crowdKept)
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
