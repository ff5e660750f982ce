package asyncsql

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

// batchSize bounds a batch of rows.
type batchSize struct {
	rows, bytes int
	patience    time.Duration // how long a batch that has a row waits for more of them
}

var defaultBatch = batchSize{rows: 256, bytes: 64 << 10, patience: 20 * time.Millisecond}

// rowsUntimed is after how many rows a batch looks at the clock.
const rowsUntimed = 4

// A batch is a number of rows, their values one after another.
type batch struct {
	rows  int
	taken taken
	next  *resultSet // the set has ended, and this is the next
	last  bool       // there is nothing more, of any set
	err   error      // what has ended the rows; last is true
}

// A cursor is the driver's side of rows. Its methods but end and ended are for jobs of
// the lane.
type cursor struct {
	lane   *lane
	real   *sql.Rows
	cancel context.CancelFunc // ends the query; nil: it does not outlast its call
	taker  taker
	dest   []any // for each column taken, which is given their values in order

	why atomic.Pointer[error] // it was ended, and why
}

// fetch fetches the next batch, into the memory of one that nobody reads any more. When it
// is the last, the connection has been given back.
func (c *cursor) fetch(b *batch, old taken, size batchSize) {
	began := time.Now()
	c.taker = taker{taken: old.again()}
	for b.rows < size.rows && c.taker.size < size.bytes && (b.rows%rowsUntimed != 0 || b.rows == 0 || time.Since(began) < size.patience) {
		if !c.real.Next() {
			c.endSet(b)
			break
		}
		if err := c.scan(); err != nil {
			b.last, b.err = true, err
			c.giveBack()
			break
		}
		b.rows++
	}
	b.taken = c.taker.taken
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
	if err := c.close(); b.err == nil {
		b.err = err
	}
}

// scan takes the values of the row, after those that were taken before.
func (c *cursor) scan() error {
	before := len(c.taker.values)
	err := c.real.Scan(c.dest...)
	if err != nil {
		clear(c.taker.values[before:])
		c.taker.values = c.taker.values[:before]
	}
	return err
}

// begin says how many columns the next rows have.
func (c *cursor) begin(columns int) {
	c.dest = make([]any, columns)
	for i := range c.dest {
		c.dest[i] = &c.taker
	}
}

// giveBack implements keeper.
func (c *cursor) giveBack() { _ = c.close() }

// close closes the rows and gives the connection back. It does nothing when that was done
// before.
func (c *cursor) close() error {
	err := c.real.Close()
	if c.cancel != nil {
		c.cancel()
	}
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
		c.lane.later(c.giveBack)
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
