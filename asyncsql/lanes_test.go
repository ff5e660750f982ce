package asyncsql_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"runtime"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

func TestCallsOnOneConnectionAreMadeOnceEachInTheirOrder(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var want []string
		err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			g.Go(func(ctx context.Context) error {
				_, err := conn.ExecContext(ctx, "block")
				return err
			})
			for i := range 5 {
				want = append(want, fmt.Sprint(i))
				g.Go(func(ctx context.Context) error {
					_, err := conn.ExecContext(ctx, "put ?", fmt.Sprint(i))
					return err
				})
			}
			wait(ctx, s.began)
			close(s.release)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		s.keeps(t, want...)
	})
}

// The connection is there when the task is cancelled, and the task has not heard of it.
func TestAConnectionThatComesWithTheCancellationIsGivenBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.Conn(ctx)
			return err
		})
		_ = asyncio.Sleep(ctx, 0)
		for asyncsql.Jobs(db) == 0 || db.Stats().Running > 0 {
			runtime.Gosched() // and not to the loop, which would tell the task
		}
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		put(ctx, t, db, "x") // on the only connection
	})
}

func TestABatchMayBeOfOneByte(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rows, err := db.QueryContext(ctx, "count 3")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		n := 0
		for rows.Next(ctx) {
			n++
		}
		if jobs := asyncsql.Jobs(db); n != 3 || jobs < 3 {
			t.Errorf("%d rows in %d jobs", n, jobs)
		}
	}, asyncsql.WithBatch(0, 1))
}

// database/sql tries some connections, and the call others after that, but not for ever.
func TestACallEndsWhereEachConnectionIsBad(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		s.onBegin = func(context.Context) error { return driver.ErrBadConn }
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != driver.ErrBadConn {
			t.Errorf("it ended with %v", err)
		}
		if n := s.begins.Load(); n < 3 {
			t.Errorf("%d were tried", n)
		}
	})
}

func TestAStatementIsClosedBehindTheCallersBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		stmt, err := conn.PrepareContext(ctx, "put ?")
		if err != nil {
			t.Fatal(err)
		}
		if n := s.prepared.Load(); n != 1 {
			t.Errorf("%d statements are open", n)
		}
		stmt.Close()
		if err := conn.PingContext(ctx); err != nil { // after that
			t.Error(err)
		}
		if n := s.prepared.Load(); n != 0 {
			t.Errorf("%d statements are open", n)
		}
	})
}

func TestArgumentsAreLeftAlone(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		text := []byte("text")
		args := []any{text}
		if _, err := db.ExecContext(ctx, "put ?", args...); err != nil {
			t.Fatal(err)
		}
		if &args[0].([]byte)[0] != &text[0] {
			t.Error("the caller has other bytes now")
		}
	})
}
