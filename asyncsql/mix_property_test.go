package asyncsql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncsql"
	"pgregory.net/rapid"
)

// An outcome is what a task knows of the texts that it has put.
type outcome struct {
	kept, maybe []string
}

// note notes what has become of a text: without an error it is kept; where the wait was
// cut off, nobody knows.
func (o *outcome) note(text string, err error) {
	switch {
	case err == nil:
		o.kept = append(o.kept, text)
	case errors.Is(err, context.Canceled):
		o.maybe = append(o.maybe, text)
	}
}

var errUndo = errors.New("undo")

// mix is what the tasks do, each with a text of its own.
var mix = map[string]func(ctx context.Context, db *asyncsql.DB, o *outcome, text string) error{
	"exec": func(ctx context.Context, db *asyncsql.DB, o *outcome, text string) error {
		_, err := db.ExecContext(ctx, "put ?", text)
		o.note(text, err)
		return err
	},
	"query": func(ctx context.Context, db *asyncsql.DB, _ *outcome, text string) error {
		rows, err := db.QueryContext(ctx, "count 7")
		if err != nil {
			return err
		}
		defer rows.Close()
		for range len(text) % 9 {
			rows.Next(ctx)
		}
		return rows.Err()
	},
	"rows that nobody closes": func(ctx context.Context, db *asyncsql.DB, _ *outcome, _ string) error {
		derived, end := context.WithCancel(ctx)
		defer end()
		if err := derived.Err(); err != nil {
			return err // its end would be no news
		}
		rows, err := db.QueryContext(derived, "count 7")
		if err == nil {
			rows.Next(ctx)
		}
		return err
	},
	"row": func(ctx context.Context, db *asyncsql.DB, _ *outcome, _ string) error {
		return db.QueryRowContext(ctx, "count 2").Err()
	},
	"commit": func(ctx context.Context, db *asyncsql.DB, o *outcome, text string) error {
		return inTx(ctx, db, o, text, true)
	},
	"rollback": func(ctx context.Context, db *asyncsql.DB, o *outcome, text string) error {
		return inTx(ctx, db, o, text, false)
	},
	"tx that nobody ends": func(ctx context.Context, db *asyncsql.DB, _ *outcome, text string) error {
		derived, end := context.WithCancel(ctx)
		defer end()
		if err := derived.Err(); err != nil {
			return err // its end would be no news
		}
		tx, err := db.BeginTx(derived, nil)
		if err == nil {
			_, err = tx.ExecContext(ctx, "put ?", text)
		}
		return err
	},
	"run": func(ctx context.Context, db *asyncsql.DB, o *outcome, text string) error {
		err := db.RunInTx(ctx, nil, putting(text, func(context.Context) error { return nil }))
		o.note(text, err)
		return err
	},
	"run that fails": func(ctx context.Context, db *asyncsql.DB, _ *outcome, text string) error {
		err := db.RunInTx(ctx, nil, putting(text, func(context.Context) error { return errUndo }))
		if err == errUndo {
			return nil
		}
		return err
	},
	"conn": func(ctx context.Context, db *asyncsql.DB, o *outcome, text string) error {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.ExecContext(ctx, "put ?", text)
		o.note(text, err)
		return err
	},
	"tx of a conn": func(ctx context.Context, db *asyncsql.DB, o *outcome, text string) error {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		err = inTx(ctx, c, o, text, len(text)%2 == 0)
		if err != nil {
			return err
		}
		_, err = c.ExecContext(ctx, "put ?", text+" after")
		o.note(text+" after", err)
		return err
	},
}

func inTx(ctx context.Context, on interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*asyncsql.Tx, error)
}, o *outcome, text string, commit bool) error {
	tx, err := on.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.ExecContext(ctx, "put ?", text); err != nil || !commit {
		return err
	}
	err = tx.Commit(ctx)
	o.note(text, err)
	return err
}

func TestAnyMixOfCallsAndCancellationsKeepsWhatWasCommitted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type plan struct {
			calls []string
			after int // turns of the loop, to its cancellation; 0: none
		}
		names := slices.Sorted(maps.Keys(mix))
		plans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plan {
			return plan{
				calls: rapid.SliceOfN(rapid.SampledFrom(names), 1, 4).Draw(t, "calls"),
				after: rapid.IntRange(0, 12).Draw(t, "after"),
			}
		}), 2, 6).Draw(rt, "tasks")
		s := newServer()
		db := asyncsql.OpenDB(s, asyncsql.WithMaxConnections(2), asyncsql.WithBatch(3, 0))
		outcomes := make([]outcome, len(plans))
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			var tasks []*asyncio.Task[struct{}]
			for i, p := range plans {
				task := asyncio.Go(ctx, func(ctx context.Context) error {
					for j, name := range p.calls {
						if err := mix[name](ctx, db, &outcomes[i], fmt.Sprint(i, name, j)); err != nil {
							return fmt.Errorf("%s: %w", name, err)
						}
					}
					return nil
				})
				tasks = append(tasks, task)
				if p.after > 0 {
					asyncio.Go(ctx, func(ctx context.Context) error {
						for range p.after {
							if err := asyncio.Sleep(ctx, 0); err != nil {
								return err
							}
						}
						task.Cancel()
						return nil
					})
				}
			}
			for i, task := range tasks {
				if _, err := task.Await(ctx); err != nil && (plans[i].after == 0 || !errors.Is(err, context.Canceled)) {
					rt.Errorf("task %d ended with %v", i, err)
				}
			}
			return db.Close(ctx)
		})
		if st := db.Stats(); err != nil || st.Turns+st.Waiting+st.Running != 0 || st.WaitCount != 0 || st.OpenConnections != 0 {
			rt.Errorf("%v, %+v", err, st)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.wrong) != 0 || s.open != 0 || s.most > 2 {
			rt.Errorf("%d connections are open, of %d; %v", s.open, s.most, s.wrong)
		}
		left := slices.Clone(s.texts)
		for _, o := range outcomes {
			for _, text := range o.kept {
				at := slices.Index(left, text)
				if at < 0 {
					rt.Fatalf("%s was committed, and is not among %v", text, s.texts)
				}
				left = slices.Delete(left, at, at+1)
			}
			left = slices.DeleteFunc(left, func(text string) bool { return slices.Contains(o.maybe, text) })
		}
		if len(left) != 0 {
			rt.Errorf("nobody has committed %v", left)
		}
	})
}
