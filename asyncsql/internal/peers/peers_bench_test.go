//go:build unix

package peers

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

// The benchmarks let 200 tasks, or goroutines, use a pool of 10 connections. What counts
// is the processor's time of this process for an operation: that of the server is not in
// it.
const benchTasks, benchConnections = 200, 10

func BenchmarkOneRow(b *testing.B) {
	onBoth(b, func(peer) string { return "select 42" })
}

func BenchmarkThousandRows(b *testing.B) {
	onBoth(b, func(p peer) string { return p.series + " limit 1000" })
}

func onBoth(b *testing.B, query func(peer) string) {
	for _, p := range peers {
		b.Run(p.driver+"/goroutines", func(b *testing.B) { onGoroutines(b, p, query(p)) })
		b.Run(p.driver+"/asyncsql", func(b *testing.B) { onLoop(b, p, query(p)) })
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-µs/op")
}

func onGoroutines(b *testing.B, p peer, query string) {
	db, err := sql.Open(p.driver, serverFor(b, p.driver).dsn[p.driver])
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(benchConnections)
	db.SetMaxIdleConns(benchConnections)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	if err := readPlain(ctx, db, query); err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	before := cpu()
	b.ResetTimer()
	var all sync.WaitGroup
	for range benchTasks {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := readPlain(ctx, db, query); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	report(b, before)
}

func readPlain(ctx context.Context, db *sql.DB, query string) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	dest := places(len(columns))
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
	}
	return rows.Err()
}

func places(n int) []any {
	dest := []any{new(int)}
	for len(dest) < n {
		dest = append(dest, new(string))
	}
	return dest
}

func onLoop(b *testing.B, p peer, query string) {
	db, err := asyncsql.Open(p.driver, serverFor(b, p.driver).dsn[p.driver], asyncsql.WithMaxConnections(benchConnections))
	if err != nil {
		b.Fatal(err)
	}
	err = asyncio.Run(b.Context(), func(ctx context.Context) error {
		defer db.Close(ctx)
		if err := read(ctx, db, query); err != nil {
			return err
		}
		left := b.N
		before := cpu()
		b.ResetTimer()
		err := together(ctx, benchTasks, func(ctx context.Context, _ int) error {
			for ; left > 0; left-- {
				if err := read(ctx, db, query); err != nil {
					return err
				}
			}
			return nil
		})
		report(b, before)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

func read(ctx context.Context, db *asyncsql.DB, query string) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	dest := places(len(columns))
	for rows.Next(ctx) {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
	}
	return rows.Err()
}
