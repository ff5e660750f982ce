package asyncsql_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
)

// unheard runs use in a task until its job has ended, and ends the task with end before the
// loop hears of that.
func unheard(ctx context.Context, db *asyncsql.DB, use func(ctx context.Context) error, end func(*asyncio.Task[struct{}])) error {
	before := asyncsql.Jobs(db)
	task := asyncio.Go(ctx, use)
	_ = asyncio.Sleep(ctx, 0)
	for asyncsql.Jobs(db) == before || db.Stats().Running > 0 {
		runtime.Gosched() // and not to the loop
	}
	end(task)
	_, err := task.Await(ctx)
	return err
}

func cancel(task *asyncio.Task[struct{}]) { task.Cancel() }

func TestWhatComesWithTheCancellationIsGivenBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for name, use := range map[string]func(ctx context.Context) error{
			"rows":      func(ctx context.Context) error { _, err := db.QueryContext(ctx, "count 100"); return err },
			"statement": func(ctx context.Context) error { _, err := db.PrepareContext(ctx, "all"); return err },
		} {
			if err := unheard(ctx, db, use, cancel); !asyncio.IsCancelled(err) {
				t.Errorf("%s: it ended with %v", name, err)
			}
			put(ctx, t, db, "x") // on the only connection
		}
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		begin := func(ctx context.Context) error { _, err := c.BeginTx(ctx, nil); return err }
		if err := unheard(ctx, db, begin, cancel); !asyncio.IsCancelled(err) {
			t.Errorf("a transaction: it ended with %v", err)
		}
		put(ctx, t, c, "y") // which is in no transaction
		c.Close()
		s.keeps(t, "x", "x", "y")
	}, asyncsql.WithBatch(10, 0))
}

// The driver does not look at its context.
func TestWhatComesAfterTheCancellationIsGivenBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		answer := make(chan struct{})
		s.on = func(_ context.Context, what string) error {
			if what == "connect" {
				s.began <- struct{}{}
				<-answer
			}
			return nil
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.Conn(ctx)
			return err
		})
		wait(ctx, s.began)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		close(answer)
		put(ctx, t, db, "x")
	})
}

func TestAnErrorThatComesWithTheEndOfTheContextIsThatEnd(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		derived, end := context.WithCancel(ctx)
		err := unheard(ctx, db, func(context.Context) error {
			_, err := db.ExecContext(derived, "nonsense")
			return err
		}, func(*asyncio.Task[struct{}]) { end() })
		if err != context.Canceled {
			t.Errorf("it ended with %v", err)
		}
		cleanup := errors.New("it was not tried")
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "block")
			_, cleanup = db.ExecContext(ctx, "nonsense")
			return err
		})
		wait(ctx, s.began)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) || cleanup == nil || asyncio.IsCancelled(cleanup) {
			t.Errorf("%v; an error of a task that had been cancelled before: %v", err, cleanup)
		}
	})
}

// A hooked is a context on which somebody may hang functions, and that counts them.
type hooked struct {
	context.Context
	done  chan struct{}
	mu    sync.Mutex
	hooks map[int]func()
	n     int
}

func newHooked(ctx context.Context) *hooked {
	return &hooked{Context: ctx, done: make(chan struct{}), hooks: map[int]func(){}}
}

func (h *hooked) Done() <-chan struct{} { return h.done }
func (h *hooked) Err() error            { return nil }

func (h *hooked) AfterFunc(f func()) (stop func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	n := h.n
	h.hooks[n] = f
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		_, was := h.hooks[n]
		delete(h.hooks, n)
		return was
	}
}

func TestWhatHasEndedHangsOnNoContext(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for name, use := range map[string]func(ctx context.Context) error{
			"rows": func(ctx context.Context) error {
				rows, err := db.QueryContext(ctx, "count 10")
				for err == nil && rows.Next(ctx) {
				}
				return err
			},
			"rows with an error": func(ctx context.Context) error {
				rows, err := db.QueryContext(ctx, "break 10")
				for err == nil && rows.Next(ctx) {
				}
				return err
			},
			"rows that are closed": func(ctx context.Context) error {
				rows, err := db.QueryContext(ctx, "count 10")
				return errors.Join(err, rows.Close())
			},
			"a commit": func(ctx context.Context) error {
				tx, err := db.BeginTx(ctx, nil)
				return errors.Join(err, tx.Commit(ctx))
			},
			"a rollback": func(ctx context.Context) error {
				tx, err := db.BeginTx(ctx, nil)
				return errors.Join(err, tx.Rollback(ctx))
			},
		} {
			h := newHooked(ctx)
			err := use(h)
			if err != nil || len(h.hooks) != 0 || h.n == 0 && name != "a rollback" {
				t.Errorf("%s: %d of %d functions are left: %v", name, len(h.hooks), h.n, err)
			}
		}
	}, asyncsql.WithBatch(3, 0))
}

// Drivers hang what they have on it.
func TestTheContextOfAQueryEndsWithIt(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		if _, err := db.QueryContext(ctx, "nonsense"); err == nil {
			t.Fatal("nonsense went well")
		}
		if (*s.queried.Load()).Err() == nil {
			t.Error("that of a query that failed has not ended")
		}
		rows, err := db.QueryContext(ctx, "count 10")
		if err != nil {
			t.Fatal(err)
		}
		if err := (*s.queried.Load()).Err(); err != nil {
			t.Errorf("with rows open: %v", err)
		}
		for rows.Next(ctx) {
		}
		if (*s.queried.Load()).Err() == nil {
			t.Error("with all rows read it has not ended")
		}
	}, asyncsql.WithBatch(3, 0))
}
