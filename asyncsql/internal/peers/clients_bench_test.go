//go:build unix

package peers

import (
	"context"
	"database/sql"
	"net"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	redigo "github.com/gomodule/redigo/redis"
	"github.com/lib/pq"
	"github.com/redis/go-redis/v9"
)

// BenchmarkRedis has each way of docs/databases.md get a value of Redis: with a client on
// goroutines, with the same in threads, and with one that opens no goroutines on the loop.
func BenchmarkRedis(b *testing.B) {
	addr := startTCP(b, "/usr/bin/redis-server", "--save", "", "--bind", "127.0.0.1", "--port")
	client := redis.NewClient(&redis.Options{Addr: addr, PoolSize: benchConnections, ContextTimeoutEnabled: true})
	defer client.Close()
	if err := client.Set(b.Context(), "key", "value", 0).Err(); err != nil {
		b.Fatal(err)
	}
	pool := &redigo.Pool{
		MaxIdle: benchConnections, MaxActive: benchConnections, Wait: true,
		Dial: func() (redigo.Conn, error) { return redigo.Dial("tcp", addr) },
	}
	defer pool.Close()
	byRedigo := func(p *redigo.Pool) error {
		c := p.Get()
		_, err := redigo.String(c.Do("GET", "key"))
		_ = c.Close()
		return err
	}
	b.Run("goroutines/go-redis", func(b *testing.B) {
		goroutines(b, func() error { return client.Get(b.Context(), "key").Err() })
	})
	b.Run("goroutines/redigo", func(b *testing.B) {
		goroutines(b, func() error { return byRedigo(pool) })
	})
	b.Run("threads/go-redis", func(b *testing.B) {
		inThreads(b, func(ctx context.Context) error { return client.Get(ctx, "key").Err() })
	})
	b.Run("threads/redigo", func(b *testing.B) {
		inThreads(b, func(context.Context) error { return byRedigo(pool) })
	})
	b.Run("loop/redigo", func(b *testing.B) {
		withLoop(b, func(ctx context.Context) error {
			dialer := asyncio.NewDialer(asyncio.CurrentTask(ctx).Loop())
			pool := &redigo.Pool{
				MaxIdle: benchConnections, MaxActive: benchConnections,
				DialContext: func(ctx context.Context) (redigo.Conn, error) {
					return redigo.DialContext(ctx, "tcp", addr, redigo.DialContextFunc(dialer.DialContext))
				},
			}
			defer pool.Close()
			free := asyncio.NewSemaphore(benchConnections)
			return tasks(ctx, b, func(ctx context.Context) error {
				if err := free.Acquire(ctx); err != nil {
					return err
				}
				defer free.Release()
				c, err := pool.GetContext(ctx)
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = redigo.String(c.Do("GET", "key")) // DoContext would use a goroutine
				return err
			})
		})
	})
}

// BenchmarkPostgres has lib/pq on goroutines, in threads by asyncsql, and on the loop.
func BenchmarkPostgres(b *testing.B) {
	p := peers[1]
	op := query("select 42")
	b.Run("goroutines", func(b *testing.B) { onGoroutines(b, p, op) })
	b.Run("asyncsql", func(b *testing.B) { onLoop(b, p, op) })
	b.Run("loop", func(b *testing.B) {
		c, err := pq.NewConnector(serverFor(b, p.driver).dsn[p.driver])
		if err != nil {
			b.Fatal(err)
		}
		withLoop(b, func(ctx context.Context) error {
			c.Dialer(loopDialer{asyncio.NewDialer(asyncio.CurrentTask(ctx).Loop())})
			db := sql.OpenDB(c)
			defer db.Close()
			db.SetMaxOpenConns(benchConnections)
			db.SetMaxIdleConns(benchConnections)
			free := asyncio.NewSemaphore(benchConnections)
			return tasks(ctx, b, func(ctx context.Context) error {
				if err := free.Acquire(ctx); err != nil {
					return err
				}
				defer free.Release()
				return op.plain(ctx, db)
			})
		})
	})
}

// loopDialer opens connections of the loop for lib/pq.
type loopDialer struct{ *asyncio.Dialer }

func (d loopDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d loopDialer) DialTimeout(network, address string, _ time.Duration) (net.Conn, error) {
	return d.Dial(network, address)
}

// inThreads measures f in tasks, on as many threads as there are connections.
func inThreads(b *testing.B, f func(ctx context.Context) error) {
	e := asyncio.NewThreadPoolExecutor(benchConnections)
	defer e.Shutdown(b.Context())
	withLoop(b, func(ctx context.Context) error {
		return tasks(ctx, b, func(ctx context.Context) error {
			_, err := asyncio.ToExecutor(ctx, e, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
			return err
		})
	})
}

func withLoop(b *testing.B, f func(ctx context.Context) error) {
	if err := asyncio.Run(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}
