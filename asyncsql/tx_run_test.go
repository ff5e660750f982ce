package asyncsql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
	"github.com/asyncio-go/asyncio/sim"
)

// putting returns a function of RunInTx that puts a text and ends as end does.
func putting(text string, end func(ctx context.Context) error) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "put ?", text); err != nil {
			return err
		}
		return end(ctx)
	}
}

func TestAFunctionInATransactionIsOneSwitchToAThread(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for range 2 {
			err := db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
				if n := db.Stats().Turns; n != 1 {
					t.Errorf("it has %d connections", n)
				}
				return errors.Join(
					putting("a", func(context.Context) error { return nil })(ctx, tx),
					putting("b", func(context.Context) error { return nil })(ctx, tx))
			})
			if err != nil {
				t.Error(err)
			}
		}
		if n := asyncsql.Jobs(db); n != 2 || s.begins.Load() != 2 {
			t.Errorf("%d calls on a thread, %d transactions", n, s.begins.Load())
		}
		s.keeps(t, "a", "b", "a", "b")
	})
}

func TestAFunctionThatFailsRollsItsTransactionBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		failed := errors.New("no")
		if err := db.RunInTx(ctx, nil, putting("never", func(context.Context) error { return failed })); err != failed {
			t.Error(err)
		}
		var p *asyncio.PanicError
		if err := db.RunInTx(ctx, nil, putting("never", func(context.Context) error { panic("no") })); !errors.As(err, &p) || p.Value != "no" {
			t.Error(err)
		}
		err := db.RunInTx(ctx, nil, putting("never", func(context.Context) error { runtime.Goexit(); return nil }))
		if !errors.Is(err, asyncio.ErrGoexit) {
			t.Error(err)
		}
		put(ctx, t, db, "x")
		s.keeps(t, "x")
	})
}

func TestAFunctionIsNotCalledWhereItsTransactionCannotBegin(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		never := func(context.Context, *sql.Tx) error { t.Error("it was called"); return nil }
		refused := errors.New("memory: no such isolation level")
		s.onBegin = func(context.Context) error { return refused }
		if err := db.RunInTx(ctx, nil, never); !errors.Is(err, refused) {
			t.Error(err)
		}
		s.onBegin = nil
		if _, err := db.Conn(ctx); err != nil {
			t.Fatal(err)
		}
		waits := asyncio.Go(ctx, func(ctx context.Context) error { return db.RunInTx(ctx, nil, never) })
		spin(ctx, func() bool { return db.Stats().Waiting == 1 })
		waits.Cancel()
		if _, err := waits.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		refusedTurn := asyncio.Go(ctx, func(ctx context.Context) error { return db.RunInTx(ctx, nil, never) })
		spin(ctx, func() bool { return db.Stats().Waiting == 1 })
		if err := db.Close(ctx); err != nil { // which closes what is held, too
			t.Error(err)
		}
		if _, err := refusedTurn.Await(ctx); !errors.Is(err, asyncsql.ErrClosed) {
			t.Error(err)
		}
		if err := db.RunInTx(ctx, nil, never); !errors.Is(err, asyncsql.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestAFunctionInATransactionHasTheValuesOfItsTaskAndEndsWithIt(t *testing.T) {
	type key struct{}
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		ctx = context.WithValue(ctx, key{}, "v")
		ended := make(chan error, 1)
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			return db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
				if v := ctx.Value(key{}); v != "v" {
					t.Errorf("the value is %v", v)
				}
				_, err := tx.ExecContext(ctx, "put ?", "never")
				s.began <- struct{}{}
				<-ctx.Done()
				ended <- err
				return nil // the commit that comes now is one of a context that has ended
			})
		})
		wait(ctx, s.began)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		put(ctx, t, db, "x") // has to wait for the connection
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.keeps(t, "x")
	})
}

func TestTheOptionsOfATransactionAreThoseOfTheCall(t *testing.T) {
	begin := map[string]func(ctx context.Context, db *asyncsql.DB, opts *sql.TxOptions) error{
		"BeginTx": func(ctx context.Context, db *asyncsql.DB, opts *sql.TxOptions) error {
			tx, err := db.BeginTx(ctx, opts)
			if err != nil {
				return err
			}
			return tx.Commit(ctx)
		},
		"RunInTx": func(ctx context.Context, db *asyncsql.DB, opts *sql.TxOptions) error {
			return db.RunInTx(ctx, opts, func(context.Context, *sql.Tx) error { return nil })
		},
	}
	for name, f := range begin {
		with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
			held, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			opts := &sql.TxOptions{Isolation: sql.LevelSerializable}
			task := asyncio.Go(ctx, func(ctx context.Context) error { return f(ctx, db, opts) })
			spin(ctx, func() bool { return db.Stats().Waiting == 1 })
			*opts = sql.TxOptions{ReadOnly: true}
			held.Close()
			if _, err := task.Await(ctx); err != nil {
				t.Error(err)
			}
			if got := s.options.Load(); got != (driver.TxOptions{Isolation: driver.IsolationLevel(sql.LevelSerializable)}) {
				t.Errorf("%s: it begins with %+v", name, got)
			}
		})
	}
}

