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
func (c endingContext) Value(key any) any {
	if v := c.ending.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

// passing returns a context as lasting does, for what does not outlast the call, which
// says so by passed. Where it does, it is cancel that ends it.
func (c *calling) passing(values context.Context) (ctx context.Context, cancel context.CancelFunc) {
	e := endings.Get().(*ending)
	c.ending = e
	c.endBy(e.cancel)
	return endingContext{e, values}, e.cancel
}

// passed says that nothing needs the context of passing any more.
func (c *calling) passed() {
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
