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
	c.task = newTask(l, s.values, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.handle(ctx)
	}, nil)
	c.task.future.add(c)
	return nil
}

func (c *streamClient) handle(ctx context.Context) error {
	returned := false
	defer func() {
		if returned {
			_ = c.connection.stream.Close()
		} else { // a panic
			c.connection.sock.abort(nil)
		}
	}()
	if o := &c.server.options; o.tls != nil {
		t, level, err := enter(ctx)
		if err == nil {
			err = c.connection.secure(t, level, o.tls, true, o)
		}
		if err != nil {
			c.connection.sock.abort(err)
			returned = true
			return nil // the peer's trouble, as a reset would be
		}
	}
	err := c.of.handler(ctx, &c.connection.stream)
	returned = true
	return err
}

// run is called when the handler has returned.
func (c *streamClient) run() {
	c.part()
	if err := c.task.Err(); err != nil && !c.task.Cancelled() {
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
