package asynchttp

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
)

// errClientGone is the cause with which the context of a request ends whose
// client has gone away.
var errClientGone = errors.New("asynchttp: the client has gone away")

// A connContext is the context of a connection: the task's, with the values
// that net/http gives to handlers.
type connContext struct {
	context.Context
	conn *serverConn
}

func (c *connContext) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return c.conn.srv.shadow
	case http.LocalAddrContextKey:
		return c.conn.s.LocalAddr()
	case ownTrace{}:
		return &c.conn.srv.watch.trace
	}
	return c.Context.Value(key)
}

// A requestContext is the context of a request: that of the connection, and it
// ends when the client goes away or the handler has returned.
//
// Few handlers ask for its end, so what that needs is made when somebody does.
type requestContext struct {
	context.Context
	end atomic.Pointer[ending]
}

// An ending is the end of a context.
type ending struct {
	context.Context
	cancel context.CancelCauseFunc
}

// over is the ending of a request that nobody had asked about before it ended.
var over = func() *ending {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(context.Canceled)
	return &ending{ctx, cancel}
}()

func (c *requestContext) ending() *ending {
	if e := c.end.Load(); e != nil {
		return e
	}
	ctx, cancel := context.WithCancelCause(c.Context)
	e := &ending{ctx, cancel}
	if !c.end.CompareAndSwap(nil, e) {
		cancel(nil) // another goroutine was faster
		e = c.end.Load()
	}
	return e
}

// cancel ends the context, for a reason.
func (c *requestContext) cancel(cause error) { c.ending().cancel(cause) }

// close ends the context when the handler has returned.
func (c *requestContext) close() {
	if !c.end.CompareAndSwap(nil, over) {
		c.end.Load().cancel(nil)
	}
}

func (c *requestContext) Done() <-chan struct{} { return c.ending().Done() }

func (c *requestContext) Err() error {
	if e := c.end.Load(); e != nil {
		return e.Err()
	}
	return c.Context.Err()
}

// Value asks the ending, which package context looks for in here.
func (c *requestContext) Value(key any) any {
	if e := c.end.Load(); e != nil && e != over {
		return e.Value(key)
	}
	return c.Context.Value(key)
}
