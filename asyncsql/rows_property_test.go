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
	"pgregory.net/rapid"
)

// A reading is a query, how many of its rows are read before they are closed, and where
// each column goes.
type reading struct {
	query string
	take  int
	into  []int
}

func drawReading(t *rapid.T) reading {
	n := rapid.IntRange(0, 30).Draw(t, "rows")
	return reading{
		query: fmt.Sprintf(rapid.SampledFrom([]string{"count %d", "break %d", "sets %d 3"}).Draw(t, "query"), n),
		take:  rapid.IntRange(0, 40).Draw(t, "take"),
		into:  rapid.SliceOfN(rapid.IntRange(0, len(variables())-1), 5, 5).Draw(t, "into"),
	}
}

func variables() []any {
	return []any{new(any), new(int), new(int64), new(string), new([]byte), new(time.Time), new(sql.NullString),
		new(sql.Null[int64]), new(sql.NullTime), new(*string), new(float64)}
}

// scanned is what has come of a reading. The variables are looked at when others have
// long used the memory of their rows.
type scanned struct {
	Rows   [][]any
	Errors []string
}

func (r reading) read(next func() bool, scan func(...any) error, err func() error) (s scanned) {
	for len(s.Rows) < r.take && next() {
		row := make([]any, len(r.into))
		for i, v := range r.into {
			row[i] = variables()[v]
		}
		s.Errors = append(s.Errors, fmt.Sprint(scan(row...)))
		s.Rows = append(s.Rows, row)
	}
	s.Errors = append(s.Errors, fmt.Sprint(err()))
	return s
}

func TestAnyMixOfRowsIsThatOfDatabaseSQL(t *testing.T) {
	plain := sql.OpenDB(newServer())
	defer plain.Close()
	rapid.Check(t, func(rt *rapid.T) {
		readings := rapid.SliceOfN(rapid.Custom(drawReading), 1, 6).Draw(rt, "readings")
		batch := rapid.IntRange(1, 9).Draw(rt, "batch")
		var want, got []scanned
		for _, r := range readings {
			rows, err := plain.Query(r.query)
			if err != nil {
				rt.Fatal(err)
			}
			want = append(want, r.read(rows.Next, rows.Scan, rows.Err))
			_ = rows.Close()
		}
		with(t, 2, func(ctx context.Context, db *asyncsql.DB, _ *server) {
			var tasks []*asyncio.Task[scanned]
			for _, r := range readings {
				tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (scanned, error) {
					rows, err := db.QueryContext(ctx, r.query)
					if err != nil {
						return scanned{}, err
					}
					defer rows.Close()
					return r.read(func() bool { return rows.Next(ctx) }, rows.Scan, rows.Err), nil
				}))
			}
			for _, task := range tasks {
				s, err := task.Await(ctx)
				if err != nil {
					rt.Error(err)
				}
				got = append(got, s)
			}
		}, asyncsql.WithBatch(batch, 0))
		for i := range want {
			if !reflect.DeepEqual(want[i], got[i]) {
				rt.Errorf("%+v: %s, in database/sql %s", readings[i], got[i], want[i])
			}
		}
	})
}

// String shows what the variables have.
func (s scanned) String() (text string) {
	for i, row := range s.Rows {
		for _, v := range row {
			text += fmt.Sprintf("%#v ", reflect.ValueOf(v).Elem().Interface())
		}
		text += s.Errors[i] + "\n"
	}
	return text + s.Errors[len(s.Errors)-1]
}
