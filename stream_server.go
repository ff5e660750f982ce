package asyncio

import (
	"context"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A streamClient is a connection that a handler serves: until that has returned
// and the descriptor is closed.
type streamClient struct {
	connection
	task *Task[struct{}] // the handler's
}

var _ served = (*streamClient)(nil)

// serveStream runs the handler for a connection.
func (s *Server) serveStream(conn driver.Conn, values context.Context) error {
	c := &streamClient{}
	c.init(s.loop, s.options.limit, c)
	if err := c.attach(conn); err != nil {
		_ = conn.Close()
		return err
	}
	c.join(&s.clients)
	c.task = newTask(s.loop, values, c.handle, nil)
	c.task.future.add((*handlerEnd)(c))
	return nil
}

func (c *streamClient) handle(ctx context.Context) (struct{}, error) {
	s := c.among.server
	if s.options.tls != nil && !c.handshake(ctx, &s.options) {
		return struct{}{}, nil // the peer's trouble, as a reset would be
	}
	return struct{}{}, s.handler(ctx, &c.stream)
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
			Task:    c.task,
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
func (c *streamClient) cancelClient(why string) {
	c.task.Cancel(why)
	c.abort(nil)
}
