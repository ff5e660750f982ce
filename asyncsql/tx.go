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
	own    lane           // nobody's where that of a Conn is its lane
	given  *sql.Conn      // on which it begins; nil: on one of its own
	opts   *sql.TxOptions // how
	real   lateTx
	conn   *sql.Conn // that of its own, once it has begun
	failed bool      // it could not begin; of the lane's jobs
	cutter cutter
	ctx    endingContext // of the driver's transaction
	unbind func() bool   // nil: the context had ended when it began, which is no news
	done   atomic.Bool
}

// A lateTx is a runner from when its transaction begins. It is of the lane's jobs.
type lateTx struct{ *sql.Tx }

// init says where a transaction begins, and on which lane.
func (tx *Tx) init(from *place, l *lane, opts *sql.TxOptions) {
	tx.place = place{db: from.db, lane: l, on: &tx.real, over: sql.ErrTxDone, tx: tx}
	tx.given, _ = from.on.(*sql.Conn)
	tx.opts = ownTxOptions(opts)
}

// ownTxOptions returns opts as they are now: a transaction begins later, on a thread.
func ownTxOptions(opts *sql.TxOptions) *sql.TxOptions {
	if opts == nil {
		return nil
	}
	own := *opts
	return &own
}

// bind has the end of ctx end the transaction.
func (tx *Tx) bind(ctx context.Context) {
	tx.unbind = context.AfterFunc(ctx, func() {
		tx.lane.abortAfter(tx, true)
		tx.abort(false)
	})
}

// begin begins the transaction, unless it has begun. It is for jobs of the lane. When c is
// cut off meanwhile, the transaction is, too.
func (tx *Tx) begin(ctx context.Context, c *calling) (err error) {
	switch {
	case tx.real.Tx != nil:
		return nil
	case tx.failed:
		return sql.ErrTxDone
	}
	ctx, cancel := c.passing(ctx, &tx.ctx)
	if tx.given != nil {
		tx.real.Tx, err = tx.given.BeginTx(ctx, tx.opts)
	} else {
		tx.conn, tx.real.Tx, err = tx.db.begin(ctx, tx.opts)
	}
	if err != nil {
		cancel()
		tx.failed = true
		tx.done.Store(true)
		tx.letGo()
		tx.lane.release(tx)
		return err
	}
	if c.handTo(&tx.cutter) && tx.given != nil {
		// Its context has ended, so database/sql rolls back, on a goroutine of its own. What
		// came next on the connection would be in the transaction: there is no next.
		_ = tx.given.Close()
	}
	return nil
}

// begin begins a transaction on a connection that is to be closed after it. When ctx ends,
// database/sql rolls back on a goroutine of its own, and only that Close waits for it.
func (db *DB) begin(ctx context.Context, opts *sql.TxOptions) (conn *sql.Conn, tx *sql.Tx, err error) {
	tx, err = again(ctx, &db.place, func(ctx context.Context) (tx *sql.Tx, err error) {
		if conn, err = db.sql.Conn(ctx); err != nil {
			return nil, err
		}
		if tx, err = conn.BeginTx(ctx, opts); err != nil {
			_ = conn.Close()
		}
		return tx, err
	})
	return conn, tx, err
}

// Commit commits the transaction. Its rows are closed. When the wait is cut off before
// the commit has begun, the transaction is rolled back; else the server decides. It
// returns [sql.ErrTxDone] when the transaction has ended.
func (tx *Tx) Commit(ctx context.Context) error {
	if tx.done.Swap(true) {
		return sql.ErrTxDone
	}
	tx.finish()
	_, err := call(ctx, &tx.place, func(context.Context, *calling) (struct{}, error) {
		return struct{}{}, tx.end(tx.real.Commit)
	}, nil)
	if err != nil {
		tx.giveUp()
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
	if tx.lane.withdraw() {
		return nil
	}
	return offload.Always(ctx, tx.lane, func() error { return tx.end(tx.rollback) })
}

// StmtContext is [sql.Tx.StmtContext]: stmt for use in the transaction.
func (tx *Tx) StmtContext(ctx context.Context, stmt *Stmt) (*Stmt, error) {
	return prepare(ctx, &tx.place, func(ctx context.Context) (*sql.Stmt, error) {
		return tx.real.StmtContext(ctx, stmt.real), nil
	})
}

// finish lets go of the context, and gives up what is open in the transaction.
func (tx *Tx) finish() {
	tx.letGo()
	tx.lane.abortAfter(tx, false)
}

func (tx *Tx) letGo() {
	if tx.unbind != nil {
		tx.unbind()
	}
}

// end ends the transaction by do. It is for jobs of the lane.
func (tx *Tx) end(do func() error) error {
	defer tx.giveBack()
	return do()
}

func (tx *Tx) rollback() error {
	if tx.real.Tx == nil {
		return nil
	}
	return tx.real.Rollback()
}

// giveBack gives the connection back. It is for jobs of the lane, and does nothing when
// that was done before.
func (tx *Tx) giveBack() {
	_ = tx.rollback()
	if tx.conn != nil {
		_ = tx.conn.Close()
	}
	tx.cutter.passed()
	tx.lane.release(tx)
}

// dispose is abort for jobs of the lane, and does it at once.
func (tx *Tx) dispose() {
	if !tx.done.Swap(true) {
		tx.giveBack()
	}
}

// giveUp has the transaction rolled back.
func (tx *Tx) giveUp() {
	if !tx.lane.withdraw() {
		tx.lane.later(tx.giveBack)
	}
}

func (tx *Tx) abort(now bool) {
	if now {
		tx.cutter.cutShort()
	}
	if !tx.done.Swap(true) {
		tx.giveUp()
	}
}
