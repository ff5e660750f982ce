package asyncsql

import (
	"context"
	"database/sql"
	"slices"
	"sync/atomic"
)

// A Conn is one connection, as [sql.Conn]. It may be used by several tasks; their calls
// run one after another.
type Conn struct {
	place
	real *sql.Conn
	done atomic.Bool
}

// BeginTx is [sql.Conn.BeginTx]. The transaction has begun when it returns, and what is
// done on the connection itself until its end is in it. When it is cut off and the server
// has begun it all the same, that is the end of the connection: later calls on it return
// [sql.ErrConnDone].
func (c *Conn) BeginTx(ctx context.Context, opts *sql.TxOptions) (*Tx, error) {
	ended := ctx.Err() != nil
	tx := &Tx{}
	tx.init(&c.place, c.lane, opts)
	p := tx.place
	p.over = c.over
	// One that nobody takes is rolled back by the next job: what follows is not in it.
	_, err := call(ctx, &p, func(context.Context, *calling) (*Tx, error) {
		tx.lane.keep(tx)
		return tx, nil
	}, (*Tx).dispose)
	if err != nil {
		return nil, err
	}
	if !ended {
		tx.bind(ctx)
	}
	return tx, nil
}

// PingContext is [sql.Conn.PingContext].
func (c *Conn) PingContext(ctx context.Context) error {
	_, err := call(ctx, &c.place, func(ctx context.Context, k *calling) (struct{}, error) {
		ctx, _ = k.lasting(ctx)
		return struct{}{}, c.real.PingContext(ctx)
	}, nil)
	return err
}

// Raw is [sql.Conn.Raw]. It calls f on a thread, where f must not wait on the loop. When
// the wait is cut off, f runs on.
func (c *Conn) Raw(ctx context.Context, f func(driverConn any) error) error {
	_, err := call(ctx, &c.place, func(context.Context, *calling) (struct{}, error) {
		return struct{}{}, c.real.Raw(f)
	}, nil)
	return err
}

// Close returns the connection to the pool, after the calls that are under way on it;
// its rows are closed, and its transaction is rolled back. It does not wait. It returns
// [sql.ErrConnDone] when it was called before.
func (c *Conn) Close() error {
	if c.done.Load() {
		return sql.ErrConnDone
	}
	c.lane.abortAfter(c, false)
	c.abort(false)
	return nil
}

func (c *Conn) abort(bool) {
	if !c.done.Swap(true) {
		c.lane.later(c.giveBack)
	}
}

// giveBack implements keeper. The Close of database/sql waits for what is open on the
// connection, which who has aborted it may still be about to close by a job of the lane.
func (c *Conn) giveBack() {
	for _, k := range slices.Backward(c.lane.keptAfter(c)) {
		k.giveBack()
	}
	_ = c.real.Close()
	c.lane.release(c)
}
