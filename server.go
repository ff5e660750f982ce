package asyncio

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A Server accepts connections and runs a handler for each, as a task. All its
// methods are for the loop's goroutine. Python: Server.
type Server struct {
	loop      *Loop
	options   streamOptions
	handler   func(context.Context, *Stream) error
	values    context.Context
	listeners []*acceptor
	addrs     []net.Addr
	clients   map[*client]struct{}
	closed    bool
	gone      waitList // who waits for the end
}

// client is a connection that is being served: until its handler has returned
// and its descriptor is closed.
type client struct {
	server     *Server
	connection *connection
	task       *Task[struct{}]
	left       int // of these two
}

// StartServer listens on address, and runs handler as a task for each
// connection. The stream is closed when the handler returns; an error of it
// that is no cancellation is told to the loop's exception handler.
//
// The network is "tcp", "tcp4", "tcp6" or "unix", and the forms of the address
// those of [net.Listen]: an empty host is all addresses of the machine, port 0
// one that is free. Python: start_server, start_unix_server.
func StartServer(ctx context.Context, network, address string, handler func(ctx context.Context, s *Stream) error, opts ...ServerOption) (*Server, error) {
	t, level, err := enter(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{
		loop:    t.loop,
		options: defaultStreamOptions(),
		handler: handler,
		values:  valuesOf(ctx),
		clients: make(map[*client]struct{}),
	}
	for _, o := range opts {
		o.applyServer(&s.options)
	}
	if err := s.listen(t, level, network, address); err != nil {
		s.Close()
		return nil, &net.OpError{Op: "listen", Net: network, Addr: textAddr{network, address}, Err: err}
	}
	return s, nil
}

func (s *Server) listen(t *task, level context.Context, network, address string) error {
	addrs, v6only, err := s.options.listenAddrs(t, level, network, address)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		a := &acceptor{server: s}
		l, err := t.loop.driver.Listen(driver.ListenSpec{
			Addr:      addr,
			Backlog:   s.options.backlog,
			ReusePort: s.options.reusePort,
			V6Only:    v6only,
			Control:   s.options.control,
		}, a)
		if err != nil {
			return err
		}
		a.listener = l
		s.listeners = append(s.listeners, a)
		s.addrs = append(s.addrs, l.Addr())
		t.loop.acceptors = append(t.loop.acceptors, a)
	}
	return nil
}

// listenAddrs gives the addresses to listen on, and whether one that is all of
// IPv6 is not to take IPv4.
func (o *streamOptions) listenAddrs(t *task, level context.Context, network, address string) ([]net.Addr, bool, error) {
	host, service, err := net.SplitHostPort(address)
	if network == "unix" || err != nil || host != "" {
		addrs, err := o.resolve(t, level, network, address)
		return addrs, true, err
	}
	port, err := o.lookupPort(t, level, network, service)
	if err != nil {
		return nil, false, err
	}
	switch network {
	case "tcp":
		if systemHasIPv6() {
			return []net.Addr{&net.TCPAddr{IP: net.IPv6unspecified, Port: port}}, false, nil
		}
		return []net.Addr{&net.TCPAddr{IP: net.IPv4zero, Port: port}}, false, nil
	case "tcp4":
		return []net.Addr{&net.TCPAddr{IP: net.IPv4zero, Port: port}}, false, nil
	case "tcp6":
		return []net.Addr{&net.TCPAddr{IP: net.IPv6unspecified, Port: port}}, true, nil
	}
	return nil, false, net.UnknownNetworkError(network)
}

// systemHasIPv6 says whether a socket can be bound to an IPv6 address.
func systemHasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// An acceptor is one listening descriptor of a server.
type acceptor struct {
	server    *Server
	listener  driver.Listener
	scheduled bool
	retry     *TimerHandle
	closed    bool
}

const (
	acceptsAtOnce = 64 // in one turn, so that others have theirs
	// acceptRetry is how long to wait when the system has no descriptor left.
	// CPython waits a second.
	acceptRetry = 100 * time.Millisecond
)

// Ready implements driver.Handler.
func (a *acceptor) Ready(driver.Event) { a.schedule() }

func (a *acceptor) schedule() {
	if !a.scheduled && !a.closed {
		a.scheduled = true
		a.server.loop.ready.Push(a)
	}
}

// run accepts what has come.
func (a *acceptor) run() {
	a.scheduled = false
	for range acceptsAtOnce {
		if a.closed {
			return
		}
		conn, err := a.listener.Accept()
		switch {
		case err == nil:
			a.server.serve(conn)
		case err == driver.ErrWouldBlock:
			return
		default:
			a.backOff(err)
			return
		}
	}
	a.schedule()
}

// backOff tries again later: descriptors may be free then. The connections
// that wait are kept by the system.
func (a *acceptor) backOff(err error) {
	a.server.loop.handleException(ExceptionContext{
		Message: "accepting a connection failed; it is tried again",
		Err:     err,
	})
	a.retry = a.server.loop.CallLater(acceptRetry, func() {
		a.retry = nil
		a.schedule()
	})
}

