package asyncsql

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// A row is one row in memory, for Scan.
type row struct {
	columns []string
	values  []any // those of a taker
}

// scan is Rows.Scan of database/sql. Most variables need a copy and no more, which is
// made here. What a value becomes in all others is decided inside of database/sql alone,
// so there the row is read once more, from memory, by way of a driver that has nothing
// but it; open makes sure of that.
func (r *row) scan(dest []any, open func() (*sql.Rows, error)) error {
	done := 0
	if len(dest) == len(r.values) {
		for ; done < len(dest); done++ {
			ok, err := assign(dest[done], r.values[done])
			if err != nil { // in the words of database/sql
				return fmt.Errorf(`sql: Scan error on column index %d, name %q: %w`, done, r.columns[done], err)
			}
			if !ok {
				break
			}
		}
		if done == len(dest) {
			return nil
		}
	}
	rows, err := open()
	if err != nil {
		return err
	}
	left := make([]any, len(dest))
	for i := range left {
		if left[i] = dest[i]; i < done {
			left[i] = passOver{}
		}
	}
	return rows.Scan(left...)
}

// passOver is where a value goes that has been taken already.
type passOver struct{}

func (passOver) Scan(any) error { return nil }

// assign puts src into what dest points to, where that is a plain copy or dest knows
// itself what to do. It reports false, and has done nothing, where it is for
// database/sql to do or to refuse. An error is that of an [sql.Scanner].
func assign(dest, src any) (done bool, err error) {
	switch s := src.(type) {
	case string:
		d, _ := dest.(*string)
		done = put(d, s)
	case *held:
		done = assignBytes(dest, *s)
	case int64:
		done = assignInt(dest, s)
	case uint64:
		d, _ := dest.(*uint64)
		done = put(d, s) || s <= math.MaxInt64 && assignInt(dest, int64(s))
	case float64:
		d, _ := dest.(*float64)
		done = put(d, s)
	case bool:
		d, _ := dest.(*bool)
		done = put(d, s)
	case time.Time:
		d, _ := dest.(*time.Time)
		done = put(d, s)
	case nil:
	default:
		return false, nil // database/sql knows more of these than of the others
	}
	if done {
		return true, nil
	}
	switch d := dest.(type) {
	case *any:
		return put(d, src), nil
	case sql.Scanner:
		return true, d.Scan(plain(src))
	}
	return false, nil
}

func assignBytes(dest any, s []byte) bool {
	switch d := dest.(type) {
	case *string:
		return put(d, string(s))
	case *[]byte:
		return put(d, bytes.Clone(s))
	case *any:
		return put(d, any(bytes.Clone(s)))
	case *int, *int64, *int32:
		n, err := strconv.ParseInt(string(s), 10, 64)
		return err == nil && assignInt(dest, n)
	}
	return false
}

func assignInt(dest any, s int64) bool {
	switch d := dest.(type) {
	case *int64:
		return put(d, s)
	case *int:
		return int64(int(s)) == s && put(d, int(s))
	case *int32:
		return int64(int32(s)) == s && put(d, int32(s))
	}
	return false
}

// put puts v where d points to, and reports false where that is nowhere.
func put[T any](d *T, v T) bool {
	if d == nil {
		return false
	}
	*d = v
	return true
}

type replayKey struct{}

// replay returns rows whose Next is the current row of r, whenever it is called. It does
// not block: db has as many connections as are asked for, and they are nothing.
//
//asyncvet:ignore blocking there is no database behind these connections
func replay(db *sql.DB, r *row) (*sql.Rows, error) {
	return db.QueryContext(context.WithValue(context.Background(), replayKey{}, r), "")
}

// A replayer is the driver and its connection.
type replayer struct{}

var errReplayOnly = errors.New("asyncsql: this connection only replays rows")

func (replayer) Connect(context.Context) (driver.Conn, error) { return replayer{}, nil }
func (replayer) Driver() driver.Driver                        { return replayer{} }
func (replayer) Open(string) (driver.Conn, error)             { return replayer{}, nil }
func (replayer) Prepare(string) (driver.Stmt, error)          { return nil, errReplayOnly }
func (replayer) Begin() (driver.Tx, error)                    { return nil, errReplayOnly }
func (replayer) Close() error                                 { return nil }

func (replayer) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	r, ok := ctx.Value(replayKey{}).(*row)
	if !ok {
		return nil, errReplayOnly
	}
	return replayRows{r}, nil
}

type replayRows struct{ *row }

func (r replayRows) Columns() []string { return r.columns }
func (r replayRows) Close() error      { return nil }

func (r replayRows) Next(dest []driver.Value) error {
	for i, v := range r.values {
		dest[i] = plain(v)
	}
	return nil
}
