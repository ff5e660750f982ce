package asyncsql

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"
)

// rowOf returns a row as a taker has it.
func rowOf(values ...any) *row {
	var t taker
	r := &row{}
	for i, v := range values {
		_ = t.Scan(v)
		r.columns = append(r.columns, fmt.Sprint("c", i))
	}
	r.values = t.values
	return r
}

var errReadAgain = errors.New("it was read once more")

// fromMemory scans a row where that can be done without database/sql.
func fromMemory(r *row, dest ...any) error {
	return r.scan(dest, func() (*sql.Rows, error) { return nil, errReadAgain })
}

var leapDay = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

func TestPlainValuesAreScannedFromMemory(t *testing.T) {
	for _, test := range []struct{ src, dest, want any }{
		{"text", new(string), "text"},
		{"text", new(any), "text"},
		{[]byte("text"), new(string), "text"},
		{[]byte("text"), new([]byte), []byte("text")},
		{[]byte("text"), new(any), []byte("text")},
		{[]byte(nil), new(any), []byte(nil)},
		{[]byte("-7"), new(int), -7},
		{[]byte("-7"), new(int64), int64(-7)},
		{[]byte("-7"), new(int32), int32(-7)},
		{int64(-7), new(int), -7},
		{int64(math.MinInt64), new(int64), int64(math.MinInt64)},
		{int64(math.MaxInt32), new(int32), int32(math.MaxInt32)},
		{int64(-7), new(any), int64(-7)},
		{uint64(math.MaxUint64), new(uint64), uint64(math.MaxUint64)},
		{uint64(7), new(int), 7},
		{uint64(math.MaxInt64), new(int64), int64(math.MaxInt64)},
		{uint64(7), new(int32), int32(7)},
		{uint64(7), new(any), uint64(7)},
		{0.5, new(float64), 0.5},
		{0.5, new(any), 0.5},
		{true, new(bool), true},
		{true, new(any), true},
		{leapDay, new(time.Time), leapDay},
		{leapDay, new(any), leapDay},
		{nil, new(any), nil},
		{nil, new(sql.NullString), sql.NullString{}},
		{[]byte("text"), new(sql.NullString), sql.NullString{String: "text", Valid: true}},
		{int64(7), new(sql.Null[int64]), sql.Null[int64]{V: 7, Valid: true}},
	} {
		what := fmt.Sprintf("%T %v into %T", test.src, test.src, test.dest)
		if err := fromMemory(rowOf(test.src), test.dest); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := reflect.ValueOf(test.dest).Elem().Interface(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// A value that is not taken is left to database/sql, and nothing of it is in the variable.
func TestWhatIsNoPlainCopyIsLeftToDatabaseSQL(t *testing.T) {
	plain := sql.OpenDB(replayer{})
	defer plain.Close()
	type own string
	values := []any{"text", []byte("text"), []byte("12345678901"), []byte("3"), int64(7), int64(math.MaxInt32 + 1),
		uint64(7), uint64(math.MaxInt64 + 1), 0.5, true, leapDay, nil, int8(1), own("text"), []string{"text"}}
	variables := func() []any {
		return []any{new(string), new([]byte), new(any), new(int), new(int64), new(int32), new(uint64), new(float64),
			new(bool), new(time.Time), new(*int), new(sql.RawBytes), new(sql.NullString), new(sql.Null[int32]),
			(*string)(nil), (*[]byte)(nil), (*any)(nil), (*int)(nil), (*int64)(nil), (*int32)(nil), (*uint64)(nil),
			(*float64)(nil), (*bool)(nil), (*time.Time)(nil), nil, 7}
	}
	for _, value := range values {
		for i := range variables() {
			r, got, want := rowOf(value), variables()[i], variables()[i]
			err := fromMemory(r, got)
			if err == errReadAgain {
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%T %v is for database/sql, and %T has %v", value, value, got, reflect.ValueOf(got).Elem())
				}
				continue
			}
			again, replayErr := replay(plain, r)
			if replayErr != nil || !again.Next() {
				t.Fatal(replayErr)
			}
			if wantErr := again.Scan(want); fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
				t.Errorf("%T %v into %T: %v, and in database/sql %v", value, value, got, err, wantErr)
			}
			_ = again.Close()
		}
	}
}

func TestARowIsReadOnceMoreFromTheFirstColumnThatNeedsIt(t *testing.T) {
	plain := sql.OpenDB(replayer{})
	defer plain.Close()
	r := rowOf("a", []byte("7"), "c")
	var a, c string
	var n uint8
	replays := 0
	err := r.scan([]any{&a, &n, &c}, func() (*sql.Rows, error) {
		replays++
		if a != "a" || c != "" {
			t.Errorf("before: %q, %q", a, c)
		}
		a = "x" // which stays: it has been scanned
		rows, err := replay(plain, r)
		if err == nil {
			rows.Next()
			t.Cleanup(func() { rows.Close() })
		}
		return rows, err
	})
	if err != nil || replays != 1 || a != "x" || n != 7 || c != "c" {
		t.Errorf("%q, %d, %q after %d readings: %v", a, n, c, replays, err)
	}
	if err := fromMemory(r, &a, &n, &c); err != errReadAgain {
		t.Errorf("where it cannot be read: %v", err)
	}
	if err := fromMemory(r, &a); err != errReadAgain {
		t.Errorf("into too few variables: %v", err)
	}
}

func TestAConnectionThatReplaysDoesNothingElse(t *testing.T) {
	plain := sql.OpenDB(replayer{})
	defer plain.Close()
	_, err := plain.Query("select 1")
	_, prepareErr := plain.Prepare("select 1")
	_, beginErr := plain.Begin()
	for _, err := range []error{err, prepareErr, beginErr} {
		if err != errReplayOnly {
			t.Errorf("it returned %v", err)
		}
	}
}
