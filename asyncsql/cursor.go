package asyncsql

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

// batchSize bounds a batch of rows.
type batchSize struct{ rows, bytes int }

var defaultBatch = batchSize{rows: 256, bytes: 64 << 10}

// patience is how long a batch that has a row waits for more of them.
const patience = 20 * time.Millisecond

// A batch is a number of rows, their values one after another.
type batch struct {
	rows   int
	values []any
	next   *resultSet // the set has ended, and this is the next
	last   bool       // there is nothing more, of any set
	err    error      // what has ended the rows; last is true
}

// A cursor is the driver's side of rows. Its methods but end and ended are for jobs of
// the lane.
type cursor struct {
	lane   *lane
	real   *sql.Rows
	cancel context.CancelFunc // ends the query
	given  bool               // the connection was given back
	cells  []any
	dest   []any // pointers to cells

	why atomic.Pointer[error] // it was ended, and why
}

// fetch returns the next batch. When it is the last, the connection has been given back.
func (c *cursor) fetch(size batchSize) *batch {
	b := &batch{}
	began := time.Now()
	for bytes := 0; b.rows < size.rows && bytes < size.bytes && (b.rows == 0 || time.Since(began) < patience); {
		if !c.real.Next() {
			c.endSet(b)
			break
		}
		cells, err := c.scan()
		if err != nil {
			b.last, b.err = true, err
			c.giveBack()
			break
		}
		b.values = append(b.values, cells...)
		b.rows++
		bytes += sizeOf(cells)
	}
	return b
}

// endSet says in b what comes after a result set.
func (c *cursor) endSet(b *batch) {
	if b.err = c.real.Err(); b.err == nil && c.real.NextResultSet() {
		var set resultSet
		if set, b.err = resultSetOf(c.real); b.err == nil {
			b.next = &set
			c.begin(len(set.columns))
			return
		}
	}
	if b.err == nil {
		b.err = c.real.Err()
	}
	b.last = true
	if err := c.giveBack(); b.err == nil {
		b.err = err
	}
}

// scan returns the values of the row. They are overwritten by the next.
func (c *cursor) scan() ([]any, error) {
	return c.cells, c.real.Scan(c.dest...)
}

// begin says how many columns the next rows have.
func (c *cursor) begin(columns int) {
	c.cells, c.dest = make([]any, columns), make([]any, columns)
	for i := range c.cells {
		c.dest[i] = &c.cells[i]
	}
}

func sizeOf(cells []any) int {
	n := 0
	for _, v := range cells {
		n += 16
		switch v := v.(type) {
		case []byte:
			n += len(v)
		case string:
			n += len(v)
		}
	}
	return n
}

// giveBack closes the rows and gives the connection back. It does nothing when that was
// done before.
func (c *cursor) giveBack() error {
	if c.given {
		return nil
	}
	c.given = true
	err := c.real.Close()
	c.cancel()
	c.lane.release(c)
	return err
}

// end ends the rows because of why; the query, too, when that is to be now. It does not
// wait, and may be called from any goroutine.
func (c *cursor) end(now bool, why error) {
	first := c.why.CompareAndSwap(nil, &why)
	if now {
		c.cancel()
	}
	if first {
		c.lane.later(func() { _ = c.giveBack() })
	}
}

// ended returns why the rows were ended, or nil.
func (c *cursor) ended() error {
	if why := c.why.Load(); why != nil {
		return *why
	}
	return nil
}

// abort implements keeper.
func (c *cursor) abort(now bool) { c.end(now, sql.ErrConnDone) }
