package asyncio

import (
	"context"
	"fmt"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// CreateServer listens on address, as [StartServer] does, and gives each
// connection to the protocol that factory makes; over TLS after the handshake.
// One whose handshake fails is closed without a report.
// It is for a task of the loop. Python: loop.create_server, create_unix_server.
func (l *Loop) CreateServer(ctx context.Context, network, address string, factory func() Protocol, opts ...ServerOption) (*Server, error) {
	o := newServerOptions(opts)
	t, level, err := l.enter(ctx)
	if err != nil {
		o.letGo()
		return nil, err
	}
	if factory == nil {
		o.letGo()
		return nil, fmt.Errorf("asyncio: create server: %w", errNoFactory)
	}
	s := newServer(l, o)
	s.serve = func(conn driver.Conn) error {
		_, err := startTransport(l, conn, factory, &s.options, true, s)
		return err
	}
	return s.start(t, level, network, address)
}
