package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/sim"
)

// The time for a body is for waits, and not for who reads it.
func TestAReaderMayTakeItsTime(t *testing.T) {
	inWorld(t, func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:80"); err != nil {
			return err
		}
		tr := &asynchttp.Transport{BodyTimeout: time.Second}
		req, err := http.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/", nil)
		if err != nil {
			return err
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 2)); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if got, err := io.ReadAll(resp.Body); string(got) != "llo" || err != nil {
			t.Errorf("the rest is %q, %v", got, err)
		}
		return errors.Join(tr.Close(), srv.Close())
	})
}

// What a trace is told of a connection that is made, by name and by number, and of
// one that is not.
func TestTheTraceIsToldOfTheWayToAHost(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		host := w.Host("here")
		ip := host.Addr().String()
		w.DNS("a.name", sim.DNSAnswer{Addrs: []netip.Addr{host.Addr()}})
		host.Go(func(ctx context.Context) error {
			srv := &asynchttp.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
			if _, err := srv.Start(ctx, "tcp", ":80"); err != nil {
				return err
			}
			var told []string
			note := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
			traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				GetConn:  func(hostPort string) { note("get %s", hostPort) },
				DNSStart: func(i httptrace.DNSStartInfo) { note("look up %s", i.Host) },
				DNSDone: func(i httptrace.DNSDoneInfo) {
					for _, a := range i.Addrs {
						note("found %s", a.String())
					}
				},
				ConnectStart: func(network, addr string) { note("to %s %s", network, addr) },
				ConnectDone:  func(network, addr string, err error) { note("at %s %s %v", network, addr, err == nil) },
			})
			tr := &asynchttp.Transport{DisableKeepAlives: true}
			for url, want := range map[string]string{
				"http://a.name/":         "get a.name:80, look up a.name, found IP, to tcp IP:80, at tcp IP:80 true",
				"http://a.name:81/":      "get a.name:81, look up a.name, found IP, to tcp IP:81, at tcp IP:81 false",
				"http://" + ip + "/":     "get IP:80, to tcp IP:80, at tcp IP:80 true",
				"http://" + ip + ":81/x": "get IP:81, to tcp IP:81, at tcp IP:81 false",
			} {
				told = nil
				_, err := get(traced, &http.Client{Transport: tr}, url)
				if got := strings.ReplaceAll(strings.Join(told, ", "), ip, "IP"); got != want {
					t.Errorf("%s: it was told %s, want %s", url, got, want)
				}
				if strings.HasSuffix(want, "true") != (err == nil) {
					t.Errorf("%s: %v", url, err)
				}
			}
			return errors.Join(tr.Close(), srv.Close())
		})
	}, sim.Seeds(1), sim.Once(), sim.NoStalls())
}

// A URL that is none is an error of the functions for the running loop's client.
func TestAURLThatIsNone(t *testing.T) {
	inWorld(t, func(ctx context.Context) error {
		for _, ask := range []func() (*http.Response, error){
			func() (*http.Response, error) { return asynchttp.Get(ctx, ":none") },
			func() (*http.Response, error) { return asynchttp.Post(ctx, ":none", "", nil) },
		} {
			if resp, err := ask(); resp != nil || err == nil || !strings.Contains(err.Error(), ":none") {
				t.Errorf("got %v, %v", resp, err)
			}
		}
		return nil
	})
}

// A type of a body is sent where there is one.
func TestTheTypeOfWhatIsPosted(t *testing.T) {
	inWorld(t, func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %q %s", r.Method, r.Header["Content-Type"], b)
		})}
		if _, err := srv.Start(ctx, "tcp", "127.0.0.1:80"); err != nil {
			return err
		}
		const to = "http://127.0.0.1/"
		for want, ask := range map[string]func() (*http.Response, error){
			`POST [] a`:      func() (*http.Response, error) { return asynchttp.Post(ctx, to, "", strings.NewReader("a")) },
			`POST ["a/b"] c`: func() (*http.Response, error) { return asynchttp.Post(ctx, to, "a/b", strings.NewReader("c")) },
			`POST ["application/x-www-form-urlencoded"] a=b+c`: func() (*http.Response, error) { return asynchttp.PostForm(ctx, to, url.Values{"a": {"b c"}}) },
			`GET [] `: func() (*http.Response, error) { return asynchttp.Get(ctx, to) },
		} {
			resp, err := ask()
			if err != nil {
				return err
			}
			if got, err := io.ReadAll(resp.Body); string(got) != want || err != nil {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
			resp.Body.Close()
		}
		c, err := asynchttp.DefaultClient(ctx)
		if err != nil {
			return err
		}
		c.CloseIdleConnections()
		return srv.Close()
	})
}
