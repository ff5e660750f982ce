package asyncsql_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
	"github.com/asyncio-go/asyncio/sim"
)

func TestATransactionBeginsWithItsFirstCall(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for _, c := range []struct {
			name   string
			use    func(tx *asyncsql.Tx) error
			begins int32
		}{
			{"nothing, rolled back", func(tx *asyncsql.Tx) error { return tx.Rollback(ctx) }, 0},
			{"nothing, committed", func(tx *asyncsql.Tx) error { return tx.Commit(ctx) }, 1},
			{"two statements", func(tx *asyncsql.Tx) error {
				put(ctx, t, tx, "a")
				put(ctx, t, tx, "b")
				return tx.Commit(ctx)
			}, 1},
			{"a query", func(tx *asyncsql.Tx) error {
				var n, text, bytes, at, nothing any
				return errors.Join(tx.QueryRowContext(ctx, "count 1").Scan(&n, &text, &bytes, &at, &nothing), tx.Rollback(ctx))
			}, 1},
			{"a statement that is prepared", func(tx *asyncsql.Tx) error {
				_, err := tx.PrepareContext(ctx, "all")
				return errors.Join(err, tx.Rollback(ctx))
			}, 1},
		} {
			s.begins.Store(0)
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n := db.Stats().Turns; n != 1 {
				t.Errorf("%s: it has %d connections", c.name, n)
			}
			before := s.begins.Load()
			if err := c.use(tx); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if n := s.begins.Load(); n != c.begins || before != 0 {
				t.Errorf("%s: %d have begun, and before the first call %d", c.name, n, before)
			}
		}
		s.keeps(t, "a", "b")
	})
}

func TestATransactionThatCannotBeginSaysSoInItsFirstCall(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		refused := errors.New("memory: no such isolation level")
		s.onBegin = func(context.Context) error { return refused }
		for _, first := range []func(tx *asyncsql.Tx) error{
			func(tx *asyncsql.Tx) error { _, err := tx.ExecContext(ctx, "put ?", "never"); return err },
			func(tx *asyncsql.Tx) error { return tx.QueryRowContext(ctx, "all").Err() },
			func(tx *asyncsql.Tx) error { return tx.Commit(ctx) },
		} {
			tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
			if err != nil {
				t.Fatal(err)
			}
			if err := first(tx); err != refused {
				t.Errorf("the first call: %v", err)
			}
			if _, err := tx.ExecContext(ctx, "put ?", "never"); err != sql.ErrTxDone {
				t.Errorf("the second: %v", err)
			}
			if err := tx.Rollback(ctx); err != sql.ErrTxDone {
				t.Errorf("Rollback: %v", err)
			}
		}
		put(ctx, t, db, "x")
		s.keeps(t, "x")
	})
}

// It has its turn by when it was asked for, not by its first call.
func TestATransactionKeepsItsPlaceAmongThoseThatWait(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		blocking := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "block")
			return err
		})
		wait(ctx, s.began)
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		later := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "put ?", "second")
			return err
		})
		_ = asyncio.Sleep(ctx, 0)
		close(s.release)
		if _, err := blocking.Await(ctx); err != nil {
			t.Error(err)
		}
		put(ctx, t, tx, "first")
		if err := tx.Commit(ctx); err != nil {
			t.Error(err)
		}
		if _, err := later.Await(ctx); err != nil || !slices.Equal(s.texts, []string{"first", "second"}) {
			t.Errorf("%v, %v", err, s.texts)
		}
	})
}

