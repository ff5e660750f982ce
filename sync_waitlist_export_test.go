package asyncio

import "context"

// A WaitList is a waitList, for tests.
type WaitList struct{ list waitList }

// Wait suspends the running task until the next Fire.
func (w *WaitList) Wait(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return w.list.wait(t, level, nil)
}

// Fire tells all who wait.
func (w *WaitList) Fire(err error) { w.list.fire(err) }

// Len counts those who wait.
func (w *WaitList) Len() int { return len(w.list.waiters) }
