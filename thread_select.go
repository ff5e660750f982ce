package asyncio

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A SelectCase is one of several things that a task waits for with [Select]. Make one with
// [OnDone], [OnGet], [OnPut], [OnSet], [OnTimeout], [OnReceive] or [OnSend]. It is for one
// call of Select.
type SelectCase interface {
	// poll does what the case is for, if it can be done now. An err says that it was, and
	// how.
	poll() (done bool, err error)
	// begin returns a future that is settled when poll may do it, or nil where the case
	// is a channelCase.
	begin(t *task) (*future, error)
	// end lets go of that, whether the case was done or not. It is called once for each
	// begin.
	end(t *task, done bool)
}

// errNoCases is the error of a Select of nothing.
var errNoCases = errors.New("asyncio: select: nothing to wait for")

// Select suspends the running task until one of the cases can be done, does it, and returns
// its index. Of the others nothing is done: no item is taken out of a queue, nothing is
// received from a channel or sent to one. When several can be done, it is the first of
// them; one that can be done at once costs no turn of the loop.
//
// The error is that of the case, [ErrQueueShutdown] or [ErrChannelClosed]; how an awaitable
// has ended, that itself tells. When the wait has failed, the index is -1, and nothing was
// done. A cancellation that comes while a channel has acted already is kept for the task's
// next wait.
//
// It costs some allocations for each case, and a goroutine while channels are among them:
// then a virtual clock stands still meanwhile. Python has no such function: [Wait] with
// FirstCompleted over tasks may take several items at once.
func Select(ctx context.Context, cases ...SelectCase) (int, error) {
	t, level, err := enter(ctx)
	if err != nil {
		return -1, err
	}
	if len(cases) == 0 {
		return -1, errNoCases
	}
	for {
		if i, err := pollCases(cases); i >= 0 {
			return i, err
		}
		if i, err := t.waitForCases(cases, level); i >= 0 || err != nil {
			return i, err
		}
	}
}

// pollCases does the first case that can be done, and returns its index, or -1.
func pollCases(cases []SelectCase) (int, error) {
	for i, c := range cases {
		if done, err := c.poll(); done {
			return i, err
		}
	}
	return -1, nil
}

// waitForCases suspends t until one of the cases may be done, and does it. It returns -1
// without an error when none could be done after all.
func (t *task) waitForCases(cases []SelectCase, level context.Context) (index int, err error) {
	begun := 0
	defer func() {
		for i, c := range cases[:begun] {
			c.end(t, i == index)
		}
	}()
	var futures []*future
	var channels channelWait
	for i, c := range cases {
		f, err := c.begin(t)
		if err != nil {
			return -1, fmt.Errorf("select: %w", err)
		}
		begun++
		if f != nil {
			futures = append(futures, f)
		} else {
			channels.add(i, c.(channelCase))
		}
	}
	if channels.any() {
		if err := t.loop.escape("the goroutine of a Select over channels"); err != nil {
			return -1, fmt.Errorf("select: %w", err)
		}
		futures = append(futures, channels.begin(t.loop))
	}
	err = t.waitSome(futures, FirstCompleted, NoTimeout, level)
	if channels.any() {
		if i, e, done := channels.end(t, &err); done {
			if IsCancelled(err) {
				t.deliverCancel(causeOf(err))
			}
			return i, e
		}
	}
	if err != nil {
		return -1, err
	}
	return pollCases(cases)
}

// OnDone is the case that aw has ended. What became of it, aw itself tells.
func OnDone(aw Awaitable) SelectCase { return &doneCase{aw.base()} }

type doneCase struct{ f *future }

func (c *doneCase) poll() (bool, error) { return c.f.state != pending, nil }
func (c *doneCase) end(*task, bool)     {}

func (c *doneCase) begin(t *task) (*future, error) {
	if c.f.loop != t.loop {
		return nil, ErrWrongLoop
	}
	return c.f, nil
}

// OnTimeout is the case that d is over, counted from the call of [Select].
func OnTimeout(d time.Duration) SelectCase { return &timeoutCase{d: d} }

type timeoutCase struct {
	d     time.Duration
	until time.Duration
	begun bool
	over  future
	timer *TimerHandle
}

func (c *timeoutCase) poll() (bool, error) { return c.over.state != pending || c.d <= 0, nil }

func (c *timeoutCase) begin(t *task) (*future, error) {
	if !c.begun {
		c.begun, c.until = true, t.loop.after(c.d)
	}
	c.over = future{loop: t.loop}
	c.timer = t.loop.CallAt(c.until, func() { c.over.setResult() })
	return &c.over, nil
}

func (c *timeoutCase) end(*task, bool) { c.timer.Cancel() }

// A lotCase waits in a parking lot.
type lotCase struct {
	lot  *parkingLot
	what waitDescriber
	w    *waiter
}

func (c *lotCase) begin(t *task) (*future, error) {
	if err := c.lot.bind(t.loop); err != nil {
		return nil, err
	}
	c.w = c.lot.append(t)
	c.w.what = c.what
	return &c.w.future, nil
}

// leave leaves the lot, and reports whether the task was woken there.
func (c *lotCase) leave(t *task) (woken bool) {
	woken = c.w.state == finished
	c.lot.remove(c.w)
	t.loop.waiters.put(c.w)
	c.w = nil
	return woken
}

// OnSet is the case that e is set, or has been set while Select waited.
func OnSet(e *Event) SelectCase { return &eventCase{lotCase{lot: &e.lot, what: e}, e} }

type eventCase struct {
	lotCase
	e *Event
}

// An event that was set and cleared at once has woken all who waited, as [Event.Wait] has it.
func (c *eventCase) poll() (bool, error)    { return c.e.set || c.w != nil && c.w.state == finished, nil }
func (c *eventCase) end(t *task, done bool) { c.leave(t) }

// OnGet is the case that q has an item: it is taken out into item, which may be nil. When
// q is shut down and has none, the case is done with [ErrQueueShutdown].
func OnGet[T any](q *Queue[T], item *T) SelectCase {
	return &getCase[T]{lotCase{lot: &q.getters, what: (*queueGetter[T])(q)}, q, item}
}

type getCase[T any] struct {
	lotCase
	q    *Queue[T]
	item *T
}

func (c *getCase[T]) poll() (bool, error) {
	v, err := c.q.GetNowait()
	switch {
	case errors.Is(err, ErrQueueEmpty):
		return false, nil
	case err != nil:
		return true, err
	case c.item != nil:
		*c.item = v
	}
	return true, nil
}

func (c *getCase[T]) end(t *task, done bool) {
	if c.leave(t) && !done && !c.q.Empty() {
		c.q.getters.wake() // the item is for another, or for this task when it looks again
	}
}

// OnPut is the case that q has room: item is put into it. When q is shut down, the case
// is done with [ErrQueueShutdown].
func OnPut[T any](q *Queue[T], item T) SelectCase {
	return &putCase[T]{lotCase{lot: &q.putters, what: (*queuePutter[T])(q)}, q, item}
}

type putCase[T any] struct {
	lotCase
	q    *Queue[T]
	item T
}

func (c *putCase[T]) poll() (bool, error) {
	err := c.q.PutNowait(c.item)
	if errors.Is(err, ErrQueueFull) {
		return false, nil
	}
	return true, err
}

func (c *putCase[T]) end(t *task, done bool) {
	if c.leave(t) && !done && !c.q.Full() {
		c.q.putters.wake()
	}
}