// All that has waited for the one connection gives up, and nothing stays in the queue.
func TestATransactionThatGivesUpWhileItWaits(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		blocking := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "block")
			return err
		})
		wait(ctx, s.began)
		first := func(tx *asyncsql.Tx) *asyncio.Task[struct{}] {
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				_, err := tx.ExecContext(ctx, "put ?", "never")
				return err
			})
			_ = asyncio.Sleep(ctx, 0)
			return task
		}
		begin := func(ctx context.Context) *asyncsql.Tx {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			return tx
		}

		cancelled := begin(ctx)
		one, other := first(cancelled), first(cancelled)
		one.Cancel()
		if _, err := one.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("a statement that was cancelled: %v", err)
		}
		if n := db.Stats().Waiting; n != 1 {
			t.Errorf("%d wait, though the transaction has not ended", n)
		}
		if err := cancelled.Rollback(ctx); err != nil {
			t.Errorf("Rollback: %v", err)
		}
		if _, err := other.Await(ctx); err != sql.ErrTxDone {
			t.Errorf("a statement of a transaction that was rolled back: %v", err)
		}

		derived, end := context.WithCancel(ctx)
		ended := begin(derived)
		statement := first(ended)
		end()
		if _, err := statement.Await(ctx); err != sql.ErrTxDone {
			t.Errorf("a statement of a transaction whose context has ended: %v", err)
		}
		if err := ended.Commit(ctx); err != sql.ErrTxDone {
			t.Errorf("Commit: %v", err)
		}

		if n := db.Stats().Waiting; n != 0 {
			t.Errorf("%d still wait", n)
		}
		close(s.release)
		if _, err := blocking.Await(ctx); err != nil {
			t.Error(err)
		}
		if n := s.begins.Load(); n != 0 || len(s.texts) != 0 {
			t.Errorf("%d have begun; kept: %v", n, s.texts)
		}
	})
}

func TestATransactionIsCutOffWhileItBegins(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		begun := make(chan struct{}, 1)
		s.onBegin = func(ctx context.Context) error {
			begun <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback(ctx)
			_, err = tx.ExecContext(ctx, "put ?", "never")
			return err
		})
		wait(ctx, begun)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		put(ctx, t, db, "x")
		s.keeps(t, "x")
	})
}

func TestCloseEndsTransactionsThatHaveNotBegun(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		var txs []*asyncsql.Tx
		for range 3 { // one has its turn, two wait
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			txs = append(txs, tx)
		}
		queued := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := txs[1].ExecContext(ctx, "put ?", "never")
			return err
		})
		_ = asyncio.Sleep(ctx, 0)
		if err := db.Close(ctx); err != nil {
			t.Error(err)
		}
		if _, err := queued.Await(ctx); err != asyncsql.ErrClosed {
			t.Errorf("a statement that waited: %v", err)
		}
		for i, tx := range txs {
			if _, err := tx.ExecContext(ctx, "put ?", "never"); err != sql.ErrTxDone {
				t.Errorf("a statement on the transaction %d: %v", i, err)
			}
			if err := tx.Rollback(ctx); err != nil && err != sql.ErrTxDone {
				t.Errorf("Rollback of %d: %v", i, err)
			}
		}
		if _, err := db.BeginTx(ctx, nil); err != asyncsql.ErrClosed {
			t.Errorf("a new one: %v", err)
		}
		if n := s.begins.Load(); n != 0 {
			t.Errorf("%d have begun", n)
		}
	})
}

// The jobs of a loop that is recorded do not run on the lanes that they take.
func TestTransactionsOfALoopThatIsRecorded(t *testing.T) {
	s := newServer()
	db := asyncsql.OpenDB(s, asyncsql.WithMaxConnections(1))
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		for range 3 {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			put(ctx, t, tx, "x")
			if err := tx.Commit(ctx); err != nil {
				return err
			}
		}
		tx, err := db.BeginTx(ctx, nil)
		return errors.Join(err, tx.Rollback(ctx))
	}, sim.Record(t.TempDir()+"/flight"))
	if err != nil {
		t.Error(err)
	}
	if n := db.Stats().Turns; n != 0 {
		t.Errorf("%d connections are still held", n)
	}
	if err := db.Close(t.Context()); err != nil || len(s.texts) != 3 {
		t.Errorf("%v, %v", err, s.texts)
	}
}

// Its rollback is made by database/sql, which does not say when.
func TestNothingIsDoneInATransactionOfAConnectionThatWasCutOffAsItBegan(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for range 10 {
			c, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			s.onBegin = func(ctx context.Context) error {
				s.began <- struct{}{}
				<-ctx.Done()
				return nil
			}
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				_, err := c.BeginTx(ctx, nil)
				return err
			})
			wait(ctx, s.began)
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("it ended with %v", err)
			}
			if _, err := c.ExecContext(ctx, "put ?", "never"); err != sql.ErrConnDone {
				t.Errorf("the next on the connection: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			put(ctx, t, db, "x")
		}
		if len(s.texts) != 10 {
			t.Errorf("kept: %v", s.texts)
		}
	})
}
