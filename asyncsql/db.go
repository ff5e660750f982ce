package asyncsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/asyncio-go/asyncio"
)

// ErrClosed is returned by what needs a database that was closed.
var ErrClosed = errors.New("asyncsql: the database is closed")

// defaultConnections is how many connections a pool has when nothing was said.
const defaultConnections = 10

// A DB is a pool of connections, as [sql.DB] is, for tasks. Its methods suspend the task
// that calls them; they may be called from tasks of any loop. A DB that is not closed
// keeps its connections, and no goroutine but those of the driver and of database/sql
// where no call is under way and nothing holds a connection.
type DB struct {
	place
	lanes  *lanes
	sql    *sql.DB
	replay *sql.DB
	batch  batchSize

	closed   chan struct{} // closed when nothing is left
	closeErr error
}

// An Option is an option of [Open], [OpenDB] and [New].
type Option interface{ apply(*options) }

type option func(*options)

func (f option) apply(o *options) { f(o) }

type options struct {
	connections int
	batch       batchSize
}

// WithMaxConnections bounds the connections, and with them the threads; it is 10
// without it.
func WithMaxConnections(n int) Option {
	return option(func(o *options) { o.connections = max(n, 1) })
}

// WithBatch bounds what is fetched of a query's rows at once: so many rows, of about so
// many bytes in all. A bound of 0 is that without the option: 256 rows, 64 KiB. A batch
// costs one switch to a thread and back; two batches of each query that is being read
// may be in memory.
func WithBatch(rows, bytes int) Option {
	return option(func(o *options) {
		if rows > 0 {
			o.batch.rows = rows
		}
		if bytes > 0 {
			o.batch.bytes = bytes
		}
	})
}

// Open is [sql.Open]: it makes a pool for a driver that was registered, and connects to
// nothing yet. It does not wait, and may be called anywhere.
func Open(driverName, dataSourceName string, opts ...Option) (*DB, error) {
	db, err := sql.Open(driverName, dataSourceName)
	if err != nil {
		return nil, err
	}
	return New(db, opts...), nil
}

// OpenDB is [sql.OpenDB]: Open with a connector.
func OpenDB(c driver.Connector, opts ...Option) *DB { return New(sql.OpenDB(c), opts...) }

// New makes a DB of a pool that is there. It is the DB's from now on: New bounds its
// connections, to what it was bound to before or else to what the option says, and lets
// it keep as many idle ones; [DB.Close] closes it. Who uses it beside the DB takes
// connections that the DB counts on, and its tasks' threads wait for them.
func New(db *sql.DB, opts ...Option) *DB {
	o := options{connections: db.Stats().MaxOpenConnections, batch: defaultBatch}
	if o.connections <= 0 {
		o.connections = defaultConnections
	}
	for _, opt := range opts {
		opt.apply(&o)
	}
	db.SetMaxOpenConns(o.connections)
	db.SetMaxIdleConns(o.connections)
	d := &DB{lanes: newLanes(o.connections), sql: db, replay: sql.OpenDB(replayer{}), batch: o.batch, closed: make(chan struct{})}
	d.place = place{db: d, on: db}
	return d
}

// SQL returns the pool below, to set what database/sql has more of: how long connections
// live, how many are idle. Its methods that wait block the loop.
func (db *DB) SQL() *sql.DB { return db.sql }

// Conn is [sql.DB.Conn]: it takes a connection out of the pool for the caller alone.
func (db *DB) Conn(ctx context.Context) (*Conn, error) {
	return call(ctx, &db.place, func(ctx context.Context, k *calling) (*Conn, error) {
		ctx, _ = k.lasting(ctx)
		real, err := again(ctx, &db.place, db.sql.Conn)
		if err != nil {
			return nil, err
		}
		c := &Conn{place: place{db: db, lane: k.lane, on: real, over: sql.ErrConnDone}, real: real}
		k.lane.keep(c)
		return c, nil
	}, func(c *Conn) { _ = c.Close() })
}

