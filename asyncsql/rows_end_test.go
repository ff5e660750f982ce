package asyncsql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

func query(ctx context.Context, t *testing.T, p interface {
	QueryContext(ctx context.Context, query string, args ...any) (*asyncsql.Rows, error)
}, text string) *asyncsql.Rows {
	t.Helper()
	rows, err := p.QueryContext(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestABatchEndsAtItsBounds(t *testing.T) {
	const size = 5*16 + len("text 0") + len("bytes 0") // of a row
	for _, test := range []struct {
		name     string
		opt      asyncsql.Option
		patience time.Duration
		batches  uint64
	}{
		{"one row", asyncsql.WithBatch(1, 0), time.Hour, 11},
		{"the bytes of one row", asyncsql.WithBatch(0, size), time.Hour, 11},
		{"one byte more", asyncsql.WithBatch(0, size+1), time.Hour, 6},
		{"no patience", asyncsql.WithBatch(0, 0), 0, 3}, // it looks at the clock after 4 rows
		{"no patience, three rows", asyncsql.WithBatch(3, 0), 0, 4},
		{"patience", asyncsql.WithBatch(0, 0), time.Hour, 1},
	} {
		with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
			asyncsql.SetPatience(db, test.patience)
			rows := query(ctx, t, db, "count 10")
			n := 0
			for rows.Next(ctx) {
				n++
			}
			if got := asyncsql.Jobs(db); n != 10 || got != test.batches {
				t.Errorf("%s: %d rows in %d batches, want %d", test.name, n, got, test.batches)
			}
		}, test.opt)
	}
}

func TestScanSaysWhyThereIsNoRow(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		put(ctx, t, db, "x")
		const before, closed = "asyncsql: scan: Next was not called", "asyncsql: scan: the rows are closed"
		var text string
		for _, close := range []bool{false, true} {
			rows := query(ctx, t, db, "all")
			if err := rows.Scan(&text); err == nil || err.Error() != before {
				t.Errorf("before Next: %v", err)
			}
			if !rows.Next(ctx) || rows.Scan(&text) != nil || text != "x" {
				t.Errorf("%q, %v", text, rows.Err())
			}
			if close {
				rows.Close()
			} else if rows.Next(ctx) {
				t.Error("there is a second row")
			}
			if err := rows.Scan(&text); err == nil || err.Error() != closed {
				t.Errorf("after the end: %v", err)
			}
		}
		if err := db.QueryRowContext(ctx, "break 0").Scan(&text); err == nil || err.Error() != "memory: the disk is on fire" {
			t.Errorf("an error in place of the row: %v", err)
		}
	})
}

func TestResultSetsHaveTheirOwnColumns(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rows := query(ctx, t, db, "mixed 2 7")
		var n uint8 // for which database/sql is asked
		var text string
		var skip any
		if !rows.Next(ctx) || rows.Scan(&n, &text, &skip, &skip, &skip) != nil {
			t.Fatal(rows.Err())
		}
		if !rows.NextResultSet(ctx) {
			t.Fatal(rows.Err())
		}
		if names, _ := rows.Columns(); fmt.Sprint(names) != "[n text]" {
			t.Errorf("the columns are %v", names)
		}
		i := 0
		for ; rows.Next(ctx); i++ {
			if err := rows.Scan(&n, &text); err != nil || int(n) != i || text != fmt.Sprint("text ", i) {
				t.Errorf("row %d: %d, %q, %v", i, n, text, err)
			}
		}
		if i != 7 || rows.Err() != nil {
			t.Errorf("%d rows, %v", i, rows.Err())
		}
	}, asyncsql.WithBatch(3, 0))
}

func TestThereIsNoFurtherResultSet(t *testing.T) {
	for _, batch := range []int{3, 100} {
		with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
			for text, want := range map[string]string{
				"count 10": "<nil>", "break 10": "memory: the disk is on fire", "badset 10": errSet.Error(),
			} {
				for _, read := range []int{0, 1, 10} {
					rows := query(ctx, t, db, text)
					for range read {
						if !rows.Next(ctx) {
							t.Fatal(text, rows.Err())
						}
					}
					for range 2 {
						if rows.NextResultSet(ctx) || rows.Next(ctx) {
							t.Errorf("%s: after %d rows there is another set", text, read)
						}
					}
					if got := fmt.Sprint(rows.Err()); got != want {
						t.Errorf("%s: after %d rows: %s", text, read, got)
					}
				}
			}
			rows := query(ctx, t, db, "sets 10 10")
			rows.Close()
			if rows.NextResultSet(ctx) || rows.Err() != nil {
				t.Errorf("of rows that were closed: %v", rows.Err())
			}
			derived, end := context.WithCancel(ctx)
			rows = query(derived, t, db, "sets 10 10")
			end()
			put(ctx, t, db, "x") // waits for the connection
			if batch < 10 && (rows.NextResultSet(ctx) || rows.Err() != context.Canceled) {
				t.Errorf("of rows whose context has ended: %v", rows.Err())
			}
		}, asyncsql.WithBatch(batch, 0))
	}
}