func (a *acceptor) close() {
	if a.closed {
		return
	}
	a.closed = true
	if a.retry != nil {
		a.retry.Cancel()
	}
	_ = a.listener.Close() // there is nobody who could do something about it
	l := a.server.loop
	l.acceptors = slices.DeleteFunc(l.acceptors, func(b *acceptor) bool { return a == b })
}

// serve runs the handler for a connection.
func (s *Server) serve(conn driver.Conn) {
	c := &client{server: s, connection: newConnection(s.loop, s.options.limit), left: 2}
	if err := c.connection.attach(conn); err != nil {
		_ = conn.Close()
		s.loop.handleException(ExceptionContext{Message: "an accepted connection could not be used", Err: err})
		return
	}
	s.clients[c] = struct{}{}
	c.connection.sock.onClosed = c
	c.task = newTask(s.loop, s.values, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.handle(ctx, c)
	}, nil)
	c.task.future.add(c)
}

func (s *Server) handle(ctx context.Context, c *client) error {
	returned := false
	defer func() {
		if returned {
			_ = c.connection.stream.Close()
		} else { // a panic
			c.connection.sock.abort(nil)
		}
	}()
	if s.options.tls != nil {
		t, level, err := enter(ctx)
		if err == nil {
			err = c.connection.secure(t, level, s.options.tls, true, &s.options)
		}
		if err != nil {
			c.connection.sock.abort(err)
			returned = true
			return nil // the peer's trouble, as a reset would be
		}
	}
	err := s.handler(ctx, &c.connection.stream)
	returned = true
	return err
}

// run is called when the handler has returned.
func (c *client) run() {
	c.end()
	if err := c.task.Err(); err != nil && !c.task.Cancelled() {
		c.task.loop.handleException(ExceptionContext{
			Message: "the handler of a connection failed",
			Err:     err,
			Task:    c.task,
		})
	}
}

// socketClosed implements closeWatcher.
func (c *client) socketClosed() { c.end() }

func (c *client) end() {
	if c.left--; c.left > 0 {
		return
	}
	s := c.server
	delete(s.clients, c)
	if s.closed && len(s.clients) == 0 {
		s.gone.fire(nil)
	}
}

// Addr gives the address of the server's first listener: its port is the one
// that the system chose, where it was to choose.
func (s *Server) Addr() net.Addr {
	if len(s.addrs) == 0 {
		return nil
	}
	return s.addrs[0]
}

// Addrs gives the addresses of all listeners. Python: Server.sockets.
func (s *Server) Addrs() []net.Addr { return slices.Clone(s.addrs) }

// Loop gives the server's loop. Python: Server.get_loop.
func (s *Server) Loop() *Loop { return s.loop }

// IsServing says whether the server accepts connections. Python:
// Server.is_serving.
func (s *Server) IsServing() bool { return !s.closed }

// Close stops accepting. Connections that are being served go on. Python:
// Server.close.
func (s *Server) Close() {
	if s.closed {
		return
	}
	s.closed = true
	for _, a := range s.listeners {
		a.close()
	}
	if len(s.clients) == 0 {
		s.gone.fire(nil)
	}
}

// CloseClients closes the connections that are being served, after what was
// written to them. Python: Server.close_clients.
func (s *Server) CloseClients() {
	for _, c := range s.clientList() {
		_ = c.connection.stream.Close()
	}
}

// AbortClients closes the connections that are being served at once. Python:
// Server.abort_clients.
func (s *Server) AbortClients() {
	for _, c := range s.clientList() {
		c.connection.sock.abort(nil)
	}
}

func (s *Server) clientList() []*client {
	all := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *client) int { return int(a.task.id) - int(b.task.id) })
	return all
}

// WaitClosed suspends the running task until the server was closed, all its
// handlers have returned and their connections are closed. Python: Server.wait_closed.
func (s *Server) WaitClosed(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	if s.closed && len(s.clients) == 0 {
		return nil
	}
	return s.gone.wait(t, level)
}

// Shutdown stops accepting and waits until the handlers have returned and
// their connections are closed. When ctx ends before, or the task is
// cancelled, it cancels the handlers, aborts the connections and gives the
// error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Close()
	err := s.WaitClosed(ctx)
	if err != nil {
		for _, c := range s.clientList() {
			c.task.Cancel("the server shuts down")
			c.connection.sock.abort(nil)
		}
		return fmt.Errorf("asyncio: shutdown of the server: %w", err)
	}
	return nil
}

// ServeForever suspends the running task until it is cancelled, then closes
// the server and its connections, and gives the cancellation. Python:
// Server.serve_forever.
func (s *Server) ServeForever(ctx context.Context) error {
	if s.closed {
		return fmt.Errorf("asyncio: serve forever: the server is closed: %w", net.ErrClosed)
	}
	err := s.WaitClosed(ctx)
	if err != nil {
		s.Close()
		s.CloseClients()
	}
	return err
}
