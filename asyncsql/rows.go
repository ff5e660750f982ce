package asyncsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
)

// Rows are the rows of a query, as [sql.Rows]. They are fetched in batches: most calls
// of Next suspend nobody. Rows are for one task at a time.
//
// As in database/sql they keep a connection until they were read to their end or closed,
// and end with the context that the query was given.
type Rows struct {
	place  place
	cursor *cursor
	unbind func() bool // nil: the cursor has no more than the first batch

	set    resultSet
	batch  *batch
	at     int   // the next row of batch
	row    []any // the current one
	replay *sql.Rows
	err    error
	closed bool
}

func queryRows(ctx context.Context, p place, do func(context.Context) (*sql.Rows, error)) (*Rows, error) {
	type begun struct {
		cursor *cursor
		set    resultSet
		batch  *batch
	}
	bind := bindTo(ctx)
	b, err := call(ctx, p, func(ctx context.Context, l *lane) (begun, error) {
		lasting, cancel, stop := outlast(ctx)
		defer stop()
		real, err := again(lasting, p, do)
		if err != nil {
			cancel()
			return begun{}, err
		}
		c := &cursor{lane: l, real: real, cancel: cancel}
		set, err := resultSetOf(real)
		if err != nil {
			c.giveBack()
			return begun{}, err
		}
		c.begin(len(set.columns))
		first := c.fetch(p.db.batch)
		if !first.last {
			l.keep(c)
		}
		return begun{c, set, first}, nil
	}, func(b begun) { b.cursor.end(true, context.Canceled) })
	if err != nil {
		return nil, err
	}
	r := &Rows{place: p, cursor: b.cursor, set: b.set, batch: b.batch}
	if !b.batch.last {
		r.unbind = bind(func() { r.cursor.end(true, endOf(ctx)) })
	}
	return r, nil
}

// Next prepares the next row for [Rows.Scan], and reports whether there is one; else
// [Rows.Err] says whether that is the end. It waits when the next batch is not here.
func (r *Rows) Next(ctx context.Context) bool {
	if r.closed {
		return false
	}
	for r.at == r.batch.rows {
		if r.batch.last || r.batch.next != nil {
			r.fail(r.batch.err)
			if r.batch.last {
				r.finish()
			}
			return false
		}
		if !r.load(ctx) {
			return false
		}
	}
	if err := r.cursor.ended(); err != nil {
		if ctx.Err() != nil {
			err = endOf(ctx)
		}
		r.fail(err)
		r.finish()
		return false
	}
	n := len(r.set.columns)
	r.row = r.batch.values[r.at*n : (r.at+1)*n]
	r.at++
	if r.replay == nil {
		r.replay, r.err = replay(r.place.db.replay, r)
	}
	if r.err != nil || !r.replay.Next() {
		r.fail(r.replayErr())
		r.finish()
		return false
	}
	return true
}

func (r *Rows) replayErr() error {
	if r.replay == nil {
		return r.err
	}
	return r.replay.Err()
}

// load fetches the next batch.
func (r *Rows) load(ctx context.Context) bool {
	c := r.cursor
	p := r.place
	p.lane, p.over = c.lane, sql.ErrConnDone
	b, err := call(ctx, p, func(ctx context.Context, _ *lane) (*batch, error) {
		stop := context.AfterFunc(ctx, c.cancel)
		defer stop()
		return c.fetch(p.db.batch), nil
	}, nil)
	if why := c.ended(); why != nil && (err == nil || !isCutOff(err)) {
		if err = why; ctx.Err() != nil {
			err = endOf(ctx)
		}
	}
	if err != nil {
		c.end(true, err)
		r.fail(err)
		r.finish()
		return false
	}
	r.batch, r.at = b, 0
	return true
}

// NextResultSet is [sql.Rows.NextResultSet]: it prepares the next result set, and reports
// whether there is one. What is left of the one before is passed over.
func (r *Rows) NextResultSet(ctx context.Context) bool {
	if r.closed || r.err != nil {
		return false
	}
	for r.batch.next == nil {
		if r.batch.last {
			r.fail(r.batch.err)
			r.finish()
			return false
		}
		if !r.load(ctx) {
			return false
		}
	}
	r.set = *r.batch.next
	r.closeReplay() // which has the columns of the set before
	return r.load(ctx)
}

