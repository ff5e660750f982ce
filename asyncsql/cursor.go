package asyncsql

import (
	"bytes"
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
	taken  taker
	dest   []any // for each column taken, which is given their values in order

	why atomic.Pointer[error] // it was ended, and why
}

// fetch fetches the next batch. When it is the last, the connection has been given back.
func (c *cursor) fetch(b *batch, size batchSize) {
	began := time.Now()
	c.taken = taker{}
	for b.rows < size.rows && c.taken.size < size.bytes && (b.rows == 0 || time.Since(began) < patience) {
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
	b.values = c.taken.values
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

// scan takes the values of the row, after those that were taken before.
func (c *cursor) scan() error {
	before := len(c.taken.values)
	err := c.real.Scan(c.dest...)
	if err != nil {
		c.taken.values = c.taken.values[:before]
	}
	return err
}

// begin says how many columns the next rows have.
func (c *cursor) begin(columns int) {
	c.dest = make([]any, columns)
	for i := range c.dest {
		c.dest[i] = &c.taken
	}
}

// A taker is an [sql.Scanner] that takes the driver's values as they are: what becomes
// of them is for the Scan on the loop.
type taker struct {
	values []any
	size   int    // about the memory of values
	spare  []byte // for bytes, which are the driver's
}

// maxSpare bounds what is made at once for the bytes of several values.
const maxSpare = 16 << 10

// Scan implements [sql.Scanner].
func (t *taker) Scan(src any) error {
	t.size += 16
	switch v := src.(type) {
	case []byte:
		t.size += len(v)
		src = t.own(v)
	case string:
		t.size += len(v)
	}
	t.values = append(t.values, src)
	return nil
}

// own returns a copy of b.
func (t *taker) own(b []byte) []byte {
	if len(b) == 0 {
		return bytes.Clone(b)
	}
	if len(b) > cap(t.spare)-len(t.spare) {
		// The first is often the only one; where there are many, their memory is one.
		t.spare = make([]byte, 0, max(len(b), min(2*cap(t.spare), maxSpare)))
	}
	n := len(t.spare)
	t.spare = append(t.spare, b...)
	return t.spare[n:len(t.spare):len(t.spare)]
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
