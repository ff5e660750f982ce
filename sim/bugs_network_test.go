package sim_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// offByOneReply is a client with one connection. A request that is cancelled between
// its question and its answer leaves the answer to the next.
func offByOneReply(w *sim.World, mended bool) {
	w.Host("server").Serve(serveLines(":6379", func(_ context.Context, line string) string { return "value of " + line }))
	w.Host("client").Go(func(ctx context.Context) error {
		var s *asyncio.Stream
		var r *bufio.Reader
		get := func(ctx context.Context, key string) (value string, err error) {
			if s == nil {
				if s, err = dialRetrying(ctx, "server:6379"); err != nil {
					return "", err
				}
				r = bufio.NewReader(s)
			}
			done := false
			defer func() {
				if mended && !done && s != nil {
					_ = s.Close() // its state is unknown
					s = nil
				}
			}()
			if _, err := fmt.Fprintln(s, key); err != nil {
				return "", err
			}
			value, err = r.ReadString('\n')
			done = err == nil
			return strings.TrimSpace(value), err
		}
		if _, err := get(ctx, "zero"); err != nil {
			return err
		}
		first := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := get(ctx, "one")
			return err
		})
		if err := some(ctx, w); err != nil {
			return err
		}
		first.Cancel()
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		value, err := get(ctx, "two")
		if err == nil && value != "value of two" {
			return errors.New("another's answer: " + value)
		}
		return err
	})
}

// lateCancel is a database client that gives its connection back at once when a query
// is cancelled, and sends the request to cancel it on another connection meanwhile.
func lateCancel(w *sim.World, mended bool) {
	server := w.Host("server")
	running := 0 // what the one session works at
	cancelled := make(map[int]bool)
	server.Serve(serveLines(":5432", func(ctx context.Context, line string) string {
		verb, arg, _ := strings.Cut(line, " ")
		if verb == "cancel" {
			cancelled[running] = true
			return "ok"
		}
		n, _ := strconv.Atoi(arg)
		running = n
		for range 10 {
			if cancelled[n] {
				return "cancelled"
			}
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return "error"
			}
		}
		running = 0
		return "done"
	}))
	w.Host("client").Go(func(ctx context.Context) error {
		first := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := call(ctx, "server:5432", "query 1", time.Minute)
			return err
		})
		if err := some(ctx, w); err != nil {
			return err
		}
		if !first.Cancel() {
			return nil
		}
		cancel := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := call(ctx, "server:5432", "cancel", time.Minute)
			return err
		})
		if mended { // the session is nobody's until the request has been answered
			if _, err := cancel.Await(ctx); err != nil {
				return err
			}
		}
		reply, err := call(ctx, "server:5432", "query 2", time.Minute)
		if err == nil && reply != "done" {
			return errors.New("the second query is " + reply)
		}
		return err
	})
}

// appliedTwice is a client that asks again when no answer comes. The server has done
// what it was asked already, when only the answer was lost.
func appliedTwice(w *sim.World, mended bool) {
	server, client := w.Host("server"), w.Host("client")
	w.Link(server, client).Set(sim.Loss(0.05))
	balance := 0
	applied := make(map[string]bool)
	server.Serve(func(ctx context.Context) error {
		c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr(":9"))
		if err != nil {
			return err
		}
		defer c.Close()
		for b := make([]byte, 100); ; {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return err
			}
			if id := string(b[:n]); !mended || !applied[id] {
				applied[id] = true
				balance++
			}
			if _, err := c.WriteTo(b[:n], from); err != nil {
				return err
			}
		}
	})
	client.Go(func(ctx context.Context) error {
		c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithRemoteAddr("server:9"))
		if err != nil {
			return err
		}
		defer c.Close()
		for i := range 5 {
			for answered := false; !answered; {
				_, _ = c.Write([]byte(strconv.Itoa(i))) // refused while the server begins
				err := asyncio.Timeout(ctx, 100*time.Millisecond, func(ctx context.Context) error {
					b := make([]byte, 100)
					for {
						switch n, err := c.Read(b); {
						case err != nil:
							return asyncio.Sleep(ctx, time.Second)
						case string(b[:n]) == strconv.Itoa(i):
							answered = true
							return nil
						}
					}
				})
				if asyncio.IsCancelled(err) {
					return err
				}
			}
		}
		if balance != 5 {
			return fmt.Errorf("five payments have made %d", balance)
		}
		return nil
	})
}

// unfencedWrite has two workers that write while they have the lock, which ends after
// a while by itself. One stands still and does not know that it has ended.
func unfencedWrite(w *sim.World, mended bool) {
	const lease = time.Second
	server := w.Host("server")
	token, until := 0, time.Duration(0)
	highest := 0
	server.Serve(serveLines(":2379", func(_ context.Context, line string) string {
		verb, arg, _ := strings.Cut(line, " ")
		n, _ := strconv.Atoi(arg)
		switch {
		case verb == "lock" && w.Now() < until:
			return "0"
		case verb == "lock":
			token++
			until = w.Now() + lease
			return strconv.Itoa(token)
		case mended && n < highest:
			return "old"
		case n < highest:
			w.Failf("a write of an older holder after that of a newer one")
		}
		highest = max(highest, n)
		return "ok"
	}))
	for _, name := range []string{"one", "other"} {
		h := w.Host(name)
		h.Go(func(ctx context.Context) error {
			for wrote := 0; wrote < 3; {
				reply, err := call(ctx, "server:2379", "lock", time.Minute)
				if err != nil {
					return err
				}
				if reply == "0" {
					if err := asyncio.Sleep(ctx, 200*time.Millisecond); err != nil {
						return err
					}
					continue
				}
				if w.Chance(0.1) { // a long garbage collection
					h.Pause(2 * lease)
					if err := asyncio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
				if _, err := call(ctx, "server:2379", "write "+reply, time.Minute); err != nil {
					return err
				}
				wrote++
			}
			return nil
		})
	}
}
