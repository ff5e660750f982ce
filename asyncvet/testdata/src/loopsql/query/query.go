// Package query does not know where the connections of a database are from.
package query

import (
	"context"
	"database/sql"
)

func Count(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, "select count(*) from things").Scan(&n)
	return n, err
}
