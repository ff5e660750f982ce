package asynchttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// What a client sends on one connection, byte by byte, and what it gets: the
// status of each answer, and whether more may follow.
func TestRequestsOnAConnectionAreAnsweredUntilItsEnd(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	const last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	post := func(headers, body string) string { return "POST / HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body }
	for name, x := range map[string]struct{ send, want string }{
		"one after the other":         {get + get + last, "200:GET / 200:GET / 200:GET /last"},
		"line breaks between":         {get + "\r\n\n\r\n" + last, "200:GET / 200:GET /last"},
		"a body":                      {post("Content-Length: 3\r\n", "abc") + last, "200:POST /abc 200:GET /last"},
		"a body in chunks":            {post("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n") + last, "200:POST /abc 200:GET /last"},
		"a body and trailers":         {post("Transfer-Encoding: chunked\r\nTrailer: X-T\r\n", "1\r\na\r\n0\r\nX-T: 1\r\n\r\n") + last, "200:POST /a 200:GET /last"},
		"HEAD":                        {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + last, "200: 200:GET /last"},
		"HTTP/1.0":                    {"GET / HTTP/1.0\r\n\r\n" + last, "200:GET /"},
		"HTTP/1.0 that is kept":       {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + last, "200:GET / 200:GET /last"},
		"a close":                     {last + get, "200:GET /last"},
		"another protocol":            {"GET / HTTP/3.1\r\nHost: x\r\n\r\n" + last, "505"},
		"no request":                  {"what?\r\n\r\n" + last, "400"},
		"no host":                     {"GET / HTTP/1.1\r\n\r\n" + last, "400"},
		"two hosts":                   {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n" + last, "400"},
		"a host that is none":         {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + last, "400"},
		"a host over two lines":       {"GET / HTTP/1.1\r\nHost: x\r\n\ty\r\n\r\n" + last, "400"},
		"a field without a colon":     {"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n" + last, "400"},
		"a field with a space":        {"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n" + last, "400"},
		"another encoding":            {post("Transfer-Encoding: gzip\r\n", "") + last, "501"},
		"two lengths":                 {post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab") + last, "400"},
		"a negative length":           {post("Content-Length: -1\r\n", "") + last, "400"},
		"a length and chunks":         {post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n") + last, "200:POST /a"},
		"a header that is too large":  {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 10000) + "\r\n\r\n" + last, "431"},
		"an expectation that is none": {post("Expect: something\r\nContent-Length: 1\r\n", "a") + last, "417"},
		"the server":                  {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + last, "200: 200:GET /last"},
		"the whole address":           {"GET http://y/z HTTP/1.1\r\nHost: x\r\n\r\n" + last, "200:GET /z 200:GET /last"},
		"an end in the header":        {"GET / HTTP/1.1\r\nHo", "400"},
		"an end in the body":          {post("Content-Length: 5\r\n", "abc"), "200:POST /abc unexpected EOF"},
		"nothing":                     {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := handle(func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%s %s%s", r.Method, r.URL.Path, b)
				if err != nil {
					fmt.Fprint(w, " ", err)
				}
			})
			srv.MaxHeaderBytes = 4096
			withServer(t, srv, func(addr string) error {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return err
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.WriteString(c, x.send); err != nil {
					return err
				}
				if strings.Contains(name, "an end in") || name == "nothing" {
					c.(*net.TCPConn).CloseWrite()
				}
				var got []string
				br := bufio.NewReader(c)
				method := strings.SplitN(x.send, " ", 2)[0]
				for {
					resp, err := http.ReadResponse(br, &http.Request{Method: method})
					if err != nil {
						if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
							t.Error(err)
						}
						break
					}
					method = "GET"
					b, err := io.ReadAll(resp.Body)
					s := fmt.Sprint(resp.StatusCode)
					if resp.StatusCode == 200 {
						s += ":" + string(b)
					}
					got = append(got, s)
					if err != nil {
						t.Error(err)
					}
				}
				if s := strings.Join(got, " "); s != x.want {
					t.Errorf("got %s, want %s", s, x.want)
				}
				return nil
			})
		})
	}
}

// A handler's own limit ends its wait, and not the body.
func TestABodyMayBeReadOnAfterALimitOfTheHandlers(t *testing.T) {
	onEveryDriver(t, func(t *testing.T) {
		waited := make(chan struct{})
		srv := handle(func(w http.ResponseWriter, r *http.Request) {
			p := make([]byte, 10)
			err := asyncio.Timeout(r.Context(), time.Millisecond, func(context.Context) error { _, err := r.Body.Read(p); return err })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first read: %v", err)
			}
			close(waited)
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %v", b, err)
		})
		withServer(t, srv, func(addr string) error {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			defer c.Close()
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
			<-waited
			io.WriteString(c, "body")
			b, err := io.ReadAll(c)
			if !strings.HasSuffix(string(b), "body <nil>") {
				t.Errorf("got %q", b)
			}
			return err
		})
	})
}

// The limit for a header begins with its first byte, also on a connection that may
// be idle for long.
func TestTheTimeForALaterHeaderBeginsWithItsFirstByte(t *testing.T) {
	srv := handle(func(http.ResponseWriter, *http.Request) {})
	srv.ReadHeaderTimeout, srv.IdleTimeout = 50*time.Millisecond, time.Hour
	withServer(t, srv, func(addr string) error {
		c, err := dialWithin(srv.ReadHeaderTimeout, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil {
			return err
		}
		defer c.Close()
		br := bufio.NewReader(c)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return err
		}
		resp.Body.Close()
		io.WriteString(c, "G")
		b, err := io.ReadAll(br)
		if err != nil {
			t.Errorf("%q, %v", b, err)
		}
		return nil
	})
}

// A connection of HTTP/2 lies idle again and again, and is closed in the end.
func TestAConnectionOfHTTP2LiesIdleMoreThanOnce(t *testing.T) {
	srv := handle(func(http.ResponseWriter, *http.Request) {})
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	srv.Protocols = &p
	run(t, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{Protocols: &p, IdleConnTimeout: 20 * time.Millisecond}
		c := &http.Client{Transport: tr}
		for range 3 {
			if _, err := get(ctx, c, "http://"+addr.String()); err != nil {
				return err
			}
			if all, idle, _ := tr.Counts(); all != 1 || idle != 1 {
				t.Errorf("%d connections, %d idle", all, idle)
			}
		}
		for all := 1; all > 0; all, _, _ = tr.Counts() {
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		if _, _, hosts := tr.Counts(); hosts != 0 {
			t.Errorf("%d hosts are known", hosts)
		}
		tr.Close()
		return srv.Shutdown(ctx)
	})
}
