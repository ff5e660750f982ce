package asyncio

import (
	"context"
	"slices"
)

// A waitList is tasks that wait for the same news. Each waits for a future of
// its own, so that one that is cancelled takes nobody along.
type waitList struct{ waiters []*future }

// A listWaiter is a task's place in a waitList.
type listWaiter struct {
	future
	what waitDescriber
}

func (w *listWaiter) cancelWith(cause error) bool { return w.cancelPlain(cause) }

func (w *listWaiter) describeWait(k *WaitLook) any {
	if w.what != nil {
		return w.what.describeWait(k)
	}
	return nil
}

// wait suspends t until the next fire, whose error it returns. What knows what it waits
// for, for who looks into the loop.
func (w *waitList) wait(t *task, level context.Context, what waitDescriber) error {
	waiter := &listWaiter{what: what}
	waiter.future.loop, waiter.canceller = t.loop, waiter
	f := &waiter.future
	w.waiters = append(w.waiters, f)
	err := t.wait(f, level)
	if f.state == pending { // the wait was interrupted
		f.cancelPlain(nil)
	}
	if i := slices.Index(w.waiters, f); i >= 0 {
		w.waiters = slices.Delete(w.waiters, i, i+1)
	}
	return err
}

// fire tells all who wait.
func (w *waitList) fire(err error) {
	waiters := w.waiters
	w.waiters = nil
	for _, f := range waiters {
		if f.state != pending {
			continue
		}
		if err != nil {
			f.retrieved = true // each is told; nobody need look
			f.setError(err)
		} else {
			f.setResult()
		}
	}
}
