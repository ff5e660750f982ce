package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// What an unlucky client does with a request.
const (
	readsAll = iota
	closesEarly
	isCancelled
	runsOutOfTime
	uploads
	meetsAPanic
	ways
)

// Whatever is cancelled and when, no place in the pool may be lost, and the
// limit holds.
func TestThePoolLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		todo := rapid.SliceOfN(rapid.IntRange(0, ways-1), 1, 30).Draw(rt, "todo")
		turns := rapid.SliceOfN(rapid.IntRange(0, 12), len(todo), len(todo)).Draw(rt, "turns")
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			asyncio.Sleep(r.Context(), 0)
			fmt.Fprint(w, strings.Repeat("x", 3000))
			w.(http.Flusher).Flush()
			asyncio.Sleep(r.Context(), 0)
			fmt.Fprint(w, strings.Repeat("y", 3000))
		})}
		tr := &asynchttp.Transport{MaxConnsPerHost: limit}
		client := &http.Client{Transport: tr}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := asyncio.Run(ctx, func(ctx context.Context) error {
			addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			url := "http://" + addr.String()
			var tasks []*asyncio.Task[struct{}]
			for i, way := range todo {
				tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error { return unlucky(ctx, client, url, way) }))
				for range turns[i] / 2 {
					asyncio.Sleep(ctx, 0)
				}
				if way == isCancelled {
					task := tasks[i]
					asyncio.Go(ctx, func(ctx context.Context) error {
						for range turns[i] {
							asyncio.Sleep(ctx, 0)
						}
						task.Cancel()
						return nil
					})
				}
			}
			for i, task := range tasks {
				_, err := task.Await(ctx)
				switch way := todo[i]; {
				case way == isCancelled || way == runsOutOfTime || way == meetsAPanic:
				case err != nil:
					return fmt.Errorf("request %d, way %d: %w", i, way, err)
				}
			}
			// All places are free: as many requests as the limit allows, at once.
			err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for range limit {
					g.Go(func(ctx context.Context) error { return unlucky(ctx, client, url, readsAll) })
				}
				return nil
			})
			if err != nil {
				return err
			}
			if all, idle, _ := tr.Counts(); all != idle || all > limit {
				return fmt.Errorf("%d connections, %d idle, with a limit of %d", all, idle, limit)
			}
			tr.CloseIdleConnections()
			if all, _, hosts := tr.Counts(); all != 0 || hosts != 0 {
				return fmt.Errorf("%d connections to %d hosts after closing", all, hosts)
			}
			return errors.Join(srv.Shutdown(ctx), tr.Close())
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func unlucky(ctx context.Context, c *http.Client, url string, way int) error {
	var body io.Reader
	method := "GET"
	switch way {
	case runsOutOfTime:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 200*time.Microsecond)
		defer cancel()
	case uploads:
		method, body = "PUT", io.MultiReader(strings.NewReader(strings.Repeat("z", 70000)))
	case meetsAPanic:
		url += "/panic"
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if way == closesEarly {
		return nil
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && n != 6000 {
		err = fmt.Errorf("got %d bytes", n)
	}
	return err
}
