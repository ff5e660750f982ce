package asyncsql

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"

	"github.com/asyncio-go/asyncio"
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
	tx   *Tx   // begins with the first call
}

// A calling is a call under way.
type calling struct {
	lane *lane
	cutter
	ctx   endingContext // of what passes with the call
	ended bool          // nobody waits for it any more
	made  bool          // there is a value
}

// lasting returns a context for what the driver does, with the values of a job's context.
// It ends when the call is cut off. What is begun with it may outlast the call, and end
// with cancel. Where it does not, nobody has to: it hangs on no other context.
func (c *calling) lasting(ctx context.Context) (lasting context.Context, cancel context.CancelFunc) {
	lasting, cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.endBy(cancel)
	return lasting, cancel
}

// end says that nobody waits for the call any more, and tells the driver. It reports
// whether there is a value, which nobody takes then.
func (c *calling) end() (made bool) {
	c.mu.Lock()
	c.ended = true
	made = c.made
	c.mu.Unlock()
	c.cutShort()
	return made
}

// make says that there is a value, and reports whether anybody waits for it.
func (c *calling) make() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = true
	return !c.ended
}

// begun begins the job. It returns an error where that is not to be done: the lane was
// refused its turn, or nobody waits.
func (c *calling) begun() error {
	if err := c.lane.enter(c); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return context.Canceled
	}
	return nil
}

// A callOf is a call for a value.
type callOf[T any] struct {
	calling
	tx      *Tx // what the call is in, or nil
	fn      func(ctx context.Context, c *calling) (T, error)
	dispose func(T)
	value   T // written before it is made
}

// newCall makes one, with a lane of its own where the place has none.
func newCall[T any](p *place) *callOf[T] {
	if p.lane != nil {
		c := &callOf[T]{}
		c.lane = p.lane
		return c
	}
	c := &struct {
		callOf[T]
		own lane
	}{own: lane{of: p.db.lanes}}
	c.lane = &c.own
	return &c.callOf
}

// call runs fn on a thread when the place's turn has come, and waits for it. A value that
// comes too late is given to dispose, on another goroutine than the loop's. The context
// of fn has values and no end: for that it has the calling.
func call[T any](ctx context.Context, p *place, fn func(ctx context.Context, c *calling) (T, error), dispose func(T)) (v T, err error) {
	c := newCall[T](p)
	c.tx, c.fn, c.dispose = p.tx, fn, dispose
	ended := ctx.Err() != nil // of a task that was cancelled before, and cleans up
	returned := false
	defer func() { // also where the task is unwound
		if !returned && c.end() && dispose != nil {
			c.lane.later(func() { dispose(c.value) })
		}
	}()
	v, err = asyncio.ToExecutor(ctx, c.lane, c.run)
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

// run is the job.
func (c *callOf[T]) run(ctx context.Context) (v T, err error) {
	if err := c.begun(); err != nil {
		return v, err
	}
	if c.tx != nil {
		if err := c.tx.begin(ctx, &c.calling); err != nil {
			return v, err
		}
	}
	if v, err = c.fn(ctx, &c.calling); err != nil {
		return v, err
	}
	c.value = v
	if !c.make() && c.dispose != nil {
		c.dispose(v)
	}
	return v, nil
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
func again[T any](ctx context.Context, p *place, do func(context.Context) (T, error)) (T, error) {
	for tries := 0; ; tries++ {
		v, err := do(ctx)
		if p.lane != nil || !errors.Is(err, driver.ErrBadConn) || tries >= p.db.lanes.max || ctx.Err() != nil {
			return v, err
		}
	}
}

// A statement is what a call has run: a text on a runner, or one that was prepared.
type statement struct {
	on       runner
	query    string
	prepared *sql.Stmt
	args     []any
}

func (s *statement) Exec(ctx context.Context) (sql.Result, error) {
	if s.prepared != nil {
		return s.prepared.ExecContext(ctx, s.args...)
	}
	return s.on.ExecContext(ctx, s.query, s.args...)
}

func (s *statement) Query(ctx context.Context) (*sql.Rows, error) {
	if s.prepared != nil {
		return s.prepared.QueryContext(ctx, s.args...)
	}
	return s.on.QueryContext(ctx, s.query, s.args...)
}

// exec runs a statement that returns no rows.
func exec(ctx context.Context, p *place, s *statement) (sql.Result, error) {
	r, err := call(ctx, p, func(ctx context.Context, c *calling) (result, error) {
		ctx, _ = c.passing(ctx, &c.ctx)
		r, err := again(ctx, p, s.Exec)
		if err != nil {
			return result{}, err
		}
		c.passed()
		return newResult(r), nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// ExecContext is [sql.DB.ExecContext].
func (p *place) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return exec(ctx, p, &statement{on: p.on, query: query, args: ownArgs(args)})
}

// QueryContext is [sql.DB.QueryContext]. It returns when the first batch of rows is here,
// and keeps the connection only when there are more. When ctx ends, so does the query.
func (p *place) QueryContext(ctx context.Context, query string, args ...any) (*Rows, error) {
	return queryRows(ctx, p, statement{on: p.on, query: query, args: ownArgs(args)})
}

// QueryRowContext is [sql.DB.QueryRowContext]. The row is here when it returns.
func (p *place) QueryRowContext(ctx context.Context, query string, args ...any) *Row {
	return queryRow(ctx, p, statement{on: p.on, query: query, args: ownArgs(args)})
}

// PrepareContext is [sql.DB.PrepareContext].
func (p *place) PrepareContext(ctx context.Context, query string) (*Stmt, error) {
	return prepare(ctx, p, func(ctx context.Context) (*sql.Stmt, error) { return p.on.PrepareContext(ctx, query) })
}

// ownArgs returns args as the call's own, with copies of the bytes in them: a call that was
// cut off may still read them when its caller has them back.
func ownArgs(args []any) []any {
	own := slices.Clone(args)
	for i, a := range own {
		if b, ok := a.([]byte); ok {
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
