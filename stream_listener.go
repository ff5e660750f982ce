package asyncio

import (
	"context"
	"net"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// acceptedAhead bounds how many connections a listener holds that nobody has
// taken: of more than that, the system keeps those that come.
const acceptedAhead = 64

// A Listener is a server whose connections are taken one by one, as those of a
// [net.Listener], which it is, instead of being given to a handler. Make one
// with [Listen].
type Listener struct {
	server *Server
	addr   net.Addr
	ready  []*Stream // nobody has taken these yet, the oldest first
	come   waitList  // who waits for one
}

var _ net.Listener = (*Listener)(nil)

// describeWait implements waitDescriber.
func (l *Listener) describeWait(w *WaitLook) any {
	w.Kind, w.Detail = "socket", "accept "+addrText(l.addr)
	return l
}

// Listen listens on address, as [StartServer] does, for code that accepts: an
// [net/http.Server], or [net/rpc.Server.Accept]. With [WithTLS] a connection can
// be taken when its handshake is done. Connections that nobody takes wait, some
// here and the others in the system. The listener ends with the loop.
func Listen(ctx context.Context, network, address string, opts ...ServerOption) (*Listener, error) {
	o := newServerOptions(opts)
	t, level, err := enter(ctx)
	if err != nil {
		o.letGo()
		return nil, err
	}
	l := &Listener{server: newServer(t.loop, o)}
	values := baseContext{ctx, baseOf(ctx)}
	l.server.serve = func(conn driver.Conn) error { return serveStream(l.server, conn, values, l.offer) }
	if _, err := l.server.start(t, level, network, address); err != nil {
		return nil, err
	}
	l.addr = l.server.Addr()
	return l, nil
}

// offer is the handler of a connection: it keeps it until it is closed.
func (l *Listener) offer(ctx context.Context, s *Stream) error {
	if l.server.closed {
		return nil
	}
	l.ready = append(l.ready, s)
	if len(l.ready) >= acceptedAhead {
		l.server.serving = false
	}
	l.come.fire(nil)
	t, level, err := s.StreamWriter.begin(ctx)
	sock := s.StreamWriter.sock
	for err == nil && !sock.closed {
		err = sock.withRare().ended.wait(t, level, sock)
		if sock.writeFailed() {
			err = nil // whoever took the connection is told
		}
	}
	return err
}

// AcceptStream suspends the running task until there is a connection, and
// returns it. It returns [net.ErrClosed] when the listener is closed. It is for a
// task of the loop.
func (l *Listener) AcceptStream(ctx context.Context) (*Stream, error) {
	t, level, err := l.server.loop.enter(ctx)
	if err != nil {
		return nil, l.opError(err)
	}
	return l.accept(t, level)
}

// Accept waits for a connection and returns its [Stream.SharedConn], which any
// goroutine may use; see there what that costs. It may be called from any
// goroutine but those of other loops: in a task of the loop it suspends the task,
// elsewhere it blocks, which costs a trip to the loop and back.
func (l *Listener) Accept() (net.Conn, error) {
	if onLoop() == nil {
		t, err := l.server.loop.runningTask()
		if err != nil {
			return nil, l.opError(err)
		}
		return l.acceptConn(t)
	}
	c, err := blockOnLoop(context.Background(), l.server.loop, func(ctx context.Context) (net.Conn, error) {
		t, _, err := enter(ctx)
		if err != nil {
			return nil, err
		}
		return l.acceptConn(t)
	})
	return c, l.opError(err)
}

func (l *Listener) acceptConn(t *task) (net.Conn, error) {
	s, err := l.accept(t, nil)
	if err != nil {
		return nil, err
	}
	return s.SharedConn(), nil
}

func (l *Listener) accept(t *task, level context.Context) (*Stream, error) {
	for {
		if l.server.closed {
			return nil, l.opError(net.ErrClosed)
		}
		if len(l.ready) > 0 {
			s := l.ready[0]
			l.ready[0] = nil
			l.ready = l.ready[1:]
			return s, l.opError(l.server.StartServing())
		}
		if err := l.come.wait(t, level, l); err != nil {
			return nil, l.opError(err)
		}
	}
}

// Close stops accepting and closes the connections that nobody has taken; those
// that were taken go on. It may be called from any goroutine but those of other
// loops. Closing twice does nothing.
func (l *Listener) Close() error {
	if onLoop() == nil {
		l.close()
		return nil
	}
	_ = l.server.loop.post(newHandle(l.close)) // a loop that takes nothing more closes it itself
	return nil
}

func (l *Listener) close() {
	l.server.Close()
	left := l.ready
	l.ready = nil
	for _, s := range left {
		s.Abort()
	}
	l.come.fire(nil)
}

// Addr returns the address that it listens on; see [Server.Addr]. It may be
// called from any goroutine.
func (l *Listener) Addr() net.Addr { return l.addr }

// Server returns the server under the listener, to wait for its connections or
// to close them: [Server.Shutdown], [Server.CloseClients].
func (l *Listener) Server() *Server { return l.server }

func (l *Listener) opError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*net.OpError); ok {
		return err
	}
	e := &net.OpError{Op: "accept", Addr: l.addr, Err: err}
	if l.addr != nil {
		e.Net = l.addr.Network()
	}
	return e
}