func TestAFunctionMayLeaveRowsAndStatementsOpen(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		failed := errors.New("no")
		for _, result := range []error{nil, failed} {
			err := db.RunInTx(ctx, nil, putting("x", func(context.Context) error { return nil }))
			if err != nil {
				t.Error(err)
			}
			err = db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
				rows, err := tx.QueryContext(ctx, "count 1000")
				if err != nil || !rows.Next() {
					t.Error(err)
				}
				return result
			})
			if err != result {
				t.Errorf("with rows: %v", err)
			}
			err = db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.PrepareContext(ctx, "put ?")
				return errors.Join(err, result)
			})
			if !errors.Is(err, result) {
				t.Errorf("with a statement: %v", err)
			}
		}
		s.keeps(t, "x", "x")
	})
}

func TestAFunctionThatEndsItsTransactionItselfIsToldSo(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
			ending := func(after func() error) func(context.Context, *sql.Tx) error {
				return func(ctx context.Context, tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, "put ?", "x")
					return errors.Join(err, end(tx), after())
				}
			}
			if err := db.RunInTx(ctx, nil, ending(func() error { return nil })); err != sql.ErrTxDone {
				t.Error(err)
			}
			var p *asyncio.PanicError
			if err := db.RunInTx(ctx, nil, ending(func() error { panic("no") })); !errors.As(err, &p) {
				t.Error(err)
			}
		}
		put(ctx, t, db, "y")
		s.keeps(t, "x", "x", "y")
	})
}

// It would wait for the connection that it has.
func TestAFunctionInATransactionCannotBeginAnother(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		err := db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
			return db.RunInTx(ctx, nil, func(context.Context, *sql.Tx) error { t.Error("it was called"); return nil })
		})
		if !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Error(err)
		}
	})
}

func TestAFunctionIsCalledOnceThoughConnectionsWereLost(t *testing.T) {
	with(t, 3, func(ctx context.Context, db *asyncsql.DB, s *server) {
		var held []*asyncsql.Conn
		for range 3 {
			c, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		for _, c := range held {
			c.Close()
		}
		s.restart()
		calls := 0
		err := db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
			calls++
			_, err := tx.ExecContext(ctx, "put ?", "x")
			return err
		})
		if err != nil || calls != 1 {
			t.Errorf("%d calls, %v", calls, err)
		}
		s.keeps(t, "x")
	})
}

// stillHeld complains when the only connection is given back while it looks.
func (s *server) stillHeld(db *asyncsql.DB) {
	for range 1000 {
		runtime.Gosched()
		if n := db.Stats().Turns; n != 1 {
			s.complain("the connection was given back before the rollback")
			return
		}
	}
}

func TestADatabaseIsClosedAfterTheRollbackOfATransactionThatWasCutOffAsItBegan(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rolling := make(chan struct{})
		s.onBegin = func(ctx context.Context) error {
			s.began <- struct{}{}
			<-ctx.Done()
			return nil
		}
		s.onRollback = func() {
			close(rolling)
			s.stillHeld(db)
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			return errors.Join(err, tx.Commit(ctx))
		})
		wait(ctx, s.began)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		wait(ctx, rolling)
	})
}

// database/sql rolls back on a goroutine of its own when a context ends.
func TestRunInTxGivesItsConnectionBackAfterTheRollback(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rolling, returned := make(chan struct{}), make(chan struct{})
		s.onRollback = func() {
			close(rolling)
			<-returned
			s.stillHeld(db)
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			return db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
				defer close(returned)
				s.began <- struct{}{}
				<-rolling
				return nil
			})
		})
		wait(ctx, s.began)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
	})
}

func TestAFunctionInATransactionRunsInASimulatedWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		s := newServer()
		db := asyncsql.OpenDB(s, asyncsql.WithMaxConnections(1))
		w.Host("h").Go(func(ctx context.Context) error {
			for range 2 {
				if err := db.RunInTx(ctx, nil, putting("x", func(context.Context) error { return nil })); err != nil {
					return err
				}
			}
			if n := db.Stats().Turns; n != 0 || len(s.texts) != 2 {
				w.Failf("%d connections are held, %v", n, s.texts)
			}
			return db.Close(ctx)
		})
	}, sim.Seeds(5))
}

func TestFunctionsInTransactionsOfSeveralLoops(t *testing.T) {
	s := newServer()
	db := asyncsql.OpenDB(s, asyncsql.WithMaxConnections(1))
	ended := make(chan error, 2)
	for range cap(ended) {
		go func() {
			ended <- asyncio.Run(t.Context(), func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					for range 20 {
						g.Go(func(ctx context.Context) error {
							return db.RunInTx(ctx, nil, putting("x", func(context.Context) error { return nil }))
						})
					}
					return nil
				})
			})
		}()
	}
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err := db.Close(t.Context()); err != nil || len(s.texts) != 40 || len(s.wrong) != 0 {
		t.Errorf("%v; %d texts; %v", err, len(s.texts), s.wrong)
	}
}
