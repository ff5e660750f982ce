package asyncsql_test

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"testing"

	"github.com/asyncio-go/asyncio/asyncsql"
)

// Some drivers return what database/sql calls no driver's value.
func TestUnsignedNumbersAreScannedAsDatabaseSQLDoes(t *testing.T) {
	targets := func() []any {
		return []any{new(int), new(int64), new(int32), new(int8), new(uint64), new(uint8), new(string), new(any),
			new(sql.Null[int64]), new(sql.NullString), new(float64), new(bool)}
	}
	plain := sql.OpenDB(newServer())
	defer plain.Close()
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, _ *server) {
		for i := range targets() {
			want, err := plain.QueryContext(ctx, "unsigned") //asyncvet:ignore blocking it is what values are compared with
			if err != nil {
				t.Fatal(err)
			}
			got, err := db.QueryContext(ctx, "unsigned")
			if err != nil {
				t.Fatal(err)
			}
			for want.Next() && got.Next(ctx) {
				a, b := targets()[i], targets()[i]
				wantErr, gotErr := want.Scan(a), got.Scan(b)
				if !reflect.DeepEqual(a, b) || fmt.Sprint(wantErr) != fmt.Sprint(gotErr) {
					t.Errorf("%T: %v, %v; in database/sql %v, %v", a, reflect.ValueOf(b).Elem(), gotErr, reflect.ValueOf(a).Elem(), wantErr)
				}
			}
			want.Close()
			got.Close()
		}
	})
}

// The memory of a batch is that of one before, and what was scanned is the caller's.
func TestWhatWasScannedOutlastsItsBatch(t *testing.T) {
	with(t, 1, func(ctx context.Context, db *asyncsql.DB, _ *server) {
		rows, err := db.QueryContext(ctx, "count 100")
		if err != nil {
			t.Fatal(err)
		}
		var bytes, anys [][]byte
		for n := 0; rows.Next(ctx); n++ {
			var b []byte
			var raw sql.RawBytes
			var a, skip any
			var err error
			if n%2 == 0 {
				err = rows.Scan(&skip, &skip, &b, &skip, &skip)
				bytes = append(bytes, b)
			} else {
				err = rows.Scan(&skip, &skip, &a, &skip, &skip)
				anys = append(anys, a.([]byte))
			}
			if err == nil {
				err = rows.Scan(&skip, &skip, &raw, &skip, &skip)
			}
			if err != nil || string(raw) != fmt.Sprint("bytes ", n) {
				t.Fatalf("row %d: %q, %v", n, raw, err)
			}
		}
		for i := range bytes {
			if string(bytes[i]) != fmt.Sprint("bytes ", 2*i) || string(anys[i]) != fmt.Sprint("bytes ", 2*i+1) {
				t.Errorf("later they are %q and %q", bytes[i], anys[i])
			}
		}
	}, asyncsql.WithBatch(7, 0))
}
