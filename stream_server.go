package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// StartServer listens on address, and runs handler as a task for each
// connection. The stream is closed when the handler returns.
//
// The handler's error is told to the loop's exception handler, unless it is a
// cancellation or how a connection ends ordinarily: [io.EOF], an
// [*IncompleteReadError] without a byte, and [net.ErrClosed] where this side has
// closed the stream, as [Server.CloseClients] does. A handler can therefore
// return what its reads and writes return.
//
// The network is "tcp", "tcp4", "tcp6" or "unix", and the forms of the address
// those of [net.Listen]: an empty host is all addresses of the machine, port 0
// one that is free. Python: start_server, start_unix_server.
func StartServer(ctx context.Context, network, address string, handler func(ctx context.Context, s *Stream) error, opts ...ServerOption) (*Server, error) {
	o := newServerOptions(opts)
	t, level, err := enter(ctx)
	if err != nil {
		o.letGo()
		return nil, err
	}
	if handler == nil {
		o.letGo()
		return nil, fmt.Errorf("asyncio: start server: the handler is nil: %w", fs.ErrInvalid)
	}
	s := newServer(t.loop, o)
	values := baseContext{ctx, baseOf(ctx)}
	s.serve = func(conn driver.Conn) error { return serveStream(s, conn, values, handler) }
	return s.start(t, level, network, address)
}

// A streamClient is a connection that a handler serves: until that has returned
// and the descriptor is closed.
type streamClient struct {
	connection
	task plainTask // the handler's: both fill a size class that is as large as they are
}

var _ served = (*streamClient)(nil)

// serveStream runs the handler for a connection of the server.
func serveStream(s *Server, conn driver.Conn, values context.Context, handler func(context.Context, *Stream) error) error {
	c := &streamClient{}
	c.init(s.loop, s.options.limit, c)
	if err := c.attach(conn); err != nil {
		_ = conn.Close()
		return err
	}
	c.join(&s.clients)
	c.task.of(func(ctx context.Context) error {
		if s.options.tls != nil && !c.handshake(ctx, &s.options) {
			return nil // the peer's trouble, as a reset would be
		}
		return c.news(handler(ctx, &c.stream))
	}).begin(s.loop, values, nil)
	c.task.future.add((*handlerEnd)(c))
	return nil
}

func (c *streamClient) handshake(ctx context.Context, o *streamOptions) bool {
	t, level, err := enter(ctx)
	if err == nil {
		err = c.secure(t, level, o.tls, true, o)
	}
	if err != nil {
		c.abort(err)
	}
	return err == nil
}

// news returns err, the handler's, unless it says no more than that the
// connection has ended as connections do.
func (c *streamClient) news(err error) error {
	var incomplete *IncompleteReadError
	switch {
	case err == io.EOF, c.reader.eof && errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &incomplete) && len(incomplete.Partial) == 0:
		return nil
	case c.closing && !c.writeFailed() && errors.Is(err, net.ErrClosed):
		return nil
	}
	return err
}

// handlerEnd is what happens when the handler has returned.
type handlerEnd streamClient

func (e *handlerEnd) run() {
	c := (*streamClient)(e)
	err := c.task.Err()
	if _, panicked := err.(*PanicError); panicked || err == ErrGoexit {
		c.abort(nil)
	} else {
		_ = c.stream.Close()
	}
	if c.closed {
		c.leave()
	}
	if err != nil && !c.task.Cancelled() {
		c.loop.handleException(ExceptionContext{
			Message: "the handler of a connection failed",
			Err:     err,
			Task:    &c.task.Task,
		})
	}
}

// gone implements socketOwner.
func (c *streamClient) gone(reason, closeErr error) {
	c.connection.gone(reason, closeErr)
	if c.task.Done() {
		c.leave()
	}
}

// closeClient implements served.
func (c *streamClient) closeClient() { _ = c.stream.Close() }

// cancelClient implements served.
func (c *streamClient) cancelClient(why error) {
	c.task.CancelCause(why)
	c.abort(nil)
}
