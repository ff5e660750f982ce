package asyncsql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A server is a database in memory, and the driver for it. It understands
//
//	put ?            keeps a text, in a transaction until that is committed
//	all              a row for each text
//	count N          N rows: a number, a text, bytes, a time, null
//	unsigned         two rows of a number without a sign
//	sets N M         two result sets of N and M rows
//	block            answers when the context ends, or release is called
//	fail             answers with an error
//	break N          N rows, and an error in place of the next
//	mixed N M        as sets, but the second has two columns
//	badset N         N rows, and an error in place of the next set
//	drain N          N rows, which can be closed only when the context has ended
//
// As a server does, it takes one statement of a connection at a time; as drivers do, it
// gives a connection up whose statement was cut off. It notes what is wrong otherwise.
type server struct {
	mu       sync.Mutex
	texts    []string
	wrong    []string
	open     int
	opened   int
	most     int
	restarts int

	blocked  atomic.Int32
	cutOff   atomic.Int32
	release  chan struct{}
	began    chan struct{} // gets one for each block, where there is room
	released atomic.Int32  // rows that were closed

	prepared atomic.Int32 // statements that are open

	begins  atomic.Int32                    // transactions that were to begin
	options atomic.Value                    // how the last was to, a driver.TxOptions
	onBegin func(ctx context.Context) error // answers them, where it is not nil

	onRollback func() // is called before a transaction is rolled back, where it is not nil

	// on answers "connect", "ping", "prepare" and "close", where it is not nil.
	on      func(ctx context.Context, what string) error
	queried atomic.Pointer[context.Context] // of the last query
}

func newServer() *server {
	return &server{release: make(chan struct{}), began: make(chan struct{}, 4096)}
}

func (s *server) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *server) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts++
}

func (s *server) asked(ctx context.Context, what string) error {
	if s.on == nil {
		return nil
	}
	return s.on(ctx, what)
}

