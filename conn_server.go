package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A Server accepts connections and serves each: with a handler, which runs as a
// task, or with a protocol. All its methods are for the loop's goroutine.
// Python: Server.
type Server struct {
	loop      *Loop
	options   streamOptions
	serve     func(conn driver.Conn) error // serves one with a handler or a protocol
	listeners []*acceptor
	addrs     []net.Addr
	clients   socketList // the connections that it serves
	serving   bool
	serves    bool // a task is in Serve or ServeForever
	closed    bool
	gone      waitList // who waits for the end
}

func newServer(l *Loop, o streamOptions) *Server {
	s := &Server{loop: l, options: o}
	s.serving = !s.options.notServing
	s.clients.owner = s
	return s
}

func (s *Server) start(t *task, level context.Context, network, address string) (*Server, error) {
	if err := s.options.check(); err != nil {
		s.options.letGo()
		return nil, &net.OpError{Op: "listen", Net: network, Addr: textAddr{network, address}, Err: err}
	}
	all := serversOf(s.loop)
	all.servers = append(all.servers, s)
	if err := s.listen(t, level, network, address); err != nil {
		s.Close()
		return nil, &net.OpError{Op: "listen", Net: network, Addr: textAddr{network, address}, Err: err}
	}
	return s, nil
}

func (s *Server) listen(t *task, level context.Context, network, address string) error {
	if s.options.listener != nil {
		a := &acceptor{server: s}
		l, err := t.loop.driver.FromListener(s.options.listener, a)
		return s.add(a, l, err)
	}
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
		if err := s.add(a, l, err); err != nil {
			return err
		}
	}
	return nil
}

// add makes l, if there is no err, one of the server's listeners.
func (s *Server) add(a *acceptor, l driver.Listener, err error) error {
	if err != nil {
		return err
	}
	a.listener = l
	s.listeners = append(s.listeners, a)
	s.addrs = append(s.addrs, l.Addr())
	return nil
}

// Addr returns the address of the server's first listener, also when the server
// is closed: its port is the one that the system chose, where it was to choose.
// Python: sockets[0].getsockname().
func (s *Server) Addr() net.Addr {
	if len(s.addrs) == 0 {
		return nil
	}
	return s.addrs[0]
}

// Addrs returns the addresses of all listeners; none when the server is closed.
// Python: Server.sockets.
func (s *Server) Addrs() []net.Addr {
	if s.closed {
		return nil
	}
	return slices.Clone(s.addrs)
}

// Loop returns the server's loop. Python: Server.get_loop.
func (s *Server) Loop() *Loop { return s.loop }

// IsServing reports whether the server accepts connections. Python:
// Server.is_serving.
func (s *Server) IsServing() bool { return s.serving && !s.closed }

// StartServing begins to accept, on a server made with [WithoutServing]. It
// returns [net.ErrClosed] when the server is closed. Python: Server.start_serving.
func (s *Server) StartServing() error {
	if s.closed {
		return fmt.Errorf("asyncio: start serving: the server is closed: %w", net.ErrClosed)
	}
	if !s.serving {
		s.serving = true
		for _, a := range s.listeners {
			a.schedule()
		}
	}
	return nil
}

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
	s.settle()
}

// left implements listOwner.
func (s *Server) left() { s.settle() }

// settle tells who waits for the end, if it has come.
func (s *Server) settle() {
	if s.over() {
		all := serversOf(s.loop)
		all.servers = slices.DeleteFunc(all.servers, func(other *Server) bool { return other == s })
		s.gone.fire(nil)
	}
}

// over reports whether the server is closed and serves nobody any more.
func (s *Server) over() bool { return s.closed && s.clients.n == 0 }

// CloseClients closes the connections that are being served, after what was
// written to them. Python: Server.close_clients.
func (s *Server) CloseClients() {
	s.clients.each(func(c *socket) { c.owner.(served).closeClient() })
}