// BeginTx is [sql.DB.BeginTx], but does not wait: it takes its turn for a connection, and
// the transaction begins with the first call on it, which waits for both. When it cannot
// begin, because there is no server or opts are refused, it is that call which returns the
// error; later ones return [sql.ErrTxDone]. BeginTx itself fails with [ErrClosed] alone.
//
// The transaction has the connection until it ends, and is rolled back when ctx ends.
// It must be ended also where nothing was done in it: that costs nothing then, except
// for Commit, which begins it.
func (db *DB) BeginTx(ctx context.Context, opts *sql.TxOptions) (*Tx, error) {
	ended := ctx.Err() != nil
	tx := &Tx{own: lane{of: db.lanes}}
	tx.init(&db.place, &tx.own, opts)
	if err := tx.lane.reserve(tx); err != nil {
		return nil, err
	}
	if !ended {
		tx.bind(ctx)
	}
	return tx, nil
}

// PingContext is [sql.DB.PingContext].
func (db *DB) PingContext(ctx context.Context) error {
	_, err := call(ctx, &db.place, func(ctx context.Context, k *calling) (struct{}, error) {
		ctx, _ = k.lasting(ctx)
		return struct{}{}, db.sql.PingContext(ctx)
	}, nil)
	return err
}

// Stats are the numbers of a [DB].
type Stats struct {
	sql.DBStats        // those of database/sql; who waits is not there but in Waiting
	Turns       int    // connections that tasks hold, in a call or between calls
	Waiting     int    // calls and transactions that wait for a connection, on the loop
	Waited      uint64 // those that have had to
	Running     int    // calls on a thread
	CutOff      uint64 // calls that were cancelled, or whose context has ended
}

// Stats returns the numbers of now. It may be called from any goroutine.
func (db *DB) Stats() Stats {
	s := Stats{DBStats: db.sql.Stats()}
	db.lanes.mu.Lock()
	defer db.lanes.mu.Unlock()
	s.Turns, s.Waiting, s.Running = len(db.lanes.busy), db.lanes.waiting.n, db.lanes.running
	s.Waited, s.CutOff = db.lanes.waited, db.lanes.dropped
	return s
}

// Close closes the pool. Calls that wait for a connection, and later ones, fail with
// [ErrClosed]. Transactions are rolled back; rows and connections are closed. It waits
// for the calls that are under way. When the wait is cancelled or ctx ends, it ends those
// calls, too, and the rest is done behind its back. Outside of a loop it blocks.
func (db *DB) Close(ctx context.Context) error {
	if db.lanes.close() {
		go db.finish()
	}
	err := waitClosed(ctx, db.closed)
	if err != nil {
		db.lanes.hurry()
		return err
	}
	return db.closeErr
}

// finish closes what is below once the lanes are idle.
func (db *DB) finish() {
	defer close(db.closed)
	<-db.lanes.idle
	_ = db.replay.Close()
	db.closeErr = db.sql.Close()
}

// waitClosed waits until c is closed, in a task where ctx is of one.
func waitClosed(ctx context.Context, c <-chan struct{}) error {
	wait := func(ctx context.Context) (struct{}, error) {
		select {
		case <-c:
			return struct{}{}, nil
		case <-ctx.Done():
			return struct{}{}, context.Cause(ctx)
		}
	}
	if _, err := asyncio.RunningLoop(ctx); err != nil {
		_, err := wait(ctx)
		return err
	}
	_, err := asyncio.ToExecutor(ctx, ownThread{}, wait)
	return err
}

// ownThread is an executor with a goroutine for each function: what waits long takes no
// thread from others.
type ownThread struct{}

// Submit implements [asyncio.Executor].
func (ownThread) Submit(ctx context.Context, fn func(context.Context)) error {
	go fn(ctx)
	return nil
}

// Shutdown implements [asyncio.Executor]. There is nothing to shut down.
func (ownThread) Shutdown(context.Context) error { return nil }
