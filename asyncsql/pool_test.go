package asyncsql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

// named is a driver that is opened by its name.
type named struct{ *server }

func (n named) Open(string) (driver.Conn, error) { return n.Connect(context.Background()) }

func TestADatabaseIsOpenedByTheNameOfItsDriver(t *testing.T) {
	s := newServer()
	name := fmt.Sprintf("asyncsql-memory-%p", s) // a test may run again
	sql.Register(name, named{s})
	db, err := asyncsql.Open(name, "source")
	if err != nil {
		t.Fatal(err)
	}
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		return errors.Join(db.PingContext(ctx), db.Close(ctx))
	})
	if err != nil || s.opened != 1 {
		t.Errorf("%v; %d connections", err, s.opened)
	}
	if db, err := asyncsql.Open("asyncsql-no-such-driver", "source"); db != nil || err == nil {
		t.Errorf("of no driver: %v, %v", db, err)
	}
}

func TestThePoolBelowHasAsManyConnectionsAsTheDB(t *testing.T) {
	for _, test := range []struct {
		before int // what the pool was bound to
		opts   []asyncsql.Option
		want   int
	}{
		{0, nil, 10}, {1, nil, 1}, {3, nil, 3}, {3, []asyncsql.Option{asyncsql.WithMaxConnections(5)}, 5},
	} {
		below := sql.OpenDB(newServer())
		below.SetMaxOpenConns(test.before)
		db := asyncsql.New(below, test.opts...)
		if db.SQL() != below {
			t.Error("SQL returns another pool")
		}
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			var conns []*asyncsql.Conn
			for range test.want {
				c, err := db.Conn(ctx)
				if err != nil {
					return err
				}
				conns = append(conns, c)
			}
			waits := asyncio.Go(ctx, func(ctx context.Context) error { return db.PingContext(ctx) })
			spin(ctx, func() bool { return db.Stats().Waiting == 1 })
			if st := db.Stats(); st.MaxOpenConnections != test.want || st.OpenConnections != test.want || st.Waited != 1 {
				t.Errorf("%+v: %+v", test, st)
			}
			for _, c := range conns {
				c.Close()
			}
			_, err := waits.Await(ctx)
			spin(ctx, func() bool { return db.Stats().Turns == 0 })
			if n := db.Stats().Idle; n != test.want {
				t.Errorf("%+v: %d are kept", test, n)
			}
			return errors.Join(err, db.Close(ctx))
		})
		if err != nil {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestPingAsksTheServer(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		down := errors.New("memory: out to lunch")
		s.on = func(_ context.Context, what string) error {
			if what == "ping" {
				return down
			}
			return nil
		}
		if err := db.PingContext(ctx); err != down {
			t.Error(err)
		}
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PingContext(ctx); err != down {
			t.Error(err)
		}
		c.Close()
	})
}

func TestWhatCannotBeHadIsNil(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		if rows, err := db.QueryContext(ctx, "nonsense"); rows != nil || err == nil {
			t.Errorf("rows: %v, %v", rows, err)
		}
		if r, err := db.ExecContext(ctx, "nonsense"); r != nil || err == nil {
			t.Errorf("a result: %v, %v", r, err)
		}
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if tx, err := c.BeginTx(ctx, nil); tx != nil || err != sql.ErrConnDone {
			t.Errorf("a transaction: %v, %v", tx, err)
		}
		refused := errors.New("memory: no")
		s.on = func(_ context.Context, what string) error {
			if what == "close" {
				return nil
			}
			return refused
		}
		s.restart() // and connections are made anew
		if c, err := db.Conn(ctx); err == nil {
			if err := c.PingContext(ctx); err == nil {
				t.Error("a connection that was lost answers")
			}
			c.Close()
		}
		if st, err := db.PrepareContext(ctx, "all"); st != nil || !errors.Is(err, refused) {
			t.Errorf("a statement: %v, %v", st, err)
		}
		if c, err := db.Conn(ctx); c != nil || !errors.Is(err, refused) {
			t.Errorf("a connection: %v, %v", c, err)
		}
	})
}

func TestAResultIsThatOfTheServer(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for i := range 2 {
			r, err := db.ExecContext(ctx, "put ?", "x")
			if err != nil {
				t.Fatal(err)
			}
			if id, err := r.LastInsertId(); id != int64(i+1) || err != nil {
				t.Errorf("the id is %d, %v", id, err)
			}
		}
		close(s.release)
		r, err := db.ExecContext(ctx, "block")
		if err != nil {
			t.Fatal(err)
		}
		_, idErr := r.LastInsertId()
		if _, err := r.RowsAffected(); err != errUnknown || idErr != errUnknown {
			t.Errorf("what is not known: %v, %v", idErr, err)
		}
	})
}

func TestStatsTellOfWhatRuns(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "block")
			return err
		})
		wait(ctx, s.began)
		if st := db.Stats(); st.Running != 1 || st.Turns != 1 || st.Waited != 0 {
			t.Errorf("%+v", st)
		}
		close(s.release)
		_, err := task.Await(ctx)
		spin(ctx, func() bool { return db.Stats().Turns == 0 })
		if st := db.Stats(); err != nil || st.Running != 0 || st.CutOff != 0 {
			t.Errorf("%+v, %v", st, err)
		}
	})
}

