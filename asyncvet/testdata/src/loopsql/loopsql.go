package loopsql

import (
	"context"
	"database/sql"
	"time"

	"checked/loopsql/query"
	"checked/loopsql/store"

	"github.com/asyncio-go/asyncio"
)

var _ = store.Open

// The connections of the database wait on the loop.
func queries(ctx context.Context, db *sql.DB) (int, error) {
	if _, err := db.ExecContext(ctx, "delete from things"); err != nil {
		return 0, err
	}
	if err := store.Ping(ctx, db); err != nil {
		return 0, err
	}
	if _, err := query.Count(ctx, db); err != nil {
		return 0, err
	}
	time.Sleep(1) // want `time.Sleep blocks`
	return 0, asyncio.Sleep(ctx, 0)
}
