package asyncsql

import (
	"context"
	"database/sql"
)

// RunInTx calls f on a thread with a transaction, which it commits when f returns nil, and
// rolls back when f returns an error or panics. All of it is one switch to a thread and
// back, while one of BeginTx, statements and Commit takes one for each of them but BeginTx.
// It returns what f or the server returned. The SQLAlchemy name: AsyncConnection.run_sync,
// in engine.begin.
//
// f leaves the end of the transaction to RunInTx. When f has ended it and returns nil,
// RunInTx returns [sql.ErrTxDone].
//
// f uses [database/sql] as on any goroutine, with the context that it is given. It must not
// wait on the loop, and what it shares with tasks needs a lock. When the task is cancelled
// or ctx ends, RunInTx returns at once. The context of f ends then, and the transaction is
// rolled back unless its commit has begun; the connection is not given to others before f
// has returned. Where nobody waits any more before its turn has come, f is not called.
func (db *DB) RunInTx(ctx context.Context, opts *sql.TxOptions, f func(ctx context.Context, tx *sql.Tx) error) error {
	opts = ownTxOptions(opts)
	_, err := call(ctx, &db.place, func(ctx context.Context, c *calling) (struct{}, error) {
		ctx, cancel := c.lasting(ctx)
		defer cancel()
		return struct{}{}, db.runInTx(ctx, opts, f)
	}, nil)
	return err
}

// runInTx does so on the thread where it is.
func (db *DB) runInTx(ctx context.Context, opts *sql.TxOptions, f func(ctx context.Context, tx *sql.Tx) error) error {
	conn, tx, err := db.begin(ctx, opts)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer tx.Rollback() // where f has not come back, or with an error; after Commit it does nothing
	if err := f(ctx, tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // f may have heard of it sooner than the transaction
	}
	return tx.Commit()
}
