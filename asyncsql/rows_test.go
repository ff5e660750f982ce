package asyncsql_test

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

func TestRowsComeInBatches(t *testing.T) {
	for _, test := range []struct {
		name    string
		rows    int
		opt     asyncsql.Option
		batches uint64
	}{
		{"none", 0, asyncsql.WithBatch(100, 0), 1},
		{"fewer than a batch", 99, asyncsql.WithBatch(100, 0), 1},
		{"a batch", 100, asyncsql.WithBatch(100, 0), 2}, // only then it is known that there are no more
		{"more", 1050, asyncsql.WithBatch(100, 0), 11},
		{"bounded in bytes", 100, asyncsql.WithBatch(1000, 1000), 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
				asyncsql.SetPatience(db, time.Hour)
				rows, err := db.QueryContext(ctx, fmt.Sprint("count ", test.rows))
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for rows.Next(ctx) {
					var i int
					var text string
					var skip any
					if err := rows.Scan(&i, &text, &skip, &skip, &skip); err != nil || i != n || text != fmt.Sprint("text ", n) {
						t.Fatalf("row %d: %d, %q, %v", n, i, text, err)
					}
					n++
				}
				if n != test.rows || rows.Err() != nil {
					t.Errorf("%d rows, %v", n, rows.Err())
				}
				if got := asyncsql.Jobs(db); got != test.batches {
					t.Errorf("they came in %d batches, want %d", got, test.batches)
				}
				if err := rows.Scan(&n); err == nil {
					t.Error("Scan after the last row went well")
				}
			}, test.opt)
		})
	}
}

// What Scan makes of a value is what database/sql makes of it.
func TestScanIsThatOfDatabaseSQL(t *testing.T) {
	plain := sql.OpenDB(newServer())
	defer plain.Close()
	targets := func() []any {
		return []any{new(int), new(int8), new(string), new([]byte), new(any), new(sql.RawBytes), new(time.Time),
			new(sql.NullString), new(sql.Null[int64]), new(float64), new(bool), new(*string), new(int64), new(int32),
			new(*int), "no pointer", new(refusing)}
	}
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for column := range 5 {
			for i := range targets() {
				dest := func() (all []any, one any) {
					for range 5 {
						all = append(all, new(any))
					}
					all[column] = targets()[i]
					return all, all[column]
				}
				wantDest, want := dest()
				r, err := plain.Query("count 1") //asyncvet:ignore blocking it is what rows are compared with
				if err != nil {
					t.Fatal(err)
				}
				r.Next()
				wantErr := r.Scan(wantDest...)
				gotDest, got := dest()
				rows, err := db.QueryContext(ctx, "count 1")
				if err != nil || !rows.Next(ctx) {
					t.Fatal(err, rows.Err())
				}
				gotErr := rows.Scan(gotDest...)
				rowDest, row := dest()
				rowErr := db.QueryRowContext(ctx, "count 1").Scan(rowDest...)
				if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || fmt.Sprint(rowErr) != fmt.Sprint(wantErr) {
					t.Errorf("column %d into %T: %v and %v, want %v", column, want, gotErr, rowErr, wantErr)
				}
				if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(row, want) {
					t.Errorf("column %d into %T: %v and %v, want %v", column, want, got, row, want)
				}
				_ = rows.Close()
				_ = r.Close()
			}
		}
	})
}

// refusing is a Scanner that takes no value.
type refusing struct{ asked int }

func (r *refusing) Scan(v any) error {
	r.asked++
	return fmt.Errorf("no %T, thank you", v)
}

// The columns before one that only database/sql can convert are scanned once, as there.
func TestAScannerIsAskedOnce(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		var n counting
		var text sql.RawBytes
		var more counting
		var skip any
		rows, err := db.QueryContext(ctx, "count 1")
		if err != nil || !rows.Next(ctx) {
			t.Fatal(err)
		}
		defer rows.Close()
		if err := rows.Scan(&n, &text, &more, &skip, &skip); err != nil || n != 1 || more != 1 || string(text) != "text 0" {
			t.Errorf("asked %d and %d times, %q: %v", n, more, text, err)
		}
	})
}

// counting counts how often it is given a value.
type counting int

