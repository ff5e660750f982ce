// Package store opens a database whose connections are the loop's.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"

	"github.com/asyncio-go/asyncio"
)

type connector interface {
	driver.Connector
	Dialer(dial func(ctx context.Context, network, address string) (net.Conn, error))
}

func Open(loop *asyncio.Loop, c connector) *sql.DB {
	c.Dialer(asyncio.NewDialer(loop).DialContext)
	return sql.OpenDB(c)
}

func Ping(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) }