// AbortClients closes the connections that are being served at once. Python:
// Server.abort_clients.
func (s *Server) AbortClients() { s.clients.abort(nil) }

// serverList is the servers of a loop.
type serverList struct{ servers []*Server }

func serversOf(l *Loop) *serverList { return partOf[serverList](l, serversPart) }

// close closes the servers, and the connections that they serve.
func (s *serverList) close(*Loop) {
	all := slices.Clone(s.servers)
	for _, s := range all {
		s.Close()
	}
	for _, s := range all {
		s.clients.abort(ErrLoopClosed)
	}
}

// WaitClosed suspends the running task until the server was closed, all its
// handlers have returned and their connections are closed, and all protocols
// have been told so. Python: Server.wait_closed.
func (s *Server) WaitClosed(ctx context.Context) error {
	t, level, err := s.loop.enter(ctx)
	if err != nil {
		return err
	}
	if s.over() {
		return nil
	}
	return s.gone.wait(t, level, s)
}

var errServerShutdown = errors.New("the server shuts down")

// Shutdown stops accepting and waits until the connections have ended, of their
// own accord. When ctx ends before, or the task is cancelled, it cancels the
// handlers, aborts the connections and returns the error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Close()
	err := s.WaitClosed(ctx)
	if err != nil {
		s.cancelClients()
		return fmt.Errorf("asyncio: shutdown of the server: %w", err)
	}
	return nil
}

func (s *Server) cancelClients() {
	s.clients.each(func(c *socket) { c.owner.(served).cancelClient(errServerShutdown) })
}

// Serve begins to accept, if that was put off, and suspends the running task
// until ctx ends or the task is cancelled. Then it stops accepting, and waits up
// to grace for the connections to end of their own accord. It is all that a
// program's main needs at its end:
//
//	return srv.Serve(ctx, 10*time.Second)
//
// It returns nil when all connections have ended within the grace, and when the
// server was closed by somebody else: a cancellation is what it has waited for,
// and it keeps it. Those connections that are left are aborted and their handlers
// cancelled, as by [Server.Shutdown], and the error is a [*TimeoutError]; or the
// cancellation, when the task is cancelled once more. A grace that is not
// positive waits for nobody. One task at a time may serve.
func (s *Server) Serve(ctx context.Context, grace time.Duration) error {
	err := s.serveUntil(ctx)
	if err == nil || !endsServing(err) {
		return err
	}
	t, err := s.loop.runningTask()
	if err != nil {
		return err
	}
	s.Close()
	if !s.over() && grace > 0 {
		limited, end := context.WithCancel(context.Background())
		defer end()
		timer := s.loop.CallLater(grace, end)
		defer timer.Cancel()
		err = s.gone.wait(t, limited, s)
	}
	if s.over() {
		return nil
	}
	n := s.clients.n
	s.cancelClients()
	if !IsCancelled(err) {
		err = &TimeoutError{}
	}
	return fmt.Errorf("asyncio: serve: %d connections did not end within %v: %w", n, grace, err)
}

// endsServing reports whether err says that the context has ended, or the task
// was cancelled.
func endsServing(err error) bool {
	return IsCancelled(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// ServeForever begins to accept, if that was put off, and suspends the running
// task until it is cancelled; then it closes the server and its connections,
// and returns the cancellation. One task at a time may do that. Python:
// Server.serve_forever.
func (s *Server) ServeForever(ctx context.Context) error {
	err := s.serveUntil(ctx)
	if endsServing(err) || errors.Is(err, ErrLoopClosed) {
		s.Close()
		s.CloseClients()
	}
	return err
}

// serveUntil accepts until the server is closed and over, and returns nil then,
// or the error that ended the wait.
func (s *Server) serveUntil(ctx context.Context) error {
	if s.serves {
		return fmt.Errorf("asyncio: serve: %w: another task does already", ErrInvalidState)
	}
	if err := s.StartServing(); err != nil {
		return err
	}
	s.serves = true
	defer func() { s.serves = false }()
	return s.WaitClosed(ctx)
}
