//go:build unix

package peers

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

// turn is how long each of the two is measured at a time, in operations of a row.
const turn = 4000

// BenchmarkRatio measures goroutines and tasks in turns, in one process and against the
// same server, so that what else the machine does meets both alike. It reports the medians
// of the turns and their ratio.
func BenchmarkRatio(b *testing.B) {
	for _, o := range []struct {
		name string
		of   func(peer) operation
		rows int // how many rows, about, an operation costs as much as
	}{
		{"row", func(peer) operation { return query("select 42") }, 1},
		{"exec", func(peer) operation { return statement("select 42") }, 1},
		{"transaction", func(peer) operation { return transaction("select 42") }, 4},
		{"transactionInOneCall", func(peer) operation { return inOneCall("select 42") }, 4},
		{"rows", func(p peer) operation { return query(p.series + " limit 1000") }, 40},
	} {
		for _, p := range peers {
			b.Run(o.name+"/"+p.driver, func(b *testing.B) { inTurns(b, p, o.of(p), max(turn/o.rows, 1)) })
		}
	}
}

func inTurns(b *testing.B, p peer, op operation, turn int) {
	dsn := serverFor(b, p.driver).dsn[p.driver]
	db, err := sql.Open(p.driver, dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(benchConnections)
	db.SetMaxIdleConns(benchConnections)
	plain, cancel := context.WithCancel(b.Context())
	defer cancel()
	tdb, err := asyncsql.Open(p.driver, dsn, asyncsql.WithMaxConnections(benchConnections))
	if err != nil {
		b.Fatal(err)
	}
	withLoop(b, func(ctx context.Context) error {
		defer tdb.Close(ctx)
		onGoroutines := func() error { return onGoroutinesOf(turn, func() error { return op.plain(plain, db) }) }
		inTasks := func() error {
			return inTasksOf(ctx, turn, func(ctx context.Context) error { return op.tasks(ctx, tdb) })
		}
		var goroutines, tasks []float64
		for n := -turn; n < b.N; n += turn {
			before := cpu()
			err := inTasks()
			half := cpu()
			if err != nil {
				return err
			}
			_, err = asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, onGoroutines() })
			if err != nil {
				return err
			}
			if n >= 0 { // the first turn connects
				tasks = append(tasks, each(half-before, turn))
				goroutines = append(goroutines, each(cpu()-half, turn))
			}
		}
		b.ReportMetric(median(goroutines), "goroutines-µs/op")
		b.ReportMetric(median(tasks), "tasks-µs/op")
		b.ReportMetric(median(tasks)/median(goroutines), "ratio")
		return nil
	})
}

func each(d time.Duration, n int) float64 { return float64(d) / float64(n) / 1000 }

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
