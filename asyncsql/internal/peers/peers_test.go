//go:build unix

package peers

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	"go.uber.org/goleak"
)

var cancellations = flag.Int("cancellations", 1000, "how many queries of each driver are cancelled")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	for _, s := range servers.all {
		s.remove()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// A peer is a driver, and what is said otherwise to its server.
type peer struct {
	driver string
	arg    string // the first argument of a statement
	sleep  string // a query that takes so many seconds, with a mark
	series string // a query of a hundred thousand rows
	active string // a query: how many others are at queries with a mark
}

var peers = []peer{
	{"pgx", "$1", "select pg_sleep(%d) /* %s */", "select g, 'row ' || g from generate_series(1, 100000) g", activeInPostgres},
	{"postgres", "$1", "select pg_sleep(%d) /* %s */", "select g, 'row ' || g from generate_series(1, 100000) g", activeInPostgres},
	{"mysql", "?", "select sleep(%d) /* %s */", "select seq, concat('row ', seq) from seq_1_to_100000",
		"select count(*) from information_schema.processlist where info like 'select sleep%%%s%%'"},
}

// One that is at its parse is active, too, but a request to cancel would come too early.
const activeInPostgres = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like 'select pg_sleep%%%s%%'"

func onEach(t *testing.T, connections int, body func(t *testing.T, ctx context.Context, db *asyncsql.DB, p peer, s *server)) {
	for _, p := range peers {
		t.Run(p.driver, func(t *testing.T) {
			s := serverFor(t, p.driver)
			db, err := asyncsql.Open(p.driver, s.dsn[p.driver], asyncsql.WithMaxConnections(connections))
			if err != nil {
				t.Fatal(err)
			}
			err = asyncio.Run(t.Context(), func(ctx context.Context) error {
				body(t, ctx, db, p, s)
				return db.Close(ctx)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// together runs n tasks and returns their errors.
func together(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for i := range n {
			g.Go(func(ctx context.Context) error { return f(ctx, i) })
		}
		return nil
	})
}

func must(t *testing.T, ctx context.Context, db *asyncsql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestTwoHundredTasksOnTenConnections(t *testing.T) {
	onEach(t, 10, func(t *testing.T, ctx context.Context, db *asyncsql.DB, p peer, s *server) {
		must(t, ctx, db, "create table tasks (n int, step int)")
		defer must(t, ctx, db, "drop table tasks")
		err := together(ctx, 200, func(ctx context.Context, i int) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback(ctx)
			for step := range 3 {
				if _, err := tx.ExecContext(ctx, "insert into tasks values ("+p.arg+", "+fmt.Sprint(step)+")", i); err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			if i%2 == 0 {
				return tx.Rollback(ctx)
			}
			return tx.Commit(ctx)
		})
		if err != nil {
			t.Error(err)
		}
		var rows, sum int
		if err := db.QueryRowContext(ctx, "select count(*), sum(n) from tasks").Scan(&rows, &sum); err != nil || rows != 300 || sum != 30000 {
			t.Errorf("%d rows, their sum is %d: %v", rows, sum, err)
		}
		if st := db.Stats(); st.MaxOpenConnections != 10 || st.OpenConnections > 10 || st.WaitCount > 0 || st.Waited < 190 {
			t.Errorf("%+v", st)
		}
	})
}

// awaitActive waits until so many queries with the mark are under way.
func awaitActive(ctx context.Context, db *asyncsql.DB, p peer, mark string, want int) error {
	return asyncio.Timeout(ctx, 20*time.Second, func(ctx context.Context) error {
		for n := -1; n != want; {
			if err := db.QueryRowContext(ctx, fmt.Sprintf(p.active, mark)).Scan(&n); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkPool has each connection answer a query of its own.
func checkPool(ctx context.Context, db *asyncsql.DB, n int) error {
	return together(ctx, n, func(ctx context.Context, i int) error {
		var got int
		err := db.QueryRowContext(ctx, "select "+fmt.Sprint(i)).Scan(&got)
		if err == nil && got != i {
			err = fmt.Errorf("asked for %d and got %d", i, got)
		}
		return err
	})
}

func TestCancellationsInTheMiddleOfQueries(t *testing.T) {
	const atOnce = 10
	onEach(t, atOnce, func(t *testing.T, ctx context.Context, db *asyncsql.DB, p peer, s *server) {
		watch, err := asyncsql.Open(p.driver, s.dsn[p.driver], asyncsql.WithMaxConnections(1))
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Close(ctx)
		var slowest time.Duration
		for round := range *cancellations / atOnce {
			mark := fmt.Sprintf("round %d.", round)
			query := func(ctx context.Context) error {
				rows, err := db.QueryContext(ctx, fmt.Sprintf(p.sleep, 600, mark))
				if err == nil {
					_ = rows.Close()
				}
				return err
			}
			cuts := make([]*cut, atOnce)
			for i := range cuts {
				cuts[i] = newCut(ctx, i, query)
			}
			if err := awaitActive(ctx, watch, p, mark, atOnce); err != nil {
				t.Fatal("the queries do not begin: ", err)
			}
			for i, c := range cuts {
				began := time.Now()
				if err := c.now(ctx); err != nil {
					t.Fatalf("cut %d of round %d: %v", i, round, err)
				}
				slowest = max(slowest, time.Since(began))
			}
			if err := checkPool(ctx, db, atOnce); err != nil {
				t.Fatal("after cancellations: ", err)
			}
		}
		t.Logf("the slowest of %d was answered after %v", *cancellations, slowest)
		if slowest > 250*time.Millisecond {
			t.Error("that is too slow")
		}
		began := time.Now()
		if err := awaitActive(ctx, watch, p, "round", 0); err != nil {
			t.Error("the server is still at them: ", err)
		}
		t.Logf("the server had ended all of them %v after the last", time.Since(began).Round(10*time.Millisecond))
	})
}

// A cut is a call that is cut off, in one way or another.
type cut struct {
	task *asyncio.Task[struct{}]
	do   func()
	want error
}

func newCut(ctx context.Context, way int, f func(ctx context.Context) error) *cut {
	c := &cut{want: context.Canceled}
	switch way % 3 {
	case 0:
		c.task = asyncio.Go(ctx, f)
		c.do = func() { c.task.Cancel() }
	case 1:
		derived, cancel := context.WithCancel(ctx)
		c.do = cancel
		c.task = asyncio.Go(ctx, func(context.Context) error { return f(derived) })
	default:
		var scope asyncio.TimeoutScope
		c.want = context.DeadlineExceeded
		c.do = func() { _ = scope.Reschedule(0) }
		c.task = asyncio.Go(ctx, func(ctx context.Context) error { return scope.Run(ctx, asyncio.NoTimeout, f) })
	}
	return c
}

func (c *cut) now(ctx context.Context) error {
	c.do()
	if _, err := c.task.Await(ctx); !errors.Is(err, c.want) {
		return fmt.Errorf("it ended with %v", err)
	}
	return nil
}

// What is cut off may wait for a connection, make one, send its query, or have its answer.
func TestCancellationsAtAnyMoment(t *testing.T) {
	const atOnce = 20
	onEach(t, 10, func(t *testing.T, ctx context.Context, db *asyncsql.DB, p peer, s *server) {
		for range 20 {
			err := together(ctx, atOnce, func(ctx context.Context, i int) error {
				ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(15000))*time.Microsecond)
				defer cancel()
				if i%2 == 0 {
					return unlessCutOff(db.RunInTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
						rows, err := tx.QueryContext(ctx, p.series)
						if err != nil {
							return err
						}
						defer rows.Close()
						for rows.Next() {
						}
						return rows.Err()
					}))
				}
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return unlessCutOff(err)
				}
				rows, err := tx.QueryContext(ctx, p.series)
				if err != nil {
					return unlessCutOff(err)
				}
				for rows.Next(ctx) {
				}
				return unlessCutOff(rows.Err())
			})
			if err != nil {
				t.Error(err)
			}
			if err := checkPool(ctx, db, 10); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func unlessCutOff(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("it ended with %w", err)
}

func TestRowsAreStreamed(t *testing.T) {
	onEach(t, 2, func(t *testing.T, ctx context.Context, db *asyncsql.DB, p peer, s *server) {
		err := together(ctx, 2, func(ctx context.Context, _ int) error {
			rows, err := db.QueryContext(ctx, p.series)
			if err != nil {
				return err
			}
			defer rows.Close()
			n := 0
			for rows.Next(ctx) {
				var i int
				var text string
				if err := rows.Scan(&i, &text); err != nil {
					return err
				}
				if n++; i != n || text != fmt.Sprint("row ", n) {
					return fmt.Errorf("row %d is %d, %q", n, i, text)
				}
			}
			if n != 100000 {
				return fmt.Errorf("%d rows", n)
			}
			return rows.Err()
		})
		if err != nil {
			t.Error(err)
		}
		// Those that are not read to their end do no harm.
		for range 5 {
			rows, err := db.QueryContext(ctx, p.series)
			if err != nil || !rows.Next(ctx) {
				t.Fatal(err)
			}
			_ = rows.Close()
		}
	})
}

func TestTheServerIsRestarted(t *testing.T) {
	const connections = 10
	onEach(t, connections, func(t *testing.T, ctx context.Context, db *asyncsql.DB, p peer, s *server) {
		use := func() (failed int) {
			_ = together(ctx, connections, func(ctx context.Context, _ int) error {
				if _, err := db.ExecContext(ctx, "select 1"); err != nil {
					failed++
				}
				return nil
			})
			return failed
		}
		if use() != 0 {
			t.Error("the first queries failed")
		}
		sleeping := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, fmt.Sprintf(p.sleep, 600, "restart"))
			return err
		})
		if err := awaitActive(ctx, db, p, "restart", 1); err != nil {
			t.Fatal(err)
		}
		_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
			s.stop()
			return struct{}{}, s.start(s.dsn[p.driver], p.driver)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sleeping.Await(ctx); err == nil {
			t.Error("a query under way went well")
		}
		// A driver may find out only by its next query that a connection has gone.
		failed := use()
		t.Logf("%d of %d queries failed first", failed, connections)
		if n := use(); n != 0 {
			t.Errorf("%d queries failed then", n)
		}
	})
}

// A value comes out of asyncsql as it comes out of database/sql.
func TestValuesAreThoseOfDatabaseSQL(t *testing.T) {
	const query = "select 1, -2.5, 'text', null, current_date, cast(1.25 as decimal(10,2))"
	targets := func() []any {
		return []any{new(any), new(string), new([]byte), new(sql.NullString), new(int), new(float64), new(time.Time), new(sql.Null[string])}
	}
	onEach(t, 1, func(t *testing.T, ctx context.Context, db *asyncsql.DB, p peer, s *server) {
		for column := range 6 {
			for i := range targets() {
				scan := func(f func(...any) error) (any, error) {
					all := make([]any, 6)
					for j := range all {
						all[j] = new(any)
					}
					all[column] = targets()[i]
					return all[column], f(all...)
				}
				want, wantErr := scan(func(dest ...any) error {
					_, err := asyncio.ToThread(ctx, func(ctx context.Context) (struct{}, error) {
						return struct{}{}, db.SQL().QueryRowContext(ctx, query).Scan(dest...)
					})
					return err
				})
				got, err := scan(db.QueryRowContext(ctx, query).Scan)
				if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
					t.Errorf("column %d into %T: %v, %v; want %v, %v", column, want, got, err, want, wantErr)
				}
			}
		}
	})
}
