package simtests_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/sim"
)

// plainHTTP2 is HTTP/2 by prior knowledge.
func plainHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// A site is an HTTP server whose answers can be checked, and what outlives it.
type site struct {
	w       *sim.World
	active  int            // handlers under way, since the last start
	applied map[string]int // by Idempotency-Key, of those that are heeded once
}

func (s *site) serve(setup func(*asynchttp.Server)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		s.active = 0
		srv := &asynchttp.Server{Handler: s}
		setup(srv)
		return srv.Serve(ctx, "tcp", ":80")
	}
}

// ServeHTTP answers with what the path wants: so many bytes of a seed, slowly or at
// once; or with what it was sent.
func (s *site) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := s.w
	s.active++
	defer func() { s.active-- }()
	if s.w.Chance(0.3) {
		if err := upTo(r.Context(), w, 50); err != nil {
			return
		}
	}
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		s.applied[key]++
	}
	if s.w.Chance(0.05) {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		rw.Write(body)
		return
	}
	words := strings.Split(r.URL.Path, "/")
	if len(words) != 3 {
		http.NotFound(rw, r)
		return
	}
	seed, _ := strconv.Atoi(words[1])
	size, _ := strconv.Atoi(words[2])
	data := payload(seed, size)
	if w.Chance(0.5) {
		rw.Header().Set("Content-Length", words[2])
	}
	for len(data) > 0 {
		n := min(len(data), 1+w.Pick(30_000))
		if _, err := rw.Write(data[:n]); err != nil {
			return
		}
		data = data[n:]
		if w.Chance(0.2) {
			if err := http.NewResponseController(rw).Flush(); err != nil {
				return
			}
			if err := upTo(r.Context(), w, 20); err != nil {
				return
			}
		}
	}
}

// ask makes one request, and fails the world when the answer is another's.
func ask(ctx context.Context, w *sim.World, c *http.Client, n int, posts float64) error {
	size := w.Pick(60_000)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://server/%d/%d", n, size), nil)
	want := payload(n, size)
	if w.Chance(posts) {
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, "http://server/echo", bytes.NewReader(want))
	}
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	if w.Chance(0.1) {
		return nil // it does not want the rest
	}
	got, err := io.ReadAll(resp.Body)
	if !bytes.HasPrefix(want, got) || err == nil && len(got) != len(want) {
		w.Failf("request %d of %d bytes has %d bytes of another's", n, size, len(got))
	}
	return err
}

// healthy asks ten times, when all is whole. It asks for nothing that is not sent again
// when the server has just closed the connection.
func healthy(ctx context.Context, w *sim.World, c *http.Client) error {
	for i := range 10 {
		err := asyncio.Timeout(ctx, time.Minute, func(ctx context.Context) error { return ask(ctx, w, c, i, 0) })
		if err != nil {
			return fmt.Errorf("request %d when all was whole: %w", i, err)
		}
	}
	return nil
}

// requests has tasks that ask, and lose patience, or are cancelled.
func requests(ctx context.Context, w *sim.World, c *http.Client, ends func(error)) error {
	var tasks []*asyncio.Task[struct{}]
	for t := range 5 {
		tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
			for i := range 6 {
				err := asyncio.Timeout(ctx, time.Duration(1+w.Pick(40))*50*time.Millisecond, func(ctx context.Context) error {
					// The end of a request's own context comes otherwise than that of its task.
					if w.Chance(0.3) {
						limited, cancel := context.WithTimeout(ctx, time.Duration(1+w.Pick(40))*50*time.Millisecond)
						defer cancel()
						ctx = limited
					}
					return ask(ctx, w, c, 100*t+i, 0.3)
				})
				if asyncio.IsCancelled(err) {
					return err
				}
				if ends(err); w.Chance(0.5) {
					if err := upTo(ctx, w, 250); err != nil {
						return err
					}
				}
			}
			return nil
		}))
	}
	cancelSome(ctx, w, 0.3, 250, tasks...)
	return ended(ctx, tasks...)
}

