package asyncsql

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// A Stmt is a prepared statement, as [sql.Stmt]. It may be used by several tasks.
type Stmt struct {
	p      *place
	real   *sql.Stmt
	closed atomic.Bool
}

func prepare(ctx context.Context, p *place, do func(context.Context) (*sql.Stmt, error)) (*Stmt, error) {
	return call(ctx, p, func(ctx context.Context, c *calling) (*Stmt, error) {
		ctx, _ = c.lasting(ctx)
		real, err := again(ctx, p, do)
		if err != nil {
			return nil, err
		}
		return &Stmt{p: p, real: real}, nil
	}, func(s *Stmt) { _ = s.Close() })
}

// ExecContext is [sql.Stmt.ExecContext].
func (s *Stmt) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return exec(ctx, s.p, &statement{prepared: s.real, args: ownArgs(args)})
}

// QueryContext is [sql.Stmt.QueryContext]; see [DB.QueryContext].
func (s *Stmt) QueryContext(ctx context.Context, args ...any) (*Rows, error) {
	return queryRows(ctx, s.p, statement{prepared: s.real, args: ownArgs(args)})
}

// QueryRowContext is [sql.Stmt.QueryRowContext]; see [DB.QueryRowContext].
func (s *Stmt) QueryRowContext(ctx context.Context, args ...any) *Row {
	return queryRow(ctx, s.p, statement{prepared: s.real, args: ownArgs(args)})
}

// Close closes the statement, after the calls that are under way on its connection. It
// does not wait, and returns nil.
func (s *Stmt) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	l := s.p.lane
	if l == nil {
		l = s.p.db.lanes.lane()
	}
	l.later(func() { _ = s.real.Close() })
	return nil
}