func TestARowThatIsReadOnceMoreIsReadToItsEnd(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		var n uint8
		var skip any
		read := func(scan func(dest ...any) error) {
			t.Helper()
			for range 2 {
				if err := scan(&n, &skip, &skip, &skip, &skip); err != nil {
					t.Error(err)
				}
			}
		}
		rows := query(ctx, t, db, "sets 3 3")
		for rows.Next(ctx) {
			read(rows.Scan)
		}
		if !rows.NextResultSet(ctx) || asyncsql.Replays(db) != 0 {
			t.Errorf("%d are still read", asyncsql.Replays(db))
		}
		for rows.Next(ctx) {
			read(rows.Scan)
		}
		if k := asyncsql.Replays(db); k != 0 || n != 2 {
			t.Errorf("after all rows %d are still read; the last had %d", k, n)
		}
		rows = query(ctx, t, db, "count 3")
		rows.Next(ctx)
		read(rows.Scan)
		rows.Close()
		read(db.QueryRowContext(ctx, "count 1").Scan)
		if k := asyncsql.Replays(db); k != 0 {
			t.Errorf("in the end %d are still read", k)
		}
	})
}

func TestARowIsNotReadOnceMoreWhenTheDatabaseIsClosed(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rows, row := query(ctx, t, db, "count 1"), db.QueryRowContext(ctx, "count 1")
		if !rows.Next(ctx) {
			t.Fatal(rows.Err())
		}
		if err := db.Close(ctx); err != nil {
			t.Error(err)
		}
		var n uint8
		var skip any
		for _, scan := range []func(dest ...any) error{rows.Scan, row.Scan} {
			if err := scan(&n, &skip, &skip, &skip, &skip); err == nil {
				t.Error("Scan went well")
			}
			if err := scan(&skip, &skip, &skip, &skip, &skip); err != nil {
				t.Errorf("of what is in memory: %v", err)
			}
		}
	})
}

func TestRowsOfATransactionThatHasEndedSayWhose(t *testing.T) {
	for _, same := range []bool{false, true} {
		with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
			derived, end := context.WithCancel(ctx)
			tx, err := db.BeginTx(derived, nil)
			if err != nil {
				t.Fatal(err)
			}
			rows := query(ctx, t, tx, "count 100")
			end()
			put(ctx, t, db, "x") // waits for the connection
			reader, want := ctx, error(sql.ErrConnDone)
			if same {
				reader, want = derived, context.Canceled
			}
			if rows.Next(reader) || rows.Err() != want || rows.Next(reader) {
				t.Errorf("they ended with %v, want %v", rows.Err(), want)
			}
		}, asyncsql.WithBatch(10, 0))
	}
}

func TestRowsOfACancelledTaskEndWithItsCancellation(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			rows := query(ctx, t, db, "count 100")
			err := asyncio.Sleep(ctx, time.Hour)
			put(ctx, t, db, "x") // waits for the connection
			if rows.Next(ctx) {
				t.Error("there is a row")
			}
			if !asyncio.IsCancelled(rows.Err()) {
				t.Errorf("they ended with %v", rows.Err())
			}
			return err
		})
		spin(ctx, func() bool { return db.Stats().Turns == 1 && db.Stats().Running == 0 })
		_ = asyncio.Sleep(ctx, 0)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
	}, asyncsql.WithBatch(10, 0))
}

func TestATransactionOfAConnectionEndsWithItsContext(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		derived, end := context.WithCancel(ctx)
		tx, err := c.BeginTx(derived, nil)
		if err != nil {
			t.Fatal(err)
		}
		put(ctx, t, tx, "never")
		put(ctx, t, c, "nor this")
		rolled := make(chan struct{}, 1)
		s.onRollback = func() { rolled <- struct{}{} }
		end()
		wait(ctx, rolled)
		if err := tx.Commit(ctx); err != sql.ErrTxDone {
			t.Errorf("Commit: %v", err)
		}
		put(ctx, t, c, "x")
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, cancelled := db.ExecContext(ctx, "never made")
			tx, err := c.BeginTx(ctx, nil) // of a task that was cancelled before: that is no news
			if err != nil {
				return err
			}
			put(ctx, t, tx, "y")
			return errors.Join(cancelled, tx.Commit(ctx))
		})
		spin(ctx, func() bool { return db.Stats().Waiting == 1 })
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		s.keeps(t, "x", "y")
	})
}
