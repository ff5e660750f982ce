// Package asyncsql is database/sql for tasks: a pool of connections whose calls suspend the
// task and not the loop. Any driver of database/sql works with it.
//
//	db, err := asyncsql.Open("pgx", url, asyncsql.WithMaxConnections(20))
//	...
//	rows, err := db.QueryContext(ctx, "select id, name from users where born < $1", year)
//	if err != nil {
//		return err
//	}
//	defer rows.Close()
//	for rows.Next(ctx) {
//		if err := rows.Scan(&id, &name); err != nil {
//			return err
//		}
//	}
//	return rows.Err()
//
// Names and behaviour are those of database/sql. What differs: each call that waits takes
// a context, also Rows.Next, Tx.Commit and Tx.Rollback; the calls that close something do
// not wait; and a transaction begins with the first call on it, see [DB.BeginTx]. One that
// needs no task between its statements is cheapest in [DB.RunInTx].
//
// # Threads
//
// A call runs on a thread, of which there are as many as connections. Tasks that have no
// connection yet wait on the loop, the first come first served. A transaction, a Conn, and
// rows that were not read to their end hold their connection between calls, and its thread
// with it. So a task that holds one and asks for a second waits for others, as with
// database/sql: when all do that, they wait for one another until a context ends.
//
// Rows come in batches; a batch costs one switch to a thread, a row none. A query whose
// rows fit in one batch is one switch in all, and so is [DB.QueryRowContext].
//
// # Cancellation
//
// When the task is cancelled or the context ends, the call returns at once, with the
// error that other waits return: errors.Is(err, context.Canceled) or
// context.DeadlineExceeded holds. The driver is told by the context that it has, and tells
// the server if it can; until it has returned, its connection is not given to others, and
// not at all when it is broken. What comes of the call after all is closed or rolled back.
// A statement that was cut off may have taken effect.
//
// Values in arguments must not be changed after a call that was cut off, but for bytes,
// which are copied. A [driver.Valuer] runs on a thread, an [sql.Scanner] on the loop.
package asyncsql
