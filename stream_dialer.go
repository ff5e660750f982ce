package asyncio

import (
	"context"
	"net"
)

// A Dialer opens connections of one loop, from any goroutine. It is for
// libraries that take a dial function.
type Dialer struct {
	loop *Loop
	opts []ConnOption
}

// NewDialer returns a dialer of the loop l, whose connections are opened with
// the options, as by [OpenConnection].
func NewDialer(l *Loop, opts ...ConnOption) *Dialer { return &Dialer{l, opts} }

// DialContext connects as [OpenConnection] does. To a task of the loop it returns
// the [Stream.Conn], which only tasks may read and write. The task is suspended
// meanwhile, and need not have a context of the loop.
//
// It may also be called from any other goroutine but those of other loops, which
// blocks, and costs a trip to the loop. Who dials there mostly reads and writes
// there, too, as a client of a database that cancels a query over a second
// connection. So the connection is the [Stream.SharedConn] then. It ends with ctx.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if onLoop() != nil {
		return d.DialShared(ctx, network, address)
	}
	return d.dial(ctx, network, address, (*Stream).Conn)
}

// DialShared is [Dialer.DialContext] that always returns the [Stream.SharedConn],
// which any goroutine may read and write; see there what it costs. It is what a
// library needs that starts goroutines for connections which a task has dialed, as
// [net/http.Transport] does.
func (d *Dialer) DialShared(ctx context.Context, network, address string) (net.Conn, error) {
	return d.dial(ctx, network, address, (*Stream).SharedConn)
}

func (d *Dialer) dial(ctx context.Context, network, address string, view func(*Stream) net.Conn) (net.Conn, error) {
	if onLoop() != nil {
		return blockOnLoop(ctx, d.loop, func(ctx context.Context) (net.Conn, error) {
			return d.open(ctx, network, address, view)
		})
	}
	if t, _ := ownerOf(ctx); t == nil {
		t, err := d.loop.runningTask()
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Addr: textAddr{network, address}, Err: err}
		}
		ctx = &borrowedContext{ctx, (*taskContext)(t)}
	}
	return d.open(ctx, network, address, view)
}

func (d *Dialer) open(ctx context.Context, network, address string, view func(*Stream) net.Conn) (net.Conn, error) {
	s, err := OpenConnection(ctx, network, address, d.opts...)
	if err != nil {
		return nil, err
	}
	return view(s), nil
}

// A borrowedContext is a context from outside of the loop, for a wait of a task:
// a library may have made one of its own.
type borrowedContext struct {
	context.Context
	task *taskContext
}

// Value returns the task's own where the loop asks who waits.
func (c *borrowedContext) Value(key any) any {
	if key == (scopeKey{}) {
		return c.task.Value(key)
	}
	return c.Context.Value(key)
}
