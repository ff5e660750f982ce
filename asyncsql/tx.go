package asyncsql

import (
	"context"
	"database/sql"
	"sync/atomic"

	"github.com/asyncio-go/asyncio/internal/offload"
)

// A Tx is a transaction, as [sql.Tx], on one connection. It ends with Commit or Rollback,
// or is rolled back when the context that BeginTx was given ends, that of a task by the
// cancellation of the task, too.
type Tx struct {
	place
	real   *sql.Tx
	cutter cutter
	unbind func() bool // nil: the context had ended when it began, which is no news
	done   atomic.Bool
}

func begin(ctx context.Context, p place, opts *sql.TxOptions, do func(context.Context, *sql.TxOptions) (*sql.Tx, error)) (*Tx, error) {
	ended := ctx.Err() != nil
	tx, err := call(ctx, p, func(ctx context.Context, c *calling) (*Tx, error) {
		ctx, cancel := c.passing(ctx)
		real, err := again(ctx, p, func(ctx context.Context) (*sql.Tx, error) { return do(ctx, opts) })
		if err != nil {
			cancel()
			return nil, err
		}
		tx := &Tx{place: place{db: p.db, lane: c.lane, on: real, over: sql.ErrTxDone}, real: real}
		c.lane.keep(tx)
		c.handTo(&tx.cutter)
		return tx, nil
	}, func(tx *Tx) { tx.abort(true) })
	if err != nil {
		return nil, err
	}
	if !ended {
		tx.unbind = context.AfterFunc(ctx, func() {
			tx.lane.abortAfter(tx, true)
			tx.abort(false)
		})
	}
	return tx, nil
}

// Commit commits the transaction. Its rows are closed. When the wait is cut off before
// the commit has begun, the transaction is rolled back; else the server decides. It
// returns [sql.ErrTxDone] when the transaction has ended.
func (tx *Tx) Commit(ctx context.Context) error {
	if tx.done.Swap(true) {
		return sql.ErrTxDone
	}
	tx.finish()
	_, err := call(ctx, tx.place, func(context.Context, *calling) (struct{}, error) {
		return struct{}{}, tx.end(tx.real.Commit)
	}, nil)
	if err != nil {
		tx.lane.later(tx.giveBack)
	}
	return err
}

// Rollback rolls the transaction back, also where the wait is cut off or ctx has ended.
// Its rows are closed. It returns [sql.ErrTxDone] when the transaction has ended, so it
// can be deferred.
func (tx *Tx) Rollback(ctx context.Context) error {
	if tx.done.Swap(true) {
		return sql.ErrTxDone
	}
	tx.finish()
	return offload.Always(ctx, tx.lane, func() error { return tx.end(tx.real.Rollback) })
}

// StmtContext is [sql.Tx.StmtContext]: stmt for use in the transaction.
func (tx *Tx) StmtContext(ctx context.Context, stmt *Stmt) (*Stmt, error) {
	return prepare(ctx, tx.place, func(ctx context.Context) (*sql.Stmt, error) {
		return tx.real.StmtContext(ctx, stmt.real), nil
	})
}

// finish lets go of the context, and gives up what is open in the transaction.
func (tx *Tx) finish() {
	if tx.unbind != nil {
		tx.unbind()
	}
	tx.lane.abortAfter(tx, false)
}

// end ends the transaction by do. It is for jobs of the lane.
func (tx *Tx) end(do func() error) error {
	defer tx.giveBack()
	return do()
}

// giveBack gives the connection back. It is for jobs of the lane, and does nothing when
// that was done before.
func (tx *Tx) giveBack() {
	_ = tx.real.Rollback()
	tx.cutter.passed()
	tx.lane.release(tx)
}

func (tx *Tx) abort(now bool) {
	if now {
		tx.cutter.cutShort()
	}
	if !tx.done.Swap(true) {
		tx.lane.later(tx.giveBack)
	}
}
