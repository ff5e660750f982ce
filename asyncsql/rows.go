package asyncsql

import (
	"context"
	"database/sql"
	"errors"
)

// Rows are the rows of a query, as [sql.Rows]. They are fetched in batches: most calls
// of Next suspend nobody. Rows are for one task at a time.
//
// As in database/sql they keep a connection until they were read to their end or closed,
// and end with the context that the query was given.
type Rows struct {
	place     *place
	statement statement // of a query that has not begun
	cursor    cursor
	unbind    func() bool // nil: the cursor has no more than the first batch

	set    resultSet
	batch  *batch
	first  batch
	at     int // the next row of batch
	row    row // the current one
	onRow  bool
	replay *sql.Rows
	err    error
	closed bool
}

func queryRows(ctx context.Context, p *place, s statement) (*Rows, error) {
	ended := ctx.Err() != nil // of a task that was cancelled before, and cleans up: that is no news
	r := &Rows{place: p, statement: s}
	r.batch = &r.first
	// A call that was cut off has r to itself.
	if _, err := call(ctx, p, r.begin, (*Rows).abandon); err != nil {
		return nil, err
	}
	r.statement = statement{}
	if !r.batch.last && !ended {
		r.unbind = context.AfterFunc(ctx, func() { r.cursor.end(true, endOf(ctx)) })
	}
	return r, nil
}

// begin makes the query and fetches the first batch. It is for a job of the lane.
func (r *Rows) begin(ctx context.Context, c *calling) (*Rows, error) {
	ctx, cancel := c.passing(ctx, &c.ctx)
	real, err := again(ctx, r.place, r.statement.Query)
	if err != nil {
		cancel()
		return nil, err
	}
	k := &r.cursor
	k.lane, k.real = c.lane, real
	if r.set, err = resultSetOf(real); err != nil {
		k.giveBack()
		return nil, err
	}
	k.begin(len(r.set.columns))
	k.fetch(&r.first, newTaken(), r.place.db.batch)
	if r.first.last {
		c.passed()
	} else {
		k.cancel = cancel
		c.lane.keep(k)
	}
	return r, nil
}

// abandon ends a query that nobody waits for.
func (r *Rows) abandon() { r.cursor.end(true, context.Canceled) }

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
	r.row.columns, r.row.values = r.set.columns, r.batch.taken.values[r.at*n:(r.at+1)*n:(r.at+1)*n]
	r.at++
	r.onRow = true
	return true
}

// load fetches the next batch.
func (r *Rows) load(ctx context.Context) bool {
	c := &r.cursor
	p := &place{db: r.place.db, lane: c.lane, over: sql.ErrConnDone}
	old := r.batch.taken
	r.batch.taken, r.onRow = taken{}, false // also where the call is cut off: it may still write there
	b, err := call(ctx, p, func(_ context.Context, k *calling) (*batch, error) {
		k.endBy(c.cancel)
		b := &batch{}
		c.fetch(b, old, p.db.batch)
		return b, nil
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
	if !r.onRow {
		if r.closed {
			return errors.New("asyncsql: scan: the rows are closed")
		}
		return errors.New("asyncsql: scan: Next was not called")
	}
	return r.row.scan(dest, r.replayed)
}

// replayed returns rows of database/sql that are at the current one.
func (r *Rows) replayed() (_ *sql.Rows, err error) {
	if r.replay == nil {
		if r.replay, err = replay(r.place.db.replay, &r.row); err != nil {
			return nil, err
		}
	}
	r.replay.Next()
	return r.replay, nil
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
	if !r.batch.last {
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
	if r.batch != &endOfRows {
		r.batch.taken.free()
	}
	r.row, r.onRow, r.batch = row{}, false, &endOfRows
}

func (r *Rows) closeReplay() {
	if r.replay != nil {
		_ = r.replay.Close()
		r.replay = nil
	}
}

// endOfRows is the batch of rows that are closed.
var endOfRows = batch{last: true}

// A Row is the one row of a query, as [sql.Row].
type Row struct {
	place     *place
	statement statement // of a query that has not begun
	cursor    cursor
	row       row
	err       error
}

func queryRow(ctx context.Context, p *place, s statement) *Row {
	r := &Row{place: p, statement: s}
	// A call that was cut off has r to itself.
	if _, err := call(ctx, p, r.fetch, nil); err != nil {
		return &Row{err: err}
	}
	r.statement, r.cursor = statement{}, cursor{}
	return r
}

// fetch makes the query and takes its row. It is for a job of the lane.
func (r *Row) fetch(ctx context.Context, c *calling) (none struct{}, err error) {
	ctx, _ = c.passing(ctx, &c.ctx)
	real, err := again(ctx, r.place, r.statement.Query)
	if err != nil {
		return none, err
	}
	defer real.Close()
	columns, err := real.Columns()
	if err != nil {
		return none, err
	}
	if !real.Next() {
		if err := real.Err(); err != nil {
			return none, err
		}
		return none, sql.ErrNoRows
	}
	r.cursor.real = real
	r.cursor.begin(len(columns))
	if err := r.cursor.scan(); err != nil {
		return none, err
	}
	if err := real.Close(); err != nil {
		return none, err
	}
	c.passed()
	r.row = row{columns, r.cursor.taker.values}
	return none, nil
}

// Err returns the error of the query, which Scan returns, too: [sql.ErrNoRows] where there
// was no row.
func (r *Row) Err() error { return r.err }

// Scan is [sql.Row.Scan]. It does not wait.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	var rows *sql.Rows
	defer func() {
		if rows != nil {
			_ = rows.Close()
		}
	}()
	return r.row.scan(dest, func() (_ *sql.Rows, err error) {
		if rows, err = replay(r.place.db.replay, &r.row); err == nil {
			rows.Next()
		}
		return rows, err
	})
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
