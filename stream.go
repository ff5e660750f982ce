package asyncio

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"sync"
	"syscall"
)

// A Stream is a connection: a reader and a writer. It is an
// [io.ReadWriteCloser] for code that runs in a coroutine. Python: the pair that
// open_connection returns.
type Stream struct {
	*StreamReader
	*StreamWriter
}

var _ io.ReadWriteCloser = (*Stream)(nil)

// connection is all of a stream in one piece of memory.
type connection struct {
	pullSocket
	reader StreamReader
	writer StreamWriter
	stream Stream
}

var doors sync.Once

// openDoors opens the doors to asynchttp, when the first stream is made and not when the
// package is initialised: the linker leaves streams out of a program that has none, and
// TLS with them.
func openDoors() {
	openFileHead()
	openHangup()
}

// newConnection makes a stream that is not attached to a descriptor yet.
func newConnection(l *Loop, limit int) *connection {
	c := &connection{}
	c.init(l, limit, &c.pullSocket)
	return c
}

func (c *connection) init(l *Loop, limit int, owner socketOwner) {
	doors.Do(openDoors)
	c.pullSocket.init(l, owner)
	c.reader.init(&c.pullSocket, limit)
	c.writer.sock = &c.pullSocket
	c.stream = Stream{&c.reader, &c.writer}
}

// secure puts TLS between the stream and its descriptor.
func (c *connection) secure(t *task, level context.Context, cfg *tls.Config, server bool, o *streamOptions) error {
	layer, err := startTLS(t, level, &c.pullSocket, cfg, server, o.handshakeTimeout, nil)
	if err != nil {
		return err
	}
	c.withRare().tls, c.reader.src = layer, layer
	return nil
}

// Loop returns the stream's loop.
func (s *Stream) Loop() *Loop { return s.StreamWriter.sock.loop }

// SyscallConn returns access to the descriptor, for options of the system's. It
// is not to be read from, written to or closed. Python:
// get_extra_info('socket').
func (s *Stream) SyscallConn() (syscall.RawConn, error) {
	return s.StreamWriter.sock.conn.SyscallConn()
}

// OpenConnection connects to address on the network, which is "tcp", "tcp4",
// "tcp6" or "unix", and returns the stream. The forms of the address are those of
// [net.Dial].
//
// A name is looked up by [net.Resolver] on a thread for look-ups, of which a loop has sixteen. Where it has several
// addresses, they are tried as RFC 8305 says (happy eyeballs): the next one
// when the last one has failed, or not answered within a quarter of a second;
// the first connection wins. Python: open_connection, open_unix_connection.
func OpenConnection(ctx context.Context, network, address string, opts ...ConnOption) (*Stream, error) {
	var c *connection
	err := connecting(ctx, nil, network, address, opts, func(t *task, level context.Context, o *streamOptions) (err error) {
		c, err = o.open(t, level, network, address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &c.stream, nil
}

// open connects and, if so asked, does the handshake.
func (o *streamOptions) open(t *task, level context.Context, network, address string) (*connection, error) {
	conn, err := o.connect(t, level, network, address)
	if err != nil {
		return nil, err
	}
	c := newConnection(t.loop, o.limit)
	if err := c.attach(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if o.tls != nil {
		if err := c.secure(t, level, o.tls, false, o); err != nil {
			c.abort(err)
			return nil, err
		}
	}
	return c, nil
}

// StartTLS does a TLS handshake over the stream, after what was read and
// written so far, and goes on over TLS. It is the client's side of it; for the
// server's use [Stream.StartServerTLS]. When it fails, the stream is aborted.
// What the reader has buffered belongs to the handshake. Python:
// StreamWriter.start_tls.
func (s *Stream) StartTLS(ctx context.Context, cfg *tls.Config) error {
	return s.startTLS(ctx, cfg, false)
}

// StartServerTLS is [Stream.StartTLS] for the server's side. Python:
// StreamWriter.start_tls of a server.
func (s *Stream) StartServerTLS(ctx context.Context, cfg *tls.Config) error {
	return s.startTLS(ctx, cfg, true)
}

func (s *Stream) startTLS(ctx context.Context, cfg *tls.Config, server bool) error {
	r, w := s.StreamReader, s.StreamWriter
	t, level, err := r.begin(ctx)
	if err != nil {
		return err
	}
	if w.tls() != nil {
		return fmt.Errorf("start TLS: %w: the stream has TLS already", ErrInvalidState)
	}
	if err := checkTLS(cfg, server); err != nil {
		return fmt.Errorf("start TLS: %w", err)
	}
	layer, err := startTLS(t, level, w.sock, cfg, server, defaultHandshakeTimeout, r.takeCopy(r.buffered()))
	if err != nil {
		w.sock.abort(err)
		return fmt.Errorf("start TLS: %w", err)
	}
	w.sock.withRare().tls, r.src = layer, layer
	return nil
}