func (s *server) Connect(ctx context.Context) (driver.Conn, error) {
	if err := s.asked(ctx, "connect"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.opened++
	s.most = max(s.most, s.open)
	return &conn{server: s, generation: s.restarts}, nil
}

func (s *server) Driver() driver.Driver { return nil }

type conn struct {
	server     *server
	generation int
	busy       atomic.Bool
	broken     bool
	inTx       bool
	pending    []string
}

var errSet = errors.New("memory: no such set")

var errBroken = errors.New("memory: the connection is broken")

// use begins a statement, or says why it cannot.
func (c *conn) use(what string) error {
	if c.busy.Swap(true) {
		c.server.complain("%s: the connection is busy", what)
		return errBroken
	}
	if c.broken {
		c.server.complain("%s: the connection is broken", what)
		return errBroken
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.generation != c.server.restarts {
		c.broken = true
		c.busy.Store(false)
		return driver.ErrBadConn
	}
	return nil
}

func (c *conn) unuse() { c.busy.Store(false) }

func (c *conn) IsValid() bool { return !c.broken }

func (c *conn) ResetSession(context.Context) error {
	if c.broken {
		return driver.ErrBadConn
	}
	return nil
}

func (c *conn) Close() error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.open--
	return c.server.asked(context.Background(), "close")
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.server.asked(ctx, "prepare"); err != nil {
		return nil, err
	}
	c.server.prepared.Add(1)
	return &stmt{c, query}, nil
}

func (c *conn) Begin() (driver.Tx, error) { return nil, errors.New("memory: Begin without a context") }

func (c *conn) Ping(ctx context.Context) error {
	if err := c.use("ping"); err != nil {
		return err
	}
	defer c.unuse()
	return c.server.asked(ctx, "ping")
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.use("begin"); err != nil {
		return nil, err
	}
	defer c.unuse()
	c.server.begins.Add(1)
	c.server.options.Store(opts)
	if f := c.server.onBegin; f != nil {
		if err := f(ctx); err != nil {
			return nil, err
		}
	}
	if c.inTx {
		c.server.complain("begin in a transaction")
	}
	c.inTx = true
	return c, nil
}

func (c *conn) Commit() error {
	if err := c.use("commit"); err != nil {
		return err
	}
	defer c.unuse()
	c.server.mu.Lock()
	c.server.texts = append(c.server.texts, c.pending...)
	c.server.mu.Unlock()
	c.inTx, c.pending = false, nil
	return nil
}

func (c *conn) Rollback() error {
	if c.broken {
		return driver.ErrBadConn
	}
	if err := c.use("rollback"); err != nil {
		return err
	}
	defer c.unuse()
	if f := c.server.onRollback; f != nil {
		f()
	}
	c.inTx, c.pending = false, nil
	return nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.use(query); err != nil {
		return nil, err
	}
	defer c.unuse()
	verb, _, _ := strings.Cut(query, " ")
	switch verb {
	case "put":
		if b, ok := args[0].Value.([]byte); ok {
			args[0].Value = string(b)
		}
		text := args[0].Value.(string)
		if c.inTx {
			c.pending = append(c.pending, text)
			return driver.RowsAffected(1), nil
		}
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		c.server.texts = append(c.server.texts, text)
		return affected{id: int64(len(c.server.texts)), rows: 1}, nil
	case "block":
		return affected{}, c.block(ctx)
	}
	return nil, fmt.Errorf("memory: no such statement: %s", query)
}

// affected is a result. What is 0 is not known.
type affected struct{ id, rows int64 }

var errUnknown = errors.New("memory: that is not known")

func (a affected) LastInsertId() (int64, error) { return known(a.id) }
func (a affected) RowsAffected() (int64, error) { return known(a.rows) }

func known(n int64) (int64, error) {
	if n == 0 {
		return 0, errUnknown
	}
	return n, nil
}

func (c *conn) block(ctx context.Context) error {
	s := c.server
	s.blocked.Add(1)
	defer s.blocked.Add(-1)
	select {
	case s.began <- struct{}{}:
	default:
	}
	select {
	case <-ctx.Done():
		s.cutOff.Add(1)
		c.broken = true
		return ctx.Err()
	case <-s.release:
		return nil
	}
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.server.queried.Store(&ctx)
	if err := c.use(query); err != nil {
		return nil, err
	}
	r := &rows{conn: c, columns: []string{"n", "text", "bytes", "at", "nothing"}}
	word := strings.Fields(query)
	number := func(i int) (n int) { fmt.Sscan(word[i], &n); return n }
	switch word[0] {
	case "all":
		c.server.mu.Lock()
		for _, text := range c.server.texts {
			r.rows = append(r.rows, []driver.Value{text})
		}
		c.server.mu.Unlock()
		r.columns = []string{"text"}
	case "count":
		r.rows = counted(number(1))
	case "unsigned":
		r.columns, r.rows = []string{"n"}, [][]driver.Value{{uint64(7)}, {uint64(math.MaxUint64)}}
	case "sets":
		r.rows = counted(number(1))
		r.next = counted(number(2))
	case "mixed":
		r.rows, r.nextColumns = counted(number(1)), []string{"n", "text"}
		for _, row := range counted(number(2)) {
			r.next = append(r.next, row[:2])
		}
	case "badset":
		r.rows, r.next, r.nextErr = counted(number(1)), counted(1), errSet
	case "drain":
		r.rows, r.drain = counted(number(1)), ctx
	case "block":
		if err := c.block(ctx); err != nil {
			c.unuse()
			return nil, err
		}
	case "stream": // N rows, and then it waits
		r.rows, r.stream = counted(number(1)), ctx
	case "break":
		r.rows, r.err = counted(number(1)), errors.New("memory: the disk is on fire")
	default:
		c.unuse()
		return nil, fmt.Errorf("memory: no such query: %s", query)
	}
	return r, nil
}

var day = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

func counted(n int) (all [][]driver.Value) {
	for i := range n {
		all = append(all, []driver.Value{int64(i), fmt.Sprint("text ", i), fmt.Append(nil, "bytes ", i), day, nil})
	}
	return all
}

type rows struct {
	conn       *conn
	columns    []string
	rows, next [][]driver.Value
	err        error
	stream     context.Context

	nextColumns []string        // of the next set, where they are others
	nextErr     error           // in place of the next set
	drain       context.Context // before it ends, rows are not closed
}

func (r *rows) Columns() []string { return r.columns }

func (r *rows) Next(dest []driver.Value) error {
	if len(r.rows) == 0 {
		if r.stream != nil {
			if err := r.conn.block(r.stream); err != nil {
				return err
			}
		}
		if r.err != nil {
			return r.err
		}
		return io.EOF
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

func (r *rows) HasNextResultSet() bool { return r.next != nil }

func (r *rows) NextResultSet() error {
	if r.next == nil {
		return io.EOF
	}
	if r.nextErr != nil {
		return r.nextErr
	}
	r.rows, r.next = r.next, nil
	if r.nextColumns != nil {
		r.columns = r.nextColumns
	}
	return nil
}

func (r *rows) Close() error {
	if r.drain != nil {
		<-r.drain.Done()
	}
	r.conn.server.released.Add(1)
	r.conn.unuse()
	return nil
}

type stmt struct {
	*conn
	query string
}

func (s *stmt) Close() error {
	s.server.prepared.Add(-1)
	return nil
}

func (s *stmt) NumInput() int { return -1 }

func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s *stmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}
