package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp"
)

func TestABodyThatTheHandlerHasClosedIsNotReadOn(t *testing.T) {
	var got []error
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		p := make([]byte, 2)
		_, first := io.ReadFull(r.Body, p)
		closed := r.Body.Close()
		n, again := r.Body.Read(p)
		got = append(got, first, closed, again)
		fmt.Fprint(w, n)
	})
	withServer(t, srv, func(addr string) error {
		answers, err := talk(addr, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"+"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if strings.Count(answers, "HTTP/1.1 200 OK") != 2 { // the rest of the first body is skipped
			t.Errorf("the client was told %q", answers)
		}
		return err
	})
	if len(got) != 6 || got[0] != nil || got[1] != nil || got[2] != http.ErrBodyReadAfterClose {
		t.Error(got)
	}
}

func TestObserveCountsStringsAndCanBeUnwrapped(t *testing.T) {
	var seen []string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.WriteString(w, "hello"); n != 5 || err != nil {
			t.Error(n, err)
		}
		if n, err := w.(io.StringWriter).WriteString("you"); n != 3 || err != nil {
			t.Error(n, err)
		}
		below := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
		if below == nil || below == w || below.Header() == nil {
			t.Error("below is", below)
		}
	})
	srv := &asynchttp.Server{Handler: asynchttp.Observe(h, func(o *asynchttp.Observation) {
		seen = append(seen, fmt.Sprintf("%d %d", o.Status, o.Bytes))
	})}
	withServer(t, srv, func(addr string) error {
		answer, err := talk(addr, "GET / HTTP/1.0\r\n\r\n")
		if !strings.HasSuffix(answer, "\r\n\r\nhelloyou") {
			t.Errorf("%q", answer)
		}
		return err
	})
	if fmt.Sprint(seen) != "[200 8]" {
		t.Error(seen)
	}
}

func TestStatusesWithoutATextHaveALine(t *testing.T) {
	srv := handle(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(599) })
	withServer(t, srv, func(addr string) error {
		for request, want := range map[string]string{
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n": "HTTP/1.1 599 status code 599\r\n",
			"GET / HTTP/1.0\r\n\r\n":                                 "HTTP/1.0 599 status code 599\r\n",
		} {
			answer, err := talk(addr, request)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(answer, want) {
				t.Errorf("%q", answer)
			}
		}
		return nil
	})
}

var registerDefault = sync.OnceFunc(func() {
	http.HandleFunc("/of-the-default-mux", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") })
})

func TestAServerWithoutAHandlerAsksTheDefaultOne(t *testing.T) {
	registerDefault()
	withServer(t, &asynchttp.Server{}, func(addr string) error {
		answer, err := talk(addr, "GET /of-the-default-mux HTTP/1.0\r\n\r\n")
		if !strings.HasSuffix(answer, "\r\n\r\nhere") {
			t.Errorf("%q", answer)
		}
		return err
	})
}

func TestTheListenerOfBaseContextHasAnAddressOnly(t *testing.T) {
	var asked net.Listener
	srv := handle(func(w http.ResponseWriter, r *http.Request) {})
	srv.BaseContext = func(l net.Listener) context.Context {
		asked = l
		return context.Background()
	}
	withServer(t, srv, func(addr string) error {
		if asked == nil || asked.Addr().String() != addr {
			t.Fatal(asked)
		}
		c, err := asked.Accept()
		if closed := asked.Close(); c != nil || err == nil || closed == nil || !errors.Is(err, closed) {
			t.Error(c, err, closed)
		}
		return nil
	})
}
