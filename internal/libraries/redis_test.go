//go:build unix

package libraries

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
)

func redisServer(t *testing.T) string {
	p := newPlace(t, "")
	p.serve(t, find(t, "redis-server"), "--port", p.port, "--bind", "127.0.0.1", "--save", "", "--dir", p.dir)
	return p.addr()
}

func TestRedigoOnTheLoop(t *testing.T) {
	addr := redisServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		dialer := asyncio.NewDialer(loop(ctx))
		dial := func() (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", addr, redis.DialContextFunc(dialer.DialContext))
		}
		err := together(ctx, 10, func(ctx context.Context, i int) error {
			c, err := dial()
			if err != nil {
				return err
			}
			defer c.Close()
			key := fmt.Sprint("key", i)
			if _, err := c.Do("SET", key, i); err != nil {
				return err
			}
			if n, err := redis.Int(c.Do("GET", key)); n != i || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
			for range 100 { // a pipeline
				c.Send("INCR", key)
			}
			if n, err := redis.Ints(c.Do("")); err != nil || len(n) != 100 || n[99] != i+100 {
				t.Errorf("the pipeline gave %d, %v", n, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		c, err := dial()
		if err != nil {
			return err
		}
		defer c.Close()
		suspends(t, ctx, "BLPOP", func() error {
			if v, err := c.Do("BLPOP", "nothing", "0.2"); v != nil || err != nil {
				t.Error(v, err)
			}
			return nil
		})
		err = endsInTime(t, ctx, "BLPOP with a time limit", func(ctx context.Context) error {
			_, err := redis.DoWithTimeout(c, 200*time.Millisecond, "BLPOP", "nothing", "4")
			return err
		})
		if !isTimeout(err) {
			t.Error(err)
		}
		return nil
	})
}

func TestRedigoPoolOnTheLoop(t *testing.T) {
	addr := redisServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		dialer := asyncio.NewDialer(loop(ctx))
		pool := &redis.Pool{
			MaxActive: 3, MaxIdle: 3, // without Wait: one that is empty is an error
			DialContext: func(ctx context.Context) (redis.Conn, error) {
				return redis.DialContext(ctx, "tcp", addr, redis.DialContextFunc(dialer.DialContext))
			},
		}
		defer pool.Close()
		free := asyncio.NewSemaphore(3)
		return together(ctx, 20, func(ctx context.Context, i int) error {
			if err := free.Acquire(ctx); err != nil {
				return err
			}
			defer free.Release()
			c, err := pool.GetContext(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Do("INCR", "all")
			return err
		})
	})
}

func TestGoRedisInThreads(t *testing.T) {
	addr := redisServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		client := goredis.NewClient(&goredis.Options{Addr: addr})
		defer client.Close()
		suspends(t, ctx, "BLPop", func() error {
			return inThread(ctx, func(ctx context.Context) error {
				if _, err := client.BLPop(ctx, 200*time.Millisecond, "nothing").Result(); err != goredis.Nil {
					return fmt.Errorf("BLPop: %w", err)
				}
				return client.Set(ctx, "key", 1, 0).Err()
			})
		})
		return nil
	})
}

// go-redis over connections of the loop's, from threads.
func TestGoRedisInThreadsOverTheLoop(t *testing.T) {
	addr := redisServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		dialer := asyncio.NewDialer(loop(ctx))
		return inThread(ctx, func(ctx context.Context) error {
			client := goredis.NewClient(&goredis.Options{Addr: addr, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dialer.DialShared(ctx, network, addr)
			}})
			defer client.Close()
			if err := client.Set(ctx, "key", 1, 0).Err(); err != nil {
				return err
			}
			return client.Get(ctx, "key").Err()
		})
	})
}
