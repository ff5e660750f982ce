package asyncio

// Waiting counts who waits for items, for room and in Join.
func (q *ThreadQueue[T]) Waiting() (getters, putters, joiners int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.getters.l.Len(), q.putters.l.Len(), q.joiners.l.Len()
}

// Waiters counts those who wait for the event.
func (e *Event) Waiters() int { return e.lot.live }
