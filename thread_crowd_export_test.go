package asyncio

// SetGoroutinesReady makes the executor believe that so many goroutines are ready.
func (e *ThreadPoolExecutor) SetGoroutinesReady(n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.crowd.ready = func() uint64 { return n }
	e.crowd.asked = e.crowd.asked.Add(-crowdKept)
}
