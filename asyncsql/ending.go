package asyncsql

import (
	"context"
	"sync"
)

// An ending is what ends the contexts of calls, one call after another: a call that was not
// cut off leaves it to the next. A context of its own for each is what a short query would
// pay most for beside its work, since drivers ask for its channel and hang others on it.
//
// A driver that still looks at the context of a call when that has returned may so see a
// later one end. That is what it sees where callers end a context behind each call.
type ending struct {
	context.Context
	cancel context.CancelFunc
	calls  int
}

// callsOfEnding is after how many calls an ending is dropped, with what drivers may have
// left hanging on it.
const callsOfEnding = 256

var endings = sync.Pool{New: func() any {
	ctx, cancel := context.WithCancel(context.Background())
	return &ending{Context: ctx, cancel: cancel}
}}

// An endingContext has the values of a context, and ends with an ending.
type endingContext struct {
	*ending
	values context.Context
}

// Value implements [context.Context]. The ending has no values but the one by which package
// context knows its own, and that must be found before that of values.
func (c *endingContext) Value(key any) any {
	if v := c.ending.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

// A cutter ends what the driver does for somebody: a call, or a transaction. Its methods
// may be called from any goroutine.
type cutter struct {
	mu     sync.Mutex
	ending *ending            // what cancel ends, where others may have it afterwards
	cancel context.CancelFunc // nil: there is nothing to end
	cut    bool               // the driver has been told to end it
}

// endBy has cutShort call cancel.
func (c *cutter) endBy(cancel context.CancelFunc) { c.take(nil, cancel, false) }

// take has cutShort call cancel, or calls it when that was called before.
func (c *cutter) take(e *ending, cancel context.CancelFunc, cut bool) {
	c.mu.Lock()
	c.ending, c.cancel = e, cancel
	c.cut = c.cut || cut
	cut = c.cut
	c.mu.Unlock()
	if cut {
		cancel()
	}
}

// cutShort tells the driver to end it.
func (c *cutter) cutShort() {
	c.mu.Lock()
	c.cut = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// passing makes in a context with the values of another, which ends when it is cut short.
// What is begun with the context ends before passed is called. Where that is never, it is
// cancel that ends it.
func (c *cutter) passing(values context.Context, in *endingContext) (ctx context.Context, cancel context.CancelFunc) {
	e := endings.Get().(*ending)
	c.take(e, e.cancel, false)
	*in = endingContext{e, values}
	return in, e.cancel
}

// passed says that nothing needs the context of passing any more. It does nothing when
// that was said before.
func (c *cutter) passed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.ending
	if e == nil || c.cut {
		return
	}
	c.ending, c.cancel = nil, nil
	if e.calls++; e.calls < callsOfEnding {
		endings.Put(e)
	}
}

// handTo has another end what c is to end, from now on alone. It reports whether c had
// ended it.
func (c *cutter) handTo(to *cutter) (cut bool) {
	c.mu.Lock()
	e, cancel := c.ending, c.cancel
	cut = c.cut
	c.ending, c.cancel = nil, nil
	c.mu.Unlock()
	to.take(e, cancel, cut)
	return cut
}
