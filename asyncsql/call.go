package asyncsql

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/offload"
)

// A runner is what statements can be run on. *sql.DB, *sql.Conn and *sql.Tx are.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// A place is where statements run: anywhere in a pool, or on the lane of a connection
// or a transaction.
type place struct {
	db   *DB
	lane *lane // nil: one for each call
	on   runner
	over error // of a call when the lane has ended
}

// A calling is a call under way.
type calling struct {
	lane *lane

	mu     sync.Mutex
	cancel context.CancelFunc // ends what the driver does
	ended  bool
}

// lasting returns a context for what the driver does, with the values of a job's context.
// It ends when the call is cut off. What is begun with it may outlast the call, and end
// with cancel. Where it does not, nobody has to: it hangs on no other context.
func (c *calling) lasting(ctx context.Context) (lasting context.Context, cancel context.CancelFunc) {
	lasting, cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.endBy(cancel)
	return lasting, cancel
}

// endBy has the end of the call call cancel.
func (c *calling) endBy(cancel context.CancelFunc) {
	c.mu.Lock()
	c.cancel = cancel
	ended := c.ended
	c.mu.Unlock()
	if ended {
		cancel()
	}
}

// end tells the driver that nobody waits for the call any more.
func (c *calling) end() {
	c.mu.Lock()
	c.ended = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// call runs fn on a thread when the place's turn has come, and waits for it. A value that
// comes too late is given to dispose. The context of fn has values and no end: for that
// it has the calling.
func call[T any](ctx context.Context, p place, fn func(ctx context.Context, c *calling) (T, error), dispose func(T)) (v T, err error) {
	c := &calling{lane: p.lane}
	if c.lane == nil {
		c.lane = p.db.lanes.lane()
	}
	ended := ctx.Err() != nil // of a task that was cancelled before, and cleans up
	returned := false
	defer func() { // also where the task is unwound
		if !returned {
			c.end()
		}
	}()
	v, err = offload.Do(ctx, c.lane, func(ctx context.Context) (v T, err error) {
		if !c.lane.enter(c) {
			return v, ErrClosed
		}
		return fn(ctx, c)
	}, dispose)
	switch {
	case err == nil:
		returned = true
	case isCutOff(err):
		c.lane.leave()
	case !ended && ctx.Err() != nil: // the end was faster on another way, and this is what came of it
		err = endOf(ctx)
	case err == errLaneOver:
		err = p.over
	}
	return v, err
}

// isCutOff reports whether err may be that of a wait that has ended before its call.
func isCutOff(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, asyncio.ErrLoopClosed)
}

// endOf returns the error of a wait that the end of ctx has cut off.
func endOf(ctx context.Context) error {
	if cause := context.Cause(ctx); asyncio.IsCancelled(cause) {
		return cause
	}
	return ctx.Err()
}

// again does something on any connection of the pool until it finds one that works.
// database/sql itself gives up after three, and where many have gone at once the next
// may have, too. A driver says that a connection is bad only where nothing was done on it.
func again[T any](ctx context.Context, p place, do func(context.Context) (T, error)) (T, error) {
	for tries := 0; ; tries++ {
		v, err := do(ctx)
		if p.lane != nil || !errors.Is(err, driver.ErrBadConn) || tries >= p.db.lanes.max || ctx.Err() != nil {
			return v, err
		}
	}
}

// exec runs a statement that returns no rows.
func exec(ctx context.Context, p place, do func(context.Context) (sql.Result, error)) (sql.Result, error) {
	r, err := call(ctx, p, func(ctx context.Context, c *calling) (result, error) {
		ctx, _ = c.lasting(ctx)
		r, err := again(ctx, p, do)
		if err != nil {
			return result{}, err
		}
		return newResult(r), nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// ExecContext is [sql.DB.ExecContext].
func (p place) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	args = ownArgs(args)
	return exec(ctx, p, func(ctx context.Context) (sql.Result, error) { return p.on.ExecContext(ctx, query, args...) })
}

// QueryContext is [sql.DB.QueryContext]. It returns when the first batch of rows is here,
// and keeps the connection only when there are more. When ctx ends, so does the query.
func (p place) QueryContext(ctx context.Context, query string, args ...any) (*Rows, error) {
	args = ownArgs(args)
	return queryRows(ctx, p, func(ctx context.Context) (*sql.Rows, error) { return p.on.QueryContext(ctx, query, args...) })
}

// QueryRowContext is [sql.DB.QueryRowContext]. The row is here when it returns.
func (p place) QueryRowContext(ctx context.Context, query string, args ...any) *Row {
	args = ownArgs(args)
	return queryRow(ctx, p, func(ctx context.Context) (*sql.Rows, error) { return p.on.QueryContext(ctx, query, args...) })
}

// PrepareContext is [sql.DB.PrepareContext].
func (p place) PrepareContext(ctx context.Context, query string) (*Stmt, error) {
	return prepare(ctx, p, func(ctx context.Context) (*sql.Stmt, error) { return p.on.PrepareContext(ctx, query) })
}

// ownArgs returns args with copies of the bytes in them: a call that was cut off may
// still read them when its caller has them back.
func ownArgs(args []any) []any {
	own := args
	for i, a := range args {
		if b, ok := a.([]byte); ok {
			if &own[0] == &args[0] {
				own = append([]any(nil), args...)
			}
			own[i] = bytes.Clone(b)
		}
	}
	return own
}

// A result is an [sql.Result] that was asked already: the driver's would lock the
// connection.
type result struct {
	id, rows       int64
	idErr, rowsErr error
}

func newResult(r sql.Result) (own result) {
	own.id, own.idErr = r.LastInsertId()
	own.rows, own.rowsErr = r.RowsAffected()
	return own
}

func (r result) LastInsertId() (int64, error) { return r.id, r.idErr }
func (r result) RowsAffected() (int64, error) { return r.rows, r.rowsErr }
