package asyncio

import (
	"context"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A streamServer serves each connection with a handler.
type streamServer struct {
	server  *Server
	handler func(context.Context, *Stream) error
	values  context.Context
}

// A streamClient is a connection that is being served: until its handler has
// returned and its descriptor is closed.
type streamClient struct {
	client
	of         *streamServer
	connection *connection
	task       *Task[struct{}]
	left       int // of these two
}

// serve runs the handler for a connection.
func (s *streamServer) serve(conn driver.Conn) error {
	l, o := s.server.loop, &s.server.options
	c := &streamClient{of: s, connection: newConnection(l, o.limit), left: 2}
	if err := c.connection.attach(conn); err != nil {
		_ = conn.Close()
		return err
	}
	s.server.clients.add(&c.client, s.server, c)
	c.connection.sock.onClosed = c
	c.task = newTask(l, s.values, c.handle, nil)
	c.task.future.add(c)
	return nil
}

func (c *streamClient) handle(ctx context.Context) (struct{}, error) {
	if o := &c.server.options; o.tls != nil && !c.handshake(ctx, o) {
		return struct{}{}, nil // the peer's trouble, as a reset would be
	}
	return struct{}{}, c.of.handler(ctx, &c.connection.stream)
}

func (c *streamClient) handshake(ctx context.Context, o *streamOptions) bool {
	t, level, err := enter(ctx)
	if err == nil {
		err = c.connection.secure(t, level, o.tls, true, o)
	}
	if err != nil {
		c.connection.sock.abort(err)
	}
	return err == nil
}

// run is called when the handler has returned.
func (c *streamClient) run() {
	err := c.task.Err()
	if _, panicked := err.(*PanicError); panicked || err == ErrGoexit {
		c.connection.sock.abort(nil)
	} else {
		_ = c.connection.stream.Close()
	}
	c.part()
	if err != nil && !c.task.Cancelled() {
		c.task.loop.handleException(ExceptionContext{
			Message: "the handler of a connection failed",
			Err:     err,
			Task:    c.task,
		})
	}
}

// socketClosed implements closeWatcher.
func (c *streamClient) socketClosed() { c.part() }

// part is called twice: for the handler and for the descriptor.
func (c *streamClient) part() {
	if c.left--; c.left == 0 {
		c.end()
	}
}

// closeClient implements clientConn.
func (c *streamClient) closeClient() { _ = c.connection.stream.Close() }

// abortClient implements clientConn.
func (c *streamClient) abortClient() { c.connection.sock.abort(nil) }

// cancelClient implements clientConn.
func (c *streamClient) cancelClient(why string) {
	c.task.Cancel(why)
	c.abortClient()
}