func (c *counting) Scan(any) error { *c++; return nil }

func TestQueryRow(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		var n int
		if err := db.QueryRowContext(ctx, "count 0").Scan(&n); err != sql.ErrNoRows {
			t.Errorf("no row: %v", err)
		}
		if err := db.QueryRowContext(ctx, "break 0").Scan(&n); err == nil || err == sql.ErrNoRows {
			t.Errorf("an error in place of the row: %v", err)
		}
		if err := db.QueryRowContext(ctx, "nonsense").Err(); err == nil {
			t.Error("nonsense went well")
		}
	})
}

func TestRowsThatAreClosedEarlyGiveTheirConnectionBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for range 10 {
			rows, err := db.QueryContext(ctx, "count 1000")
			if err != nil || !rows.Next(ctx) {
				t.Fatal(err)
			}
			if n := db.Stats().Turns; n != 1 {
				t.Fatalf("they hold %d connections", n)
			}
			_ = rows.Close()
			_ = rows.Close()
			if rows.Next(ctx) || rows.Err() != nil {
				t.Errorf("after Close: %v", rows.Err())
			}
		}
		if _, err := db.ExecContext(ctx, "put ?", "x"); err != nil {
			t.Error(err)
		}
	}, asyncsql.WithBatch(10, 0))
}

func TestRowsOfAContextThatEndsGiveTheirConnectionBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		derived, cancel := context.WithCancel(ctx)
		rows, err := db.QueryContext(derived, "count 1000")
		if err != nil || !rows.Next(ctx) {
			t.Fatal(err)
		}
		cancel()
		if _, err := db.ExecContext(ctx, "put ?", "x"); err != nil { // waits for the connection
			t.Error(err)
		}
		for rows.Next(ctx) {
			t.Error("there is a row")
		}
		if err := rows.Err(); err != context.Canceled {
			t.Errorf("they ended with %v", err)
		}
	}, asyncsql.WithBatch(10, 0))
}

func TestACancelledNextEndsTheQuery(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for range 10 {
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				rows, err := db.QueryContext(ctx, "stream 10")
				if err != nil {
					return err
				}
				defer rows.Close()
				for n := 0; rows.Next(ctx); n++ {
				}
				return rows.Err()
			})
			wait(ctx, s.began)
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("it ended with %v", err)
			}
			if _, err := db.ExecContext(ctx, "put ?", "x"); err != nil {
				t.Error(err)
			}
		}
		if s.cutOff.Load() != 10 {
			t.Errorf("the server knows of %d", s.cutOff.Load())
		}
	}, asyncsql.WithBatch(5, 0))
}

func TestAnErrorAmongTheRowsComesAfterThoseBefore(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rows, err := db.QueryContext(ctx, "break 7")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next(ctx) {
			n++
		}
		if n != 7 || rows.Err() == nil {
			t.Errorf("%d rows, %v", n, rows.Err())
		}
	}, asyncsql.WithBatch(5, 0))
}

func TestResultSets(t *testing.T) {
	for _, read := range []int{0, 3, 100} {
		with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
			rows, err := db.QueryContext(ctx, "sets 12 7")
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < read && rows.Next(ctx); i++ {
			}
			if !rows.NextResultSet(ctx) {
				t.Fatal("there is one set", rows.Err())
			}
			n := 0
			for rows.Next(ctx) {
				var i int
				if err := rows.Scan(&i, new(any), new(any), new(any), new(any)); err != nil || i != n {
					t.Errorf("row %d is %d, %v", n, i, err)
				}
				n++
			}
			if n != 7 || rows.Err() != nil || rows.NextResultSet(ctx) {
				t.Errorf("%d rows, %v", n, rows.Err())
			}
		}, asyncsql.WithBatch(5, 0))
	}
}

func TestRowsKnowTheirColumns(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		rows, err := db.QueryContext(ctx, "count 1")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil || !reflect.DeepEqual(names, []string{"n", "text", "bytes", "at", "nothing"}) {
			t.Errorf("%v, %v", names, err)
		}
		types, err := rows.ColumnTypes()
		if err != nil || len(types) != 5 || types[1].Name() != "text" {
			t.Errorf("%v, %v", types, err)
		}
	})
}
