package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// counted is a server that knows how many connections it has and had.
type counted struct {
	*httptest.Server
	mu        sync.Mutex
	made, now int
	most      int
}

func countedServer(t *testing.T, h http.HandlerFunc) *counted {
	s := &counted{Server: httptest.NewUnstartedServer(h)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch state {
		case http.StateNew:
			s.made++
			s.now++
			s.most = max(s.most, s.now)
		case http.StateClosed, http.StateHijacked:
			s.now--
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *counted) numbers() (made, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made, s.most
}

func TestConnectionIsUsedAgain(t *testing.T) {
	srv := countedServer(t, echo)
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		for range 10 {
			if _, err := get(ctx, c, srv.URL+"/gzip"); err != nil {
				return err
			}
			if _, _, err := fetch(ctx, c, "PUT", srv.URL, strings.NewReader(strings.Repeat("x", 100000))); err != nil {
				return err
			}
		}
		if made, _ := srv.numbers(); made != 1 {
			t.Errorf("%d connections for requests one after another", made)
		}
		return nil
	})
}

func TestConnectionIsNotUsedAgainWhenItMustNot(t *testing.T) {
	srv := countedServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprint(w, strings.Repeat("x", 100000))
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		if _, err := get(ctx, c, srv.URL+"/close"); err != nil {
			return err
		}
		for range 2 { // a body that is not read
			req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
			resp, err := c.Do(req)
			if err != nil {
				return err
			}
			resp.Body.Close()
			if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, asynchttp.ErrBodyClosed) {
				t.Errorf("read after close: %v", err)
			}
		}
		req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
		req.Close = true
		if _, _, err := do(c, req); err != nil {
			return err
		}
		if made, _ := srv.numbers(); made != 4 {
			t.Errorf("%d connections", made)
		}
		return nil
	})
}

func TestRequestsAboveTheLimitWaitInOrder(t *testing.T) {
	onEveryDriver(t, testRequestsAboveTheLimitWaitInOrder)
}

func testRequestsAboveTheLimitWaitInOrder(t *testing.T) {
	srv := countedServer(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x") })
	tr := &asynchttp.Transport{MaxConnsPerHost: 2}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		var order []int
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 20 {
				g.Go(func(ctx context.Context) error {
					trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { order = append(order, i) }}
					_, err := get(httptrace.WithClientTrace(ctx, trace), c, srv.URL)
					return err
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
		waited := slices.DeleteFunc(slices.Clone(order), func(n int) bool { return n < 2 })
		if !slices.IsSorted(waited) {
			t.Errorf("connections were given to %v", order)
		}
		if made, most := srv.numbers(); made != 2 || most != 2 {
			t.Errorf("%d connections, %d at a time", made, most)
		}
		return nil
	})
}

func TestACancelledWaiterPassesItsConnectionOn(t *testing.T) {
	srv := countedServer(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x") })
	tr := &asynchttp.Transport{MaxConnsPerHost: 1}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
		first, err := c.Do(req)
		if err != nil {
			return err
		}
		one := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, srv.URL) })
		two := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, srv.URL) })
		asyncio.Sleep(ctx, 0)
		// The connection goes to the first one, which is cancelled in the same turn.
		if _, err := io.ReadAll(first.Body); err != nil {
			return err
		}
		one.Cancel()
		if _, err := one.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("the cancelled one: %v", err)
		}
		if got, err := two.Await(ctx); got != "x" {
			t.Errorf("the other one: %q, %v", got, err)
		}
		return nil
	})
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	gone := make(chan struct{})
	url := rawServer(t, func(c net.Conn) {
		if skipHead(c) != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		c.Read(make([]byte, 1))
		close(gone)
	})
	tr := &asynchttp.Transport{IdleConnTimeout: time.Millisecond}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		if _, err := get(ctx, c, url); err != nil {
			return err
		}
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-gone; return 0, nil })
		return err
	})
}

func TestMoreIdleConnectionsThanAllowedAreClosed(t *testing.T) {
	for name, tr := range map[string]*asynchttp.Transport{
		"in all":     {MaxIdleConns: 2},
		"for a host": {MaxIdleConnsPerHost: 2},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			n, all := 0, make(chan struct{})
			srv := countedServer(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				mine := all
				if n++; n%5 == 0 { // they come five at a time, and wait for each other
					close(all)
					all = make(chan struct{})
				}
				mu.Unlock()
				<-mine
				fmt.Fprint(w, "x")
			})
			withClient(t, tr, func(ctx context.Context, c *http.Client) error {
				for range 2 {
					err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
						for range 5 {
							g.Go(func(ctx context.Context) error {
								_, err := get(ctx, c, srv.URL)
								return err
							})
						}
						return nil
					})
					if err != nil {
						return err
					}
				}
				if made, _ := srv.numbers(); made != 8 {
					t.Errorf("%d connections were made, not 5 and then 3", made)
				}
				return nil
			})
		})
	}
}

// closesAfterOne answers the first request on each connection, and closes it
// when the second has come.
func closesAfterOne(t *testing.T) (url string, requests func() int) {
	var mu sync.Mutex
	n := 0
	url = rawServer(t, func(c net.Conn) {
		for i := range 2 {
			if skipHead(c) != nil {
				return
			}
			mu.Lock()
			n++
			mu.Unlock()
			if i == 0 {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	})
	return url, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func TestAStaleConnectionIsReplacedWhereThatIsSafe(t *testing.T) {
	onEveryDriver(t, testAStaleConnectionIsReplacedWhereThatIsSafe)
}

func testAStaleConnectionIsReplacedWhereThatIsSafe(t *testing.T) {
	for _, x := range []struct {
		method string
		body   func() io.Reader
		again  bool
	}{
		{"GET", func() io.Reader { return nil }, true},
		{"PUT", func() io.Reader { return strings.NewReader("x") }, true},
		{"PUT", func() io.Reader { return io.MultiReader(strings.NewReader("x")) }, false},
		{"POST", func() io.Reader { return nil }, false},
	} {
		url, requests := closesAfterOne(t)
		withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
			if _, err := get(ctx, c, url); err != nil {
				return err
			}
			_, got, err := fetch(ctx, c, x.method, url, x.body())
			if x.again && (got != "ok" || requests() != 3) {
				t.Errorf("%s: got %q, %v after %d requests", x.method, got, err, requests())
			}
			if !x.again && (err == nil || requests() != 2) {
				t.Errorf("%s: got %q, %v after %d requests", x.method, got, err, requests())
			}
			return nil
		})
	}
}

func TestAFreshConnectionThatIsClosedIsNotTriedAgain(t *testing.T) {
	var mu sync.Mutex
	n := 0
	url := rawServer(t, func(c net.Conn) {
		mu.Lock()
		n++
		mu.Unlock()
		skipHead(c)
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		_, err := get(ctx, c, url)
		mu.Lock()
		defer mu.Unlock()
		if !errors.Is(err, asynchttp.ErrEmptyReply) || n != 1 {
			t.Errorf("%v after %d connections", err, n)
		}
		return nil
	})
}

func TestAnswersNobodyAskedForAreNotTaken(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
	url := rawServer(t, func(c net.Conn) {
		if skipHead(c) != nil {
			return
		}
		io.WriteString(c, answer+fmt.Sprintf("good%sevil", answer))
		c.Read(make([]byte, 1))
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		for range 3 {
			if got, err := get(ctx, c, url); got != "good" {
				t.Errorf("got %q, %v", got, err)
			}
		}
		return nil
	})
}