// httpWorld is a server, a client with a small pool, and a storm.
func httpWorld(setupServer func(*asynchttp.Server), setupClient func(*asynchttp.Transport), most int) func(w *sim.World) {
	return func(w *sim.World) {
		hostileNow := w.Chance(0.3)
		if hostileNow {
			hostile(w)
		}
		server, client := w.Host("server"), w.Host("client")
		s := &site{w: w, applied: make(map[string]int)}
		server.Serve(s.serve(setupServer))
		storm(w, server, client)
		client.Go(func(ctx context.Context) error {
			open, reused := 0, false
			tr := &asynchttp.Transport{MaxConnsPerHost: most, ConnectTimeout: 3 * time.Second}
			setupClient(tr)
			tr.DialContext = func(ctx context.Context, network, address string) (*asyncio.Stream, error) {
				c, err := asyncio.OpenConnection(ctx, network, address)
				if err == nil {
					if open++; open > most {
						w.Failf("%d connections are open, %d are allowed", open, most)
					}
					asyncio.Go(context.WithoutCancel(ctx), func(ctx context.Context) error {
						defer func() { open-- }()
						return c.WaitClosed(ctx)
					})
				}
				return c, err
			}
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = reused || i.Reused }})
			c := &http.Client{Transport: tr}
			err := requests(ctx, w, c, func(err error) {
				w.Sometimes("a request was late", late(err))
				w.Sometimes("a request has failed", err != nil && !late(err))
			})
			if err != nil {
				return err
			}
			w.Sometimes("a connection was reused", reused)
			if err := asyncio.Sleep(ctx, max(0, 15*time.Second-w.Now())); err != nil {
				return err
			}
			if err := healthy(ctx, w, c); err != nil {
				return err
			}
			if err := tr.Close(); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, 5*time.Second); err != nil {
				return err
			}
			if open != 0 {
				return fmt.Errorf("%d connections are open, and the transport is closed", open)
			}
			return alone(ctx)
		})
		w.Eventually("no handler is left", 30*time.Minute, func() bool { return w.Now() > 20*time.Minute && s.active == 0 })
	}
}

func TestHTTP1KeepsItsPoolWholeThroughAStorm(t *testing.T) {
	sim.Test(t, httpWorld(
		func(s *asynchttp.Server) { s.IdleTimeout = 2 * time.Second },
		func(tr *asynchttp.Transport) {}, 2), sim.Seeds(networkSeeds))
}

func TestHTTP2KeepsItsConnectionWholeThroughAStorm(t *testing.T) {
	sim.Test(t, httpWorld(
		func(s *asynchttp.Server) {
			s.HTTP2 = &http.HTTP2Config{
				MaxConcurrentStreams: 3, MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 128 << 10,
				SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second,
			}
		},
		func(tr *asynchttp.Transport) {
			tr.Protocols = plainHTTP2()
			tr.HTTP2 = &http.HTTP2Config{
				MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 128 << 10, SendPingTimeout: time.Second,
				PingTimeout: 2 * time.Second, StrictMaxConcurrentRequests: true,
			}
		}, 2), sim.Seeds(networkSeeds))
}

// A server that shuts down again and again answers what it has taken, and tells the
// client which requests it has not: none of them is applied twice.
func TestAServerThatShutsDownLosesNoRequest(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(version, func(t *testing.T) {
			sim.Test(t, func(w *sim.World) { shutdowns(w, version == "HTTP/2") }, sim.Seeds(networkSeeds))
		})
	}
}

func shutdowns(w *sim.World, http2 bool) {
	server, client := w.Host("server"), w.Host("client")
	s := &site{w: w, applied: make(map[string]int)}
	server.Serve(func(ctx context.Context) error {
		for {
			srv := &asynchttp.Server{Handler: s}
			if _, err := srv.Start(ctx, "tcp", ":80"); err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, time.Duration(20+w.Pick(250))*time.Millisecond); err != nil {
				return err
			}
			if err := srv.Shutdown(ctx); err != nil {
				return err
			}
			if s.active != 0 {
				return fmt.Errorf("Shutdown has returned, and %d handlers run", s.active)
			}
		}
	})
	client.Go(func(ctx context.Context) error {
		tr := &asynchttp.Transport{}
		if http2 {
			tr.Protocols = plainHTTP2()
		}
		defer tr.Close()
		c := &http.Client{Transport: &asynchttp.Retrier{Base: tr, MinWait: 20 * time.Millisecond, MaxWait: 200 * time.Millisecond, MaxRetries: 30}}
		if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range 12 {
				g.Go(func(ctx context.Context) error {
					if err := upTo(ctx, w, 250); err != nil {
						return err
					}
					key := fmt.Sprint("request ", i)
					req, err := http.NewRequestWithContext(ctx, http.MethodPut, fmt.Sprintf("http://server/%d/1000", i), nil)
					if err != nil {
						return err
					}
					req.Header.Set("Idempotency-Key", key)
					resp, err := c.Do(req)
					if err != nil {
						return fmt.Errorf("%s, applied %d times: %w", key, s.applied[key], err)
					}
					defer resp.Body.Close()
					got, err := io.ReadAll(resp.Body)
					if err == nil && resp.StatusCode == http.StatusOK && !bytes.Equal(got, payload(i, 1000)) {
						err = errors.New("another's answer")
					}
					if s.applied[key] == 0 {
						err = errors.New("an answer to what was not done")
					}
					w.Sometimes("one was applied twice", s.applied[key] > 1)
					return err
				})
			}
			return nil
		})
	})
}
