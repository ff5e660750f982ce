//go:build unix

package libraries

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
)

// postgresServer starts PostgreSQL and returns where it is, as a URL.
func postgresServer(t *testing.T) string {
	initdb := find(t, "/usr/lib/postgresql/*/bin/initdb")
	server := find(t, "/usr/lib/postgresql/*/bin/postgres")
	p := newPlace(t, "postgres")
	p.run(t, initdb, "-D", p.dir+"/data", "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	p.serve(t, server, "-D", p.dir+"/data", "-p", p.port, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	url := "postgres://tester@" + p.addr() + "/postgres?sslmode=disable"
	for late := time.After(limit); ; { // it listens before it is ready
		c, err := pgx.Connect(t.Context(), url)
		if err == nil {
			c.Close(t.Context())
			return url
		}
		select {
		case <-late:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A pqDialer is a dialer of the loop's as lib/pq wants one.
type pqDialer struct{ *asyncio.Dialer }

func (d pqDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d pqDialer) DialTimeout(network, address string, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func openPQ(t *testing.T, l *asyncio.Loop, url string) *sql.DB {
	t.Helper()
	c, err := pq.NewConnector(url)
	if err != nil {
		t.Fatal(err)
	}
	c.Dialer(pqDialer{asyncio.NewDialer(l)})
	return sql.OpenDB(c)
}

// openPGX opens a pool of database/sql over pgx.
func openPGX(t *testing.T, l *asyncio.Loop, url string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = asyncio.NewDialer(l).DialContext
	return stdlib.OpenDB(*cfg)
}

func TestLibPQOnTheLoop(t *testing.T)    { postgresOnTheLoop(t, openPQ) }
func TestPgxBySQLOnTheLoop(t *testing.T) { postgresOnTheLoop(t, openPGX) }

func postgresOnTheLoop(t *testing.T, open func(*testing.T, *asyncio.Loop, string) *sql.DB) {
	url := postgresServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		db := open(t, loop(ctx), url)
		defer db.Close()
		return poolOnTheLoop(t, ctx, db, dialect{
			sleep: "select pg_sleep(4)", shortSleep: "select pg_sleep(0.2)", insert: "insert into items values ($1, $2)",
			cutOff: driver.ErrBadConn,
		})
	})
}

// A dialect is how one database wants what all have.
type dialect struct {
	sleep, shortSleep string // 4 s, 200 ms
	insert            string
	cutOff            error // what the driver may say of a connection whose read has failed
}

const poolSize = 3

// poolOnTheLoop uses db, whose connections are the loop's, in tasks.
func poolOnTheLoop(t *testing.T, ctx context.Context, db *sql.DB, d dialect) error {
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	free := asyncio.NewSemaphore(poolSize)
	withConn := func(ctx context.Context, f func() error) error {
		if err := free.Acquire(ctx); err != nil {
			return err
		}
		defer free.Release()
		return f()
	}
	for _, q := range []string{"drop table if exists items", "create table items (n int, t text)"} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	// Many tasks, few connections.
	err := together(ctx, 20, func(ctx context.Context, i int) error {
		return withConn(ctx, func() error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, d.insert, i, fmt.Sprint("item ", i)); err != nil {
				return err
			}
			return tx.Commit()
		})
	})
	if err != nil {
		return err
	}
	if err := countItems(ctx, db); err != nil {
		return err
	}
	suspends(t, ctx, d.shortSleep, func() error {
		_, err := db.ExecContext(ctx, d.shortSleep)
		return err
	})
	// Queries that are cut off, three at a time.
	err = together(ctx, 6, func(ctx context.Context, i int) error {
		return withConn(ctx, func() error {
			err := endsInTime(t, ctx, d.sleep, func(ctx context.Context) error {
				_, err := db.ExecContext(ctx, d.sleep)
				return err
			})
			if !isTimeout(err) && !isQueryCancelled(err) {
				t.Errorf("%s: %v", d.sleep, err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	// A transaction that is cut off, and one whose task is cancelled.
	err = endsInTime(t, ctx, "a transaction", func(ctx context.Context) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, d.insert, 100, "not committed"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, d.sleep)
		return err
	})
	if !isTimeout(err) && !isQueryCancelled(err) {
		t.Errorf("a transaction: %v", err)
	}
	start := time.Now()
	task := asyncio.Go(ctx, func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, d.sleep)
		return err
	})
	loop(ctx).CallLater(100*time.Millisecond, func() { task.Cancel() })
	_, err = task.Await(ctx)
	if took := time.Since(start); err == nil || took > 2*time.Second {
		t.Errorf("a cancelled task: %v after %v", err, took)
	}
	// Only the read knows that it was the task that was cancelled, and what the driver
	// makes of it is the driver's affair.
	if !errors.Is(err, context.Canceled) && !isQueryCancelled(err) && !errors.Is(err, d.cutOff) {
		t.Errorf("a cancelled task: %v", err)
	}
	// The pool is as it was.
	return together(ctx, 20, func(ctx context.Context, _ int) error {
		return withConn(ctx, func() error { return countItems(ctx, db) })
	})
}

func countItems(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "select n from items")
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if n != 20 {
		err = fmt.Errorf("%d rows instead of 20", n)
	}
	return errors.Join(err, rows.Err())
}

// isQueryCancelled reports whether err is PostgreSQL's own word for a query that was
// cancelled by request.
func isQueryCancelled(err error) bool {
	const code = "57014"
	var byPQ *pq.Error
	var byPGX *pgconn.PgError
	return errors.As(err, &byPQ) && byPQ.Code == code || errors.As(err, &byPGX) && byPGX.Code == code
}

func TestPgxOnTheLoop(t *testing.T) {
	url := postgresServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		cfg, err := pgx.ParseConfig(url)
		if err != nil {
			return err
		}
		cfg.DialFunc = asyncio.NewDialer(loop(ctx)).DialContext
		err = together(ctx, 5, func(ctx context.Context, i int) error {
			c, err := pgx.ConnectConfig(ctx, cfg)
			if err != nil {
				return err
			}
			defer c.Close(ctx)
			var got int
			if err := c.QueryRow(ctx, "select $1::int + 1", i).Scan(&got); err != nil || got != i+1 {
				t.Error(got, err)
			}
			if i == 0 {
				suspends(t, ctx, "select pg_sleep(0.2)", func() error {
					_, err := c.Exec(ctx, "select pg_sleep(0.2)")
					return err
				})
			}
			err = endsInTime(t, ctx, "select pg_sleep(4)", func(ctx context.Context) error {
				_, err := c.Exec(ctx, "select pg_sleep(4)")
				return err
			})
			if !isTimeout(err) || !c.IsClosed() {
				t.Errorf("%v; closed: %v", err, c.IsClosed())
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = endsInTime(t, ctx, "a silent server", func(ctx context.Context) error {
			silentURL := "postgres://tester@" + silent(t) + "/postgres?sslmode=disable"
			cfg, err := pgx.ParseConfig(silentURL)
			if err != nil {
				return err
			}
			cfg.DialFunc = asyncio.NewDialer(loop(ctx)).DialContext
			_, err = pgx.ConnectConfig(ctx, cfg)
			return err
		})
		if !isTimeout(err) {
			t.Error(err)
		}
		return nil
	})
}

// A write that takes longer than 15 ms makes pgx read on a goroutine of its own, and
// that goroutine is refused. What is small is queued, and takes no time.
func TestPgxOnTheLoopIsForSmallQueries(t *testing.T) {
	url := postgresServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		cfg, err := pgx.ParseConfig(url)
		if err != nil {
			return err
		}
		cfg.DialFunc = asyncio.NewDialer(loop(ctx)).DialContext
		c, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		var n int
		small := bytes.Repeat([]byte("x"), 60<<10)
		for range 50 {
			if err := c.QueryRow(ctx, "select length($1::bytea)", small).Scan(&n); err != nil || n != len(small) {
				return fmt.Errorf("%d: %w", n, err)
			}
		}
		big := bytes.Repeat([]byte("x"), 100<<20)
		if err := c.QueryRow(ctx, "select length($1::bytea)", big).Scan(&n); !errors.Is(err, asyncio.ErrWrongGoroutine) {
			t.Errorf("100 MB gave %v", err)
		}
		return nil
	})
}

func TestPgxpoolInThreads(t *testing.T) {
	url := postgresServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		pool, err := pgxpool.New(context.WithoutCancel(ctx), url)
		if err != nil {
			return err
		}
		defer inThread(ctx, func(context.Context) error { pool.Close(); return nil })
		suspends(t, ctx, "select pg_sleep(0.2)", func() error {
			return inThread(ctx, func(ctx context.Context) error {
				_, err := pool.Exec(ctx, "select pg_sleep(0.2)")
				return err
			})
		})
		err = endsInTime(t, ctx, "select pg_sleep(4)", func(ctx context.Context) error {
			return inThread(ctx, func(ctx context.Context) error {
				_, err := pool.Exec(ctx, "select pg_sleep(4)")
				return err
			})
		})
		if !isTimeout(err) {
			t.Error(err)
		}
		return inThread(ctx, func(ctx context.Context) error { return pool.Ping(ctx) })
	})
}
