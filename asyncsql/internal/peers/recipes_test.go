//go:build unix

package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
)

// These are the recipes of docs/databases.md for clients that are not below database/sql:
// an executor with as many threads as the client has connections.

const threads = 10

// recipe runs n calls on the threads at once, and one that is cut off in the middle.
func recipe(t *testing.T, call func(ctx context.Context, i int) error, block func(ctx context.Context) error) {
	t.Helper()
	e := asyncio.NewThreadPoolExecutor(threads)
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		for range 3 {
			err := together(ctx, 200, func(ctx context.Context, i int) error {
				return inThread(ctx, e, func(ctx context.Context) error { return call(ctx, i) })
			})
			if err != nil {
				return err
			}
			late, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			if err := inThread(late, e, block); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a call that was cut off: %v", err)
			}
			cancel()
		}
		return nil
	})
	if err := errors.Join(err, e.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

// inThread runs f on one of the executor's threads. The context of a thread ends with the
// wait, and has no deadline of its own. That is enough for most; go-redis looks at nothing
// but the deadline.
func inThread(ctx context.Context, e asyncio.Executor, f func(ctx context.Context) error) error {
	deadline, limited := ctx.Deadline()
	_, err := asyncio.ToExecutor(ctx, e, func(ctx context.Context) (struct{}, error) {
		if limited {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline)
			defer cancel()
		}
		return struct{}{}, f(ctx)
	})
	return err
}

func TestPgxpoolInThreads(t *testing.T) {
	cfg, err := pgxpool.ParseConfig(serverFor(t, "pgx").dsn["pgx"])
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = threads
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	recipe(t, func(ctx context.Context, i int) (err error) {
		var got int
		if err = pool.QueryRow(ctx, "select $1::int", i).Scan(&got); err == nil && got != i {
			err = fmt.Errorf("asked for %d and got %d", i, got)
		}
		return err
	}, func(ctx context.Context) error {
		_, err := pool.Exec(ctx, "select pg_sleep(600)")
		return err
	})
}

func TestGoRedisInThreads(t *testing.T) {
	addr := startTCP(t, "/usr/bin/redis-server", "--save", "", "--bind", "127.0.0.1", "--port")
	client := redis.NewClient(&redis.Options{Addr: addr, PoolSize: threads, ContextTimeoutEnabled: true})
	defer client.Close()
	recipe(t, func(ctx context.Context, i int) error {
		key := fmt.Sprint("key ", i)
		if err := client.Set(ctx, key, i, 0).Err(); err != nil {
			return err
		}
		got, err := client.Get(ctx, key).Int()
		if err == nil && got != i {
			err = fmt.Errorf("put %d and got %d", i, got)
		}
		return err
	}, func(ctx context.Context) error { return client.BLPop(ctx, 0, "nothing").Err() })
}

func TestNATSInThreads(t *testing.T) {
	addr := startTCP(t, "/usr/sbin/nats-server", "-a", "127.0.0.1", "-p")
	conn, err := nats.Connect("nats://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.Subscribe("echo", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err = conn.SubscribeSync("silence"); err != nil {
		t.Fatal(err)
	}
	recipe(t, func(ctx context.Context, i int) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		m, err := conn.RequestWithContext(ctx, "echo", fmt.Append(nil, i))
		if err == nil && string(m.Data) != fmt.Sprint(i) {
			err = fmt.Errorf("asked %d and got %s", i, m.Data)
		}
		return err
	}, func(ctx context.Context) error {
		_, err := conn.RequestWithContext(ctx, "silence", nil)
		return err
	})
}

// startTCP starts a program and returns its address. The port stands in the last argument
// where that says %port, and else behind it.
func startTCP(t testing.TB, program string, args ...string) string {
	t.Helper()
	s := newServer(t, "nobody")
	t.Cleanup(s.remove)
	if last := args[len(args)-1]; strings.Contains(last, "%port") {
		args[len(args)-1] = strings.ReplaceAll(last, "%port", s.port)
	} else {
		args = append(args, s.port)
	}
	s.command(find(t, program), args...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func(cmd *exec.Cmd) { s.ended <- cmd.Wait() }(s.cmd)
	addr := net.JoinHostPort("127.0.0.1", s.port)
	for late := time.After(limit); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return addr
		}
		select {
		case ended := <-s.ended:
			s.ended <- ended // for stop
			t.Fatalf("%s ended: %v\n%s", program, ended, s.out)
		case <-late:
			t.Fatalf("%s does not listen", program)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