// Scan is [sql.Rows.Scan]. It does not wait; a [sql.Scanner] runs on the loop.
func (r *Rows) Scan(dest ...any) error {
	if r.replay == nil {
		if r.closed {
			return errors.New("asyncsql: scan: the rows are closed")
		}
		return errors.New("asyncsql: scan: Next was not called")
	}
	return r.replay.Scan(dest...)
}

// Err returns the error that has ended the rows, if any. Those of a task that was
// cancelled have ended with its cancellation.
func (r *Rows) Err() error { return r.err }

// Columns is [sql.Rows.Columns].
func (r *Rows) Columns() ([]string, error) { return r.set.columns, nil }

// ColumnTypes is [sql.Rows.ColumnTypes].
func (r *Rows) ColumnTypes() ([]*sql.ColumnType, error) { return r.set.types, nil }

// Close closes the rows. The connection goes back to the pool when the driver has read
// what is left of them; to end the query instead, end its context. It does not wait, and
// returns nil; Next does it at the end of the rows.
func (r *Rows) Close() error {
	if !r.closed && !r.batch.last {
		r.cursor.end(false, sql.ErrConnDone)
	}
	r.finish()
	return nil
}

func (r *Rows) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// finish lets go of what the rows have on the loop.
func (r *Rows) finish() {
	r.closed = true
	if r.unbind != nil {
		r.unbind()
	}
	r.closeReplay()
	r.row, r.batch = nil, &batch{last: true}
}

func (r *Rows) closeReplay() {
	if r.replay != nil {
		_ = r.replay.Close()
		r.replay = nil
	}
}

// replayColumns and replayRow implement replayed.
func (r *Rows) replayColumns() []string { return r.set.columns }

func (r *Rows) replayRow(dest []driver.Value) error {
	if r.row == nil {
		return io.EOF
	}
	for i, v := range r.row {
		dest[i] = v
	}
	return nil
}

// A Row is the one row of a query, as [sql.Row].
type Row struct {
	db      *DB
	columns []string
	values  []any
	err     error
}

func queryRow(ctx context.Context, p place, do func(context.Context) (*sql.Rows, error)) *Row {
	row, err := call(ctx, p, func(ctx context.Context, _ *lane) (*Row, error) {
		real, err := again(ctx, p, do)
		if err != nil {
			return nil, err
		}
		defer real.Close()
		columns, err := real.Columns()
		if err != nil {
			return nil, err
		}
		if !real.Next() {
			if err := real.Err(); err != nil {
				return nil, err
			}
			return nil, sql.ErrNoRows
		}
		c := &cursor{real: real}
		c.begin(len(columns))
		values, err := c.scan()
		if err != nil {
			return nil, err
		}
		if err := real.Close(); err != nil {
			return nil, err
		}
		return &Row{db: p.db, columns: columns, values: values}, nil
	}, nil)
	if err != nil {
		return &Row{err: err}
	}
	return row
}

// Err returns the error of the query, which Scan returns, too: [sql.ErrNoRows] where there
// was no row.
func (r *Row) Err() error { return r.err }

// Scan is [sql.Row.Scan]. It does not wait.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	rows, err := replay(r.db.replay, r)
	if err != nil {
		return err
	}
	defer rows.Close()
	rows.Next()
	return rows.Scan(dest...)
}

func (r *Row) replayColumns() []string { return r.columns }

func (r *Row) replayRow(dest []driver.Value) error {
	for i, v := range r.values {
		dest[i] = v
	}
	return nil
}

// A resultSet is what is known of rows before there are any.
type resultSet struct {
	columns []string
	types   []*sql.ColumnType
}

func resultSetOf(real *sql.Rows) (s resultSet, err error) {
	if s.columns, err = real.Columns(); err == nil {
		s.types, err = real.ColumnTypes()
	}
	return s, err
}
