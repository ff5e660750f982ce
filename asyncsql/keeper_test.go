package asyncsql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A keeping keeps a lane, and notes that it was aborted.
type keeping struct {
	name    string
	aborted *[]string
}

func (k *keeping) abort(bool) { *k.aborted = append(*k.aborted, k.name) }

func (k *keeping) giveBack() {}

func TestWhatWasBegunLaterIsAborted(t *testing.T) {
	var aborted []string
	l := newLanes(1).lane()
	conn, tx, rows := &keeping{"conn", &aborted}, &keeping{"tx", &aborted}, &keeping{"rows", &aborted}
	for _, k := range []keeper{conn, tx, rows} {
		l.keep(k)
	}
	for _, test := range []struct {
		after keeper
		want  string
	}{
		{conn, "[rows tx]"}, {tx, "[rows]"}, {rows, "[]"}, {nil, "[rows tx conn]"},
		// It has ended, and its context ends: what keeps the lane now is not its own.
		{&keeping{"committed", &aborted}, "[]"},
	} {
		aborted = nil
		l.abortAfter(test.after, true)
		if got := fmt.Sprint(aborted); got != test.want {
			t.Errorf("after %v: %s, want %s", test.after, got, test.want)
		}
	}
}

// Its context ends, and who hears of that has not come to rolling it back.
func TestAConnectionIsClosedAfterATransactionThatIsStillToBeRolledBack(t *testing.T) {
	for _, open := range []func(ctx context.Context, c *Conn) error{
		func(ctx context.Context, c *Conn) error {
			tx, err := c.BeginTx(ctx, nil)
			tx.done.Store(true)
			return err
		},
		func(ctx context.Context, c *Conn) error {
			rows, err := c.QueryContext(ctx, "rows")
			rows.cursor.why.Store(&errLaneOver)
			return err
		},
	} {
		db := OpenDB(endless{}, WithMaxConnections(1), WithBatch(1, 0))
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			c, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			return errors.Join(open(ctx, c), c.Close(), db.PingContext(ctx), db.Close(ctx))
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// endless is a driver, its connection, a transaction, and rows without an end.
type endless struct{}

func (endless) Connect(context.Context) (driver.Conn, error) { return endless{}, nil }
func (endless) Driver() driver.Driver                        { return nil }
func (endless) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (endless) Begin() (driver.Tx, error)                    { return endless{}, nil }
func (endless) Commit() error                                { return nil }
func (endless) Rollback() error                              { return nil }
func (endless) Close() error                                 { return nil }
func (endless) Columns() []string                            { return []string{"n"} }

func (endless) Next(dest []driver.Value) error {
	dest[0] = int64(1)
	return nil
}

func (endless) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return endless{}, nil
}
