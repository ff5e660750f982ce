package asynchttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// soon is for what must happen: within a second, though a machine that is busy
// may take longer.
const soon = 20 * time.Second

// expect receives n times.
func expect[T any](ch <-chan T, n int) (last T, err error) {
	timeout := time.After(soon)
	for i := range n {
		select {
		case last = <-ch:
		case <-timeout:
			return last, fmt.Errorf("%d of %d have come", i, n)
		}
	}
	return last, nil
}

func TestAClientThatGoesAwayEndsTheRequest(t *testing.T) {
	onEveryDriver(t, testAClientThatGoesAwayEndsTheRequest)
}

func testAClientThatGoesAwayEndsTheRequest(t *testing.T) {
	portable := len(loopOptions) > 0
	for name, x := range map[string]struct {
		request string
		read    int // of the body, by the handler
		leave   func(c net.Conn) error
		skip    bool
	}{
		"no body":     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, net.Conn.Close, false},
		"half":        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, func(c net.Conn) error { return c.(*net.TCPConn).CloseWrite() }, false},
		"reset":       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, func(c net.Conn) error { return errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close()) }, false},
		"body read":   {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", 2, net.Conn.Close, false},
		"body unread": {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 100000), 0, net.Conn.Close, portable},
	} {
		t.Run(name, func(t *testing.T) {
			if x.skip {
				t.Skip("this driver learns of the end when all before it was read")
			}
			started, ended := make(chan bool, 1), make(chan error, 1)
			told := false
			srv := handle(func(w http.ResponseWriter, r *http.Request) {
				//lint:ignore SA1019 old code uses it
				notice := w.(http.CloseNotifier).CloseNotify()
				if _, err := io.ReadFull(r.Body, make([]byte, x.read)); err != nil {
					t.Error(err)
				}
				started <- true
				err := asyncio.Sleep(r.Context(), time.Hour)
				select {
				case told = <-notice:
				default:
				}
				ended <- errors.Join(err, context.Cause(r.Context()))
			})
			withServer(t, srv, func(addr string) error {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return err
				}
				defer c.Close()
				if _, err := io.WriteString(c, x.request); err != nil {
					return err
				}
				if _, err := expect(started, 1); err != nil {
					return err
				}
				if err := x.leave(c); err != nil {
					return err
				}
				got, err := expect(ended, 1)
				if !errors.Is(got, context.Canceled) || !strings.Contains(fmt.Sprint(got), "client has gone") {
					t.Errorf("the handler's wait: %v", got)
				}
				return err
			})
			if !told {
				t.Error("CloseNotify was not told")
			}
		})
	}
}

func TestFiveHundredClientsThatGoAwayFreeTheirHandlers(t *testing.T) {
	const n = 500
	started, ended := make(chan bool, n), make(chan bool, n)
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		started <- true
		_ = asyncio.Sleep(r.Context(), time.Hour)
		ended <- true
	})
	withServer(t, srv, func(addr string) error {
		var conns []net.Conn
		for range n {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			conns = append(conns, c)
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		if _, err := expect(started, n); err != nil {
			return err
		}
		began := time.Now()
		for _, c := range conns {
			c.Close()
		}
		_, err := expect(ended, n)
		t.Logf("500 handlers ended in %v", time.Since(began))
		return err
	})
}

func TestAClientOverTLSThatGoesAwayEndsTheRequest(t *testing.T) {
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	started, ended := make(chan bool, 1), make(chan error, 1)
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		started <- true
		ended <- asyncio.Sleep(r.Context(), time.Hour)
	})
	srv.TLSConfig = &tls.Config{Certificates: peer.TLS.Certificates}
	withServer(t, srv, func(addr string) error {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := expect(started, 1); err != nil {
			return err
		}
		c.Close()
		got, err := expect(ended, 1)
		if !errors.Is(got, context.Canceled) {
			t.Errorf("the handler's wait: %v", got)
		}
		return err
	})
}

func TestAClientThatHasSentItsNextRequestIsStillThere(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<%v>", asyncio.Sleep(r.Context(), 20*time.Millisecond))
	})
	withServer(t, srv, func(addr string) error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2))
		c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		first, second := strings.Index(string(got), "<<nil>>"), strings.Index(string(got), "<context canceled>")
		if first < 0 || second < first {
			t.Errorf("got %q", got)
		}
		return err
	})
}

func TestTheContextOfARequestEndsWithItsHandler(t *testing.T) {
	var asked, unasked context.Context
	var done <-chan struct{}
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Err() != nil {
			t.Error("it has ended before")
		}
		if r.URL.Path == "/asked" {
			asked, done = r.Context(), r.Context().Done()
		} else {
			unasked = r.Context()
		}
	})
	withServer(t, srv, func(addr string) error {
		_, err := talk(addr, "GET /asked HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		return err
	})
	if _, err := expect(done, 1); err != nil || asked.Err() != context.Canceled {
		t.Errorf("asked: %v, %v", err, asked.Err())
	}
	if _, err := expect(unasked.Done(), 1); err != nil || unasked.Err() != context.Canceled {
		t.Errorf("unasked: %v, %v", err, unasked.Err())
	}
	if unasked.Value(http.LocalAddrContextKey) == nil || asked.Value(http.LocalAddrContextKey) == nil {
		t.Error("the values are gone")
	}
}

func TestAHijackedConnectionIsNotReadAheadNorWatched(t *testing.T) {
	onEveryDriver(t, testAHijackedConnectionIsNotReadAheadNorWatched)
}

func testAHijackedConnectionIsNotReadAheadNorWatched(t *testing.T) {
	started, sent := make(chan bool, 1), make(chan bool, 1)
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		started <- true
		if _, err := asyncio.ToThread(r.Context(), func(context.Context) (bool, error) { return expect(sent, 1) }); err != nil {
			t.Error(err)
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		got, err := io.ReadAll(conn) // and not through the buffered reader
		fmt.Fprintf(conn, "%s, %v, %v", got, err, asyncio.Sleep(r.Context(), 5*time.Millisecond))
	})
	withServer(t, srv, func(addr string) error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := expect(started, 1); err != nil {
			return err
		}
		io.WriteString(c, "for the new owner")
		sent <- true
		c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		if string(got) != "for the new owner, <nil>, <nil>" {
			t.Errorf("got %q", got)
		}
		return err
	})
}
