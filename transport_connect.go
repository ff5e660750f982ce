package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// CreateConnection connects to address on the network, as [OpenConnection]
// does, and gives the connection to the protocol that factory makes. It returns
// when ConnectionMade was called, over TLS after the handshake; no data is
// received before the task has run. When the wait is interrupted the connection
// is aborted. It is for a task of the loop. Python: loop.create_connection,
// create_unix_connection.
func (l *Loop) CreateConnection(ctx context.Context, network, address string, factory func() Protocol, opts ...ConnOption) (Transport, Protocol, error) {
	var tr *transport
	err := connecting(ctx, l, network, address, opts, func(t *task, level context.Context, o *streamOptions) error {
		conn, err := o.connect(t, level, network, address)
		if err != nil {
			return err
		}
		tr, err = connectTransport(t, level, conn, factory, o, false)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return tr, tr.protocol, nil
}

// ConnectAcceptedSocket hands a connection that was accepted elsewhere to the
// protocol that factory makes; with [WithTLS], as the server. nc belongs to the
// loop from then on, also when that fails; see [WithConn] for what it may be.
// It is for a task of the loop. Python: loop.connect_accepted_socket.
func (l *Loop) ConnectAcceptedSocket(ctx context.Context, nc net.Conn, factory func() Protocol, opts ...StreamOption) (Transport, Protocol, error) {
	t, level, err := l.enter(ctx)
	if err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	o := defaultStreamOptions()
	for _, opt := range opts {
		opt.applyServer(&o)
	}
	if err := o.check(); err != nil {
		_ = nc.Close()
		return nil, nil, fmt.Errorf("asyncio: connect accepted socket: %w", err)
	}
	conn, err := l.driver.FromConn(nc)
	if err != nil {
		return nil, nil, fmt.Errorf("asyncio: connect accepted socket: %w", err)
	}
	tr, err := connectTransport(t, level, conn, factory, &o, true)
	if err != nil {
		return nil, nil, fmt.Errorf("asyncio: connect accepted socket: %w", err)
	}
	return tr, tr.protocol, nil
}

var errNoFactory = fmt.Errorf("the factory of protocols is nil: %w", fs.ErrInvalid)

// connectTransport hands conn to a new protocol, and waits until it was told.
func connectTransport(t *task, level context.Context, conn driver.Conn, factory func() Protocol, o *streamOptions, server bool) (*transport, error) {
	tr, err := startTransport(t.loop, conn, factory, o, server, nil)
	if err != nil {
		return nil, err
	}
	tr.waiter = &future{loop: t.loop}
	if err := tr.wait(t, level); err != nil {
		return nil, err
	}
	return tr, nil
}

// startTransport hands conn to a new protocol, which is told in the next turn.
// When that cannot be, conn is closed.
func startTransport(l *Loop, conn driver.Conn, factory func() Protocol, o *streamOptions, server bool, by *Server) (tr *transport, err error) {
	started := false
	defer func() {
		if !started { // factory may have panicked
			_ = conn.Close()
		}
	}()
	if factory == nil {
		return nil, errNoFactory
	}
	p := factory()
	if p == nil {
		return nil, errors.New("the factory gave no protocol")
	}
	tr = newTransport(l, p)
	if err := tr.attach(conn); err != nil {
		return nil, err
	}
	if o.tls != nil {
		tr.secure(o.tls, server, o)
	}
	if by != nil {
		tr.sock.join(&by.clients)
	}
	started = true
	return tr, nil
}
