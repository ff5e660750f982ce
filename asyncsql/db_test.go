package asyncsql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// with runs body on a loop, with a pool of the size, and looks at what is left.
func with(t *testing.T, connections int, body func(ctx context.Context, db *asyncsql.DB, s *server), opts ...asyncsql.Option) {
	t.Helper()
	s := newServer()
	db := asyncsql.OpenDB(s, append(opts, asyncsql.WithMaxConnections(connections))...)
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		body(ctx, db, s)
		return db.Close(ctx)
	})
	if err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range s.wrong {
		t.Error("the server complains: ", what)
	}
	if s.open != 0 {
		t.Errorf("%d connections were left open", s.open)
	}
	if n := s.prepared.Load(); n != 0 {
		t.Errorf("%d statements were left open", n)
	}
	if s.most > connections {
		t.Errorf("there were %d connections", s.most)
	}
}

func wait(ctx context.Context, c <-chan struct{}) {
	_, _ = asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), c).Await(ctx)
}

// spin lets others run until it holds.
func spin(ctx context.Context, holds func() bool) {
	for !holds() {
		_ = asyncio.Sleep(ctx, time.Millisecond)
	}
}

func TestTasksThatOutnumberTheConnections(t *testing.T) {
	with(t, 10, func(ctx context.Context, db *asyncsql.DB, s *server) {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 200 {
				g.Go(func(ctx context.Context) error {
					tx, err := db.BeginTx(ctx, nil)
					if err != nil {
						return err
					}
					defer tx.Rollback(ctx)
					for j := range 3 {
						if _, err := tx.ExecContext(ctx, "put ?", fmt.Sprint(i, "/", j)); err != nil {
							return err
						}
						_ = asyncio.Sleep(ctx, 0)
					}
					if i%2 == 0 {
						return tx.Commit(ctx)
					}
					return tx.Rollback(ctx)
				})
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if len(s.texts) != 300 {
			t.Errorf("%d texts were kept", len(s.texts))
		}
		if st := db.Stats(); st.Waited < 190 || st.Waiting != 0 || st.WaitCount != 0 {
			t.Errorf("they waited elsewhere: %+v", st)
		}
	})
}

func TestCallsComeInTheOrderInWhichTheyWereMade(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 50 {
				g.Go(func(ctx context.Context) error {
					_, err := db.ExecContext(ctx, "put ?", fmt.Sprint(i))
					return err
				})
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		for i, text := range s.texts {
			if text != fmt.Sprint(i) {
				t.Fatalf("the order was %v", s.texts)
			}
		}
	})
}

func TestACancelledCallIsAnsweredAtOnceAndItsConnectionIsNotUsedAgain(t *testing.T) {
	with(t, 10, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for round := range 20 {
			var tasks []*asyncio.Task[struct{}]
			derived, end := context.WithCancel(ctx)
			for i := range 10 {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
					switch i % 4 {
					case 0:
						_, err := db.ExecContext(ctx, "block")
						return err
					case 1:
						_, err := db.QueryContext(ctx, "block")
						return err
					case 2:
						return db.QueryRowContext(ctx, "block").Err()
					}
					_, err := db.ExecContext(derived, "block")
					return err
				}))
			}
			for range 10 {
				wait(ctx, s.began)
			}
			for i, task := range tasks {
				if i%4 < 3 {
					task.Cancel()
				}
			}
			end()
			for i, task := range tasks {
				_, err := task.Await(ctx)
				if i%4 < 3 && !asyncio.IsCancelled(err) || i%4 == 3 && err != context.Canceled {
					t.Fatalf("round %d: call %d ended with %v", round, i, err)
				}
			}
			for range 10 {
				if _, err := db.ExecContext(ctx, "put ?", "x"); err != nil {
					t.Fatal(err)
				}
			}
		}
		spin(ctx, func() bool { return s.cutOff.Load() == 200 }) // each reaches the server
		if n := db.Stats().CutOff; n != 200 {
			t.Errorf("Stats knows of %d cancellations", n)
		}
	})
}