func TestHowOftenACallTriesOtherConnections(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		gone := fmt.Errorf("memory: %w", driver.ErrBadConn)
		s.onBegin = func(context.Context) error { return gone }
		tried := func(err error) int32 {
			t.Helper()
			if err != gone {
				t.Errorf("it ended with %v", err)
			}
			return s.begins.Swap(0)
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := tried(tx.Commit(ctx)); n != 3 { // each connection, and a new one
			t.Errorf("a transaction: %d", n)
		}
		if n := tried(db.RunInTx(ctx, nil, nil)); n != 3 {
			t.Errorf("RunInTx: %d", n)
		}
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.BeginTx(ctx, nil)
		if n := tried(err); n != 1 { // it is this connection or none
			t.Errorf("one of a connection: %d", n)
		}
	})
}

func TestAConnectionAmongOthersIsGivenBack(t *testing.T) {
	with(t, 3, func(ctx context.Context, db *asyncsql.DB, s *server) {
		var conns []*asyncsql.Conn
		for range 3 {
			c, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		conns[1].Close()
		spin(ctx, func() bool { return db.Stats().Turns == 2 })
		if err := db.Close(ctx); err != nil { // which ends the others
			t.Error(err)
		}
		for i, c := range conns {
			if _, err := c.ExecContext(ctx, "put ?", "x"); err != sql.ErrConnDone {
				t.Errorf("a statement on the connection %d: %v", i, err)
			}
		}
	})
}

func TestCloseReturnsWhatTheDriverReturned(t *testing.T) {
	s := newServer()
	failed := errors.New("memory: it does not close")
	s.on = func(_ context.Context, what string) error {
		if what == "close" {
			return failed
		}
		return nil
	}
	db := asyncsql.OpenDB(s)
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		put(ctx, t, db, "x")
		for range 2 {
			if err := db.Close(ctx); err != failed {
				t.Errorf("Close: %v", err)
			}
		}
		return nil
	})
	if n := db.Stats().Turns; err != nil || n != 0 {
		t.Errorf("%v; %d connections are held", err, n)
	}
}

func TestCloseOutsideOfALoopEndsWithItsContext(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "block")
			return err
		})
		wait(ctx, s.began)
		ended, end := context.WithCancel(t.Context())
		end()
		if err := db.Close(ended); err != context.Canceled {
			t.Errorf("Close: %v", err)
		}
		if _, err := task.Await(ctx); err == nil {
			t.Error("the call went well")
		}
	})
}

// Whatever a call waits for below, Close in a hurry has the driver told to end it.
func TestCloseInAHurryEndsCallsOfEveryKind(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context, db *asyncsql.DB) error{
		"connect": func(ctx context.Context, db *asyncsql.DB) error { _, err := db.Conn(ctx); return err },
		"ping":    func(ctx context.Context, db *asyncsql.DB) error { return db.PingContext(ctx) },
		"prepare": func(ctx context.Context, db *asyncsql.DB) error { _, err := db.PrepareContext(ctx, "all"); return err },
		"query":   func(ctx context.Context, db *asyncsql.DB) error { _, err := db.QueryContext(ctx, "block"); return err },
		"row":     func(ctx context.Context, db *asyncsql.DB) error { return db.QueryRowContext(ctx, "block").Err() },
		"run": func(ctx context.Context, db *asyncsql.DB) error {
			return db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "block")
				return err
			})
		},
		"begin": func(ctx context.Context, db *asyncsql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Commit(ctx)
		},
		"ping of a connection": func(ctx context.Context, db *asyncsql.DB) error {
			c, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			return c.PingContext(ctx)
		},
		"rows": func(ctx context.Context, db *asyncsql.DB) error {
			rows, err := db.QueryContext(ctx, "stream 3")
			if err != nil {
				return err
			}
			for rows.Next(ctx) {
			}
			return rows.Err()
		},
	} {
		with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
			blocks := func(ctx context.Context) error {
				s.began <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			}
			s.on = func(ctx context.Context, what string) error {
				if what == name || what == "ping" && name == "ping of a connection" {
					return blocks(ctx)
				}
				return nil
			}
			if name == "begin" {
				s.onBegin = blocks
			}
			task := asyncio.Go(ctx, func(ctx context.Context) error { return use(ctx, db) })
			wait(ctx, s.began)
			late, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			if err := db.Close(late); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: Close: %v", name, err)
			}
			if _, err := task.Await(ctx); err == nil || asyncio.IsCancelled(err) {
				t.Errorf("%s: it ended with %v", name, err)
			}
		}, asyncsql.WithBatch(3, 0))
	}
}

// The driver reads what is left of the rows, which takes for ever.
func TestCloseInAHurryEndsQueriesWhoseRowsAreBeingClosed(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rows, err := db.QueryContext(ctx, "drain 10")
		if err != nil || !rows.Next(ctx) {
			t.Fatal(err)
		}
		rows.Close()
		late, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := db.Close(late); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
	}, asyncsql.WithBatch(3, 0))
}
