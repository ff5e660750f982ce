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
	onBoth(b, func(peer) operation { return query("select 42") })
}

func BenchmarkThousandRows(b *testing.B) {
	onBoth(b, func(p peer) operation { return query(p.series + " limit 1000") })
}

func BenchmarkExec(b *testing.B) {
	onBoth(b, func(peer) operation { return statement("select 42") })
}

func BenchmarkTransaction(b *testing.B) {
	onBoth(b, func(peer) operation { return transaction("select 42") })
}

// An operation is the same on goroutines and in tasks.
type operation struct {
	plain func(ctx context.Context, db *sql.DB) error
	tasks func(ctx context.Context, db *asyncsql.DB) error
}

func onBoth(b *testing.B, of func(peer) operation) {
	for _, p := range peers {
		b.Run(p.driver+"/goroutines", func(b *testing.B) { onGoroutines(b, p, of(p)) })
		b.Run(p.driver+"/asyncsql", func(b *testing.B) { onLoop(b, p, of(p)) })
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

func onGoroutines(b *testing.B, p peer, op operation) {
	db, err := sql.Open(p.driver, serverFor(b, p.driver).dsn[p.driver])
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(benchConnections)
	db.SetMaxIdleConns(benchConnections)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	if err := op.plain(ctx, db); err != nil {
		b.Fatal(err)
	}
	goroutines(b, func() error { return op.plain(ctx, db) })
}

// goroutines measures f on goroutines.
func goroutines(b *testing.B, f func() error) {
	before := cpu()
	b.ResetTimer()
	if err := onGoroutinesOf(b.N, f); err != nil {
		b.Error(err)
	}
	report(b, before)
}

// onGoroutinesOf calls f n times on goroutines.
func onGoroutinesOf(n int, f func() error) error {
	var left atomic.Int64
	left.Store(int64(n))
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range benchTasks {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func onLoop(b *testing.B, p peer, op operation) {
	db, err := asyncsql.Open(p.driver, serverFor(b, p.driver).dsn[p.driver], asyncsql.WithMaxConnections(benchConnections))
	if err != nil {
		b.Fatal(err)
	}
	err = asyncio.Run(b.Context(), func(ctx context.Context) error {
		defer db.Close(ctx)
		if err := op.tasks(ctx, db); err != nil {
			return err
		}
		return tasks(ctx, b, func(ctx context.Context) error { return op.tasks(ctx, db) })
	})
	if err != nil {
		b.Fatal(err)
	}
}

// tasks measures f in tasks.
func tasks(ctx context.Context, b *testing.B, f func(ctx context.Context) error) error {
	before := cpu()
	b.ResetTimer()
	err := inTasksOf(ctx, b.N, f)
	report(b, before)
	return err
}

// inTasksOf calls f n times in tasks.
func inTasksOf(ctx context.Context, n int, f func(ctx context.Context) error) error {
	return together(ctx, benchTasks, func(ctx context.Context, _ int) error {
		for n > 0 {
			n-- // before f, in which others come here
			if err := f(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// query is a query whose rows are a number and texts.
func query(text string) operation {
	return operation{
		plain: func(ctx context.Context, db *sql.DB) error {
			rows, err := db.QueryContext(ctx, text)
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
		},
		tasks: func(ctx context.Context, db *asyncsql.DB) error {
			rows, err := db.QueryContext(ctx, text)
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
		},
	}
}

// statement is a statement whose rows nobody reads.
func statement(text string) operation {
	return operation{
		plain: func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, text)
			return err
		},
		tasks: func(ctx context.Context, db *asyncsql.DB) error {
			_, err := db.ExecContext(ctx, text)
			return err
		},
	}
}

// transaction is a transaction with a query of one number.
func transaction(text string) operation {
	return operation{
		plain: func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			var n int
			if err := tx.QueryRowContext(ctx, text).Scan(&n); err != nil {
				return err
			}
			return tx.Commit()
		},
		tasks: func(ctx context.Context, db *asyncsql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback(ctx)
			var n int
			if err := tx.QueryRowContext(ctx, text).Scan(&n); err != nil {
				return err
			}
			return tx.Commit(ctx)
		},
	}
}

// inOneCall is the same transaction, in tasks with RunInTx.
func inOneCall(text string) operation {
	op := transaction(text)
	op.tasks = func(ctx context.Context, db *asyncsql.DB) error {
		return db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
			var n int
			return tx.QueryRowContext(ctx, text).Scan(&n)
		})
	}
	return op
}

func places(n int) []any {
	dest := []any{new(int)}
	for len(dest) < n {
		dest = append(dest, new(string))
	}
	return dest
}