func TestACallThatIsCancelledWhileItWaitsIsNeverMade(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		blocking := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "block")
			return err
		})
		wait(ctx, s.began)
		queued := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "put ?", "never")
			return err
		})
		late, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if _, err := db.ExecContext(late, "put ?", "too late"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a deadline while it waits: %v", err)
		}
		queued.Cancel()
		if _, err := queued.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("a cancellation while it waits: %v", err)
		}
		if n := db.Stats().Waiting; n != 0 {
			t.Errorf("%d calls still wait", n)
		}
		close(s.release)
		if _, err := blocking.Await(ctx); err != nil {
			t.Error(err)
		}
		if len(s.texts) != 0 {
			t.Errorf("the server was told %v", s.texts)
		}
	})
}

func TestATransactionWhoseTaskIsCancelledAsItBeginsIsRolledBack(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, s *server) {
		for range 50 {
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				_, err = tx.ExecContext(ctx, "put ?", "never")
				return err
			})
			_ = asyncio.Sleep(ctx, 0)
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Fatal(err)
			}
		}
		if _, err := db.ExecContext(ctx, "put ?", "x"); err != nil || !slices.Equal(s.texts, []string{"x"}) {
			t.Errorf("%v, %v", err, s.texts) // it hangs where one is left, or is in a transaction
		}
	})
}

func TestTheServerIsRestarted(t *testing.T) {
	with(t, 5, func(ctx context.Context, db *asyncsql.DB, s *server) {
		use := func() error {
			return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for range 50 {
					g.Go(func(ctx context.Context) error {
						_, err := db.ExecContext(ctx, "put ?", "x")
						return err
					})
				}
				return nil
			})
		}
		if err := use(); err != nil {
			t.Error(err)
		}
		s.restart()
		if err := use(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseRefusesWhatWaitsAndEndsWhatIsOpen(t *testing.T) {
	with(t, 3, func(ctx context.Context, db *asyncsql.DB, s *server) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.QueryContext(ctx, "count 1000")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = db.Conn(ctx); err != nil {
			t.Fatal(err)
		}
		queued := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "put ?", "never")
			return err
		})
		_ = asyncio.Sleep(ctx, 0)
		if err := db.Close(ctx); err != nil {
			t.Error(err)
		}
		if _, err := queued.Await(ctx); err != asyncsql.ErrClosed {
			t.Errorf("a call that waited: %v", err)
		}
		if _, err := db.ExecContext(ctx, "put ?", "x"); err != asyncsql.ErrClosed {
			t.Errorf("a later call: %v", err)
		}
		if err := tx.Commit(ctx); err != sql.ErrTxDone {
			t.Errorf("the transaction: %v", err)
		}
		for rows.Next(ctx) {
		}
		if rows.Err() == nil {
			t.Error("the rows ended as if there were no more")
		}
	})
}

func TestCloseInAHurryEndsTheCalls(t *testing.T) {
	with(t, 2, func(ctx context.Context, db *asyncsql.DB, s *server) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "block")
			return err
		})
		wait(ctx, s.began)
		late, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := db.Close(late); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if _, err := task.Await(ctx); err == nil {
			t.Error("the call went well")
		}
	})
}

func TestCloseOutsideOfALoop(t *testing.T) {
	db := asyncsql.OpenDB(newServer())
	if err := db.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// One pool serves several loops.
func TestLoopsShareAPool(t *testing.T) {
	s := newServer()
	db := asyncsql.OpenDB(s, asyncsql.WithMaxConnections(2))
	ended := make(chan error, 3)
	for range cap(ended) {
		go func() {
			ended <- asyncio.Run(t.Context(), func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					for range 50 {
						g.Go(func(ctx context.Context) error {
							_, err := db.ExecContext(ctx, "put ?", "x")
							return err
						})
					}
					return nil
				})
			})
		}()
	}
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err := db.Close(t.Context()); err != nil || len(s.texts) != 150 {
		t.Errorf("%v; %d texts", err, len(s.texts))
	}
}

// A task that the loop's end takes away leaves nothing behind.
func TestTheLoopEndsWhileACallIsUnderWay(t *testing.T) {
	s := newServer()
	db := asyncsql.OpenDB(s, asyncsql.WithMaxConnections(1))
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, err = db.ExecContext(ctx, "put ?", "never")
			return err
		})
		spin(ctx, func() bool { return db.Stats().Waiting == 1 })
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := db.Close(t.Context()); err != nil || s.open != 0 {
		t.Errorf("Close: %v; %d connections are open", err, s.open)
	}
}
