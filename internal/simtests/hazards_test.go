package simtests_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/sim"
)

// What is here depends on chance, goroutines, the order of maps or the system in
// libraries that were not written to go the same way twice. A world runs twice, and
// each test notes what would differ then.

// silent is a server that takes requests and never answers.
func silent(ctx context.Context) error {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = asyncio.Sleep(r.Context(), time.Hour)
	})}
	return srv.Serve(ctx, "tcp", ":80")
}

// each asks for n paths of a host at once, and notes in which order the requests end.
func each(ctx context.Context, w *sim.World, n int, ask func(ctx context.Context, i int) error) error {
	var tasks []*asyncio.Task[struct{}]
	for i := range n {
		tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error {
			err := ask(ctx, i)
			w.Note("request %d ends", i)
			if err == nil {
				return errors.New("a request has succeeded")
			}
			return nil
		}))
	}
	return ended(ctx, tasks...)
}

func get(ctx context.Context, tr http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Contexts that belong to no task end at the same moment, and each request learns of it
// in its turn; and the world knows that there is something to wait for.
func TestContextsOfNoTaskEndRequestsInOrder(t *testing.T) {
	for _, version := range []*http.Protocols{nil, plainHTTP2()} {
		sim.Test(t, func(w *sim.World) {
			w.Host("server").Serve(silent)
			w.Host("client").Go(func(ctx context.Context) error {
				tr := &asynchttp.Transport{Protocols: version}
				defer tr.Close()
				if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
				// The transport must belong to a loop before it is given a context of none.
				err := asyncio.Timeout(ctx, 500*time.Millisecond, func(ctx context.Context) error { return get(ctx, tr, "http://server/first") })
				if !late(err) {
					return err
				}
				outside, cancel := context.WithTimeout(context.Background(), 2*time.Second)
				defer cancel()
				return each(ctx, w, 8, func(_ context.Context, i int) error { return get(outside, tr, fmt.Sprint("http://server/", i)) })
			})
		}, sim.Seeds(5))
	}
}

// A connection with many streams ends, or its server says that it will.
func TestStreamsOfAConnectionEndInOrder(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		server.Serve(silent)
		w.Host("client").Go(func(ctx context.Context) error {
			tr := &asynchttp.Transport{Protocols: plainHTTP2(), HTTP2: &http.HTTP2Config{SendPingTimeout: time.Second, PingTimeout: time.Second}}
			defer tr.Close()
			if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			w.At(w.Now()+time.Second, server.Crash)
			return each(ctx, w, 12, func(ctx context.Context, i int) error { return get(ctx, tr, fmt.Sprint("http://server/", i)) })
		})
	}, sim.Seeds(5))
}

// Requests wait for a place at several hosts when the transport is closed.
func TestThoseWhoWaitForAPlaceAreToldInOrder(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		server.Serve(silent)
		for i := range 20 {
			w.DNS(fmt.Sprint("name", i), sim.DNSAnswer{Addrs: []netip.Addr{server.Addr()}})
		}
		w.Host("client").Go(func(ctx context.Context) error {
			tr := &asynchttp.Transport{MaxConnsPerHost: 1}
			if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			asyncio.CurrentTask(ctx).Loop().CallLater(time.Second, func() { _ = tr.Close() })
			return each(ctx, w, 40, func(ctx context.Context, i int) error { return get(ctx, tr, fmt.Sprintf("http://name%d/", i%20)) })
		})
	}, sim.Seeds(5))
}

func TestPausesOfRequestsAreChoicesOfTheWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("server") // at which nobody listens
		w.Host("client").Go(func(ctx context.Context) error {
			tr := &asynchttp.Transport{}
			defer tr.Close()
			r := &asynchttp.Retrier{Base: tr, MaxRetries: 5, OnRetry: func(_ *http.Request, _ *http.Response, _ error, wait time.Duration) {
				w.Note("again after %v", wait)
			}}
			if get(ctx, r, "http://server/") == nil {
				return errors.New("nobody serves there")
			}
			return nil
		})
	}, sim.Seeds(5))
}

// A trace makes the transport look the name up by itself.
func TestATracedRequestLooksUpItsNameInTheWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		server.Serve(silent)
		w.Host("client").Go(func(ctx context.Context) error {
			tr := &asynchttp.Transport{}
			defer tr.Close()
			var found []string
			traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				DNSStart: func(i httptrace.DNSStartInfo) { found = append(found, i.Host) },
				DNSDone: func(i httptrace.DNSDoneInfo) {
					for _, a := range i.Addrs {
						found = append(found, a.String())
					}
				},
			})
			_ = asyncio.Timeout(traced, time.Second, func(ctx context.Context) error { return get(ctx, tr, "http://server/") })
			if fmt.Sprint(found) != fmt.Sprintf("[server %v]", server.Addr()) {
				return fmt.Errorf("found %v", found)
			}
			return nil
		})
	}, sim.Seeds(5))
}

func TestANameOfAnAddressIsLookedUpInTheWorld(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		w.Host("client").Go(func(ctx context.Context) error {
			l := asyncio.CurrentTask(ctx).Loop()
			for addr, want := range map[netip.Addr]string{server.Addr(): "server", netip.MustParseAddr("192.0.2.1"): "192.0.2.1", netip.IPv6Loopback(): "localhost"} {
				host, port, err := l.Getnameinfo(ctx, netip.AddrPortFrom(addr, 80))
				if err != nil || host != want || port != "80" {
					return fmt.Errorf("%v is %s, %s, %v", addr, host, port, err)
				}
			}
			return nil
		})
	}, sim.Seeds(5), sim.Once())
}

// Outside of a test there is no bubble, and package time shows the real clock.
func TestADateIsThatOfTheWorld(t *testing.T) {
	r := sim.Run(func(w *sim.World) {
		server := w.Host("server")
		server.Serve(func(ctx context.Context) error {
			srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
			return srv.Serve(ctx, "tcp", ":80")
		})
		server.Skew(24 * time.Hour)
		w.Host("client").Go(func(ctx context.Context) error {
			tr := &asynchttp.Transport{}
			defer tr.Close()
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server/", nil)
			if err != nil {
				return err
			}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				return err
			}
			if date := resp.Header.Get("Date"); date != "Sun, 02 Jan 2000 00:00:01 GMT" {
				w.Failf("the answer is of %s", date)
			}
			return resp.Body.Close()
		})
	}, sim.Seeds(5))
	if r.Err != nil {
		t.Error(r.Err)
	}
}
