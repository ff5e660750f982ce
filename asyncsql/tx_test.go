package asyncsql_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

// keeps fails the test unless these texts, and no others, were put for good.
func (s *server) keeps(t *testing.T, texts ...string) {
	t.Helper()
	if !slices.Equal(s.texts, texts) {
		t.Errorf("kept: %v, want %v", s.texts, texts)
	}
}

func put(ctx context.Context, t *testing.T, p interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, text string) {
	t.Helper()
	r, err := p.ExecContext(ctx, "put ?", text)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("affected: %d, %v", n, err)
	}
}

func TestATransactionIsCommittedOrRolledBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for _, commit := range []bool{false, true} {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			put(ctx, t, tx, "x")
			end, other := tx.Rollback, tx.Commit
			if commit {
				end, other = other, end
			}
			if err := end(ctx); err != nil {
				t.Error(err)
			}
			if err := other(ctx); err != sql.ErrTxDone {
				t.Errorf("the second end: %v", err)
			}
			if _, err := tx.ExecContext(ctx, "put ?", "late"); err != sql.ErrTxDone {
				t.Errorf("a statement after the end: %v", err)
			}
		}
		s.keeps(t, "x")
	})
}

// The transactions have all connections, and other tasks wait for one.
func TestTransactionsGoOnWhileAllOthersWait(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		a, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		var waiting []*asyncio.Task[struct{}]
		for range 20 {
			waiting = append(waiting, asyncio.Go(ctx, func(ctx context.Context) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				return tx.Commit(ctx)
			}))
		}
		spin(ctx, func() bool { return db.Stats().Waiting == 20 })
		put(ctx, t, a, "a")
		put(ctx, t, b, "b")
		if err := errors.Join(a.Commit(ctx), b.Commit(ctx)); err != nil {
			t.Error(err)
		}
		for _, w := range waiting {
			if _, err := w.Await(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestATransactionEndsWithItsContext(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		derived, cancel := context.WithCancel(ctx)
		tx, err := db.BeginTx(derived, nil)
		if err != nil {
			t.Fatal(err)
		}
		put(ctx, t, tx, "never")
		cancel()
		put(ctx, t, db, "x") // has to wait for the connection
		if err := tx.Commit(ctx); err != sql.ErrTxDone {
			t.Errorf("Commit: %v", err)
		}
		if err := tx.Rollback(derived); err != sql.ErrTxDone {
			t.Errorf("Rollback: %v", err)
		}
		s.keeps(t, "x")
	})
}

func TestACancelledTaskRollsItsTransactionBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback(ctx)
			if _, err := tx.ExecContext(ctx, "put ?", "never"); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "block"); err != nil {
				return err
			}
			return tx.Commit(ctx)
		})
		wait(ctx, s.began)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		put(ctx, t, db, "x")
		s.keeps(t, "x")
	})
}

func TestRowsOfATransactionEndWithIt(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		put(ctx, t, tx, "x")
		rows, err := tx.QueryContext(ctx, "count 1000")
		if err != nil || !rows.Next(ctx) {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Errorf("Commit with rows open: %v", err)
		}
		for rows.Next(ctx) {
		}
		if rows.Err() != sql.ErrConnDone {
			t.Errorf("the rows ended with %v", rows.Err())
		}
		if len(s.texts) != 1 {
			t.Error("nothing was committed")
		}
	}, asyncsql.WithBatch(10, 0))
}

func TestAConnectionIsOneConnection(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var first any
		same := func(driverConn any) error {
			if first == nil {
				first = driverConn
			} else if driverConn != first {
				t.Error("it is another connection")
			}
			return nil
		}
		if err := c.Raw(ctx, same); err != nil {
			t.Error(err)
		}
		other, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.PingContext(ctx), c.Raw(ctx, same), db.Close(ctx)); err != nil {
			t.Error(err)
		}
		if err := errors.Join(c.Close(), other.Close()); !errors.Is(err, sql.ErrConnDone) {
			t.Errorf("Close after the end: %v", err)
		}
	})
}

func TestAConnectionIsClosedBeforeWhatIsOpenOnIt(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := c.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		put(ctx, t, tx, "never")
		rows, err := tx.QueryContext(ctx, "count 1000")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		put(ctx, t, db, "x")
		if err := tx.Commit(ctx); err != sql.ErrTxDone {
			t.Errorf("Commit: %v", err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.ExecContext(ctx, "put ?", "late"); err != sql.ErrConnDone {
			t.Errorf("a statement on it: %v", err)
		}
		s.keeps(t, "x")
	}, asyncsql.WithBatch(10, 0))
}

func TestStatements(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		insert, err := db.PrepareContext(ctx, "put ?")
		if err != nil {
			t.Fatal(err)
		}
		all, err := db.PrepareContext(ctx, "all")
		if err != nil {
			t.Fatal(err)
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		inTx, err := tx.StmtContext(ctx, insert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inTx.ExecContext(ctx, "in the transaction"); err != nil {
			t.Error(err)
		}
		if _, err := insert.ExecContext(ctx, []byte("beside it")); err != nil {
			t.Error(err)
		}
		var text string
		if err := all.QueryRowContext(ctx).Scan(&text); err != nil || text != "beside it" {
			t.Errorf("%q, %v", text, err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Error(err)
		}
		rows, err := all.QueryContext(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next(ctx) {
			if err := rows.Scan(&text); err != nil {
				t.Error(err)
			}
		}
		if text != "in the transaction" {
			t.Errorf("the last was %q", text)
		}
		if err := errors.Join(rows.Err(), insert.Close(), insert.Close(), all.Close(), inTx.Close()); err != nil {
			t.Error(err)
		}
	})
}

// Its caller may use the bytes again while the call is still under way.
func TestBytesInArgumentsAreCopied(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		text := []byte("before")
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "put ?", text)
			return err
		})
		_ = asyncio.Sleep(ctx, 0)
		copy(text, "after!")
		if _, err := task.Await(ctx); err != nil || s.texts[0] != "before" {
			t.Errorf("%v, %v", s.texts, err)
		}
	})
}

func TestATaskThatWasCancelledMayCleanUp(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, cancelled := db.ExecContext(ctx, "block")
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			for range 100 { // time enough for it to be rolled back
				if err := db.PingContext(ctx); err != nil {
					return err
				}
			}
			put(ctx, t, tx, "cleaned up")
			rows, err := tx.QueryContext(ctx, "count 100")
			if err != nil {
				return err
			}
			n := 0
			for rows.Next(ctx) {
				n++
			}
			if n != 100 || rows.Err() != nil {
				t.Errorf("%d rows, %v", n, rows.Err())
			}
			return errors.Join(cancelled, tx.Commit(ctx))
		})
		wait(ctx, s.began)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		s.keeps(t, "cleaned up")
	}, asyncsql.WithBatch(10, 0))
}

// A thread that has to grow its stack for each statement costs more than the statement.
func TestAConnectionHasOneThread(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var threads []string
		for range 5 {
			err := c.Raw(ctx, func(any) error {
				var stack [64]byte
				number, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), " [")
				threads = append(threads, number)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		if len(slices.Compact(threads)) != 1 {
			t.Errorf("its calls ran on %v", threads)
		}
	})
}

func TestACallThatEndsItsThreadLeavesTheConnectionToOthers(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Raw(ctx, func(any) error { runtime.Goexit(); return nil })
		if !errors.Is(err, asyncio.ErrGoexit) {
			t.Errorf("it ended with %v", err)
		}
		if err := c.PingContext(ctx); err == nil {
			t.Error("database/sql takes such a connection for a broken one")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		put(ctx, t, db, "x")
	})
}
