package asyncsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// What a value of a driver becomes in a variable is decided inside of database/sql, by
// Rows.Scan alone. So rows that have come to the loop are read once more there, from
// memory, by way of a driver that has nothing but them.

// replayed are rows in memory.
type replayed interface {
	replayColumns() []string
	replayRow(dest []driver.Value) error // the current row
}

type replayKey struct{}

// replay returns rows whose Next is the current row of r, whenever it is called. It does
// not block: db has as many connections as are asked for, and they are nothing.
//
//asyncvet:ignore blocking there is no database behind these connections
func replay(db *sql.DB, r replayed) (*sql.Rows, error) {
	return db.QueryContext(context.WithValue(context.Background(), replayKey{}, r), "")
}

// A replayer is the driver and its connection.
type replayer struct{}

var errReplayOnly = errors.New("asyncsql: this connection only replays rows")

func (replayer) Connect(context.Context) (driver.Conn, error) { return replayer{}, nil }
func (replayer) Driver() driver.Driver                        { return replayer{} }
func (replayer) Open(string) (driver.Conn, error)             { return replayer{}, nil }
func (replayer) Prepare(string) (driver.Stmt, error)          { return nil, errReplayOnly }
func (replayer) Begin() (driver.Tx, error)                    { return nil, errReplayOnly }
func (replayer) Close() error                                 { return nil }

func (replayer) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	r, ok := ctx.Value(replayKey{}).(replayed)
	if !ok {
		return nil, errReplayOnly
	}
	return replayRows{r}, nil
}

type replayRows struct{ replayed }

func (r replayRows) Columns() []string              { return r.replayColumns() }
func (r replayRows) Next(dest []driver.Value) error { return r.replayRow(dest) }
func (r replayRows) Close() error                   { return nil }
