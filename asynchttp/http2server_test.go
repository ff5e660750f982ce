package asynchttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/asynchttp"
	"golang.org/x/net/http2"
)

func bothVersions() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// On one port a client that begins as one of HTTP/2 is taken for one, in whatever
// pieces that comes, and every other for one of HTTP/1.
func TestThePrefaceTellsWhichVersionAClientSpeaks(t *testing.T) {
	var settings strings.Builder
	_ = http2.NewFramer(&settings, nil).WriteSettings()
	for name, x := range map[string]struct {
		pieces []string
		want   string
	}{
		"whole":            {[]string{http2.ClientPreface + settings.String()}, "SETTINGS"},
		"byte by byte":     {strings.Split(http2.ClientPreface+settings.String(), ""), "SETTINGS"},
		"without settings": {[]string{http2.ClientPreface}, "SETTINGS"},
		"HTTP/1":           {[]string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}, "200"},
		"a method like it": {[]string{"P", "R", "IX / HTTP/1.1\r\nHost: x\r\n\r\n"}, "200"},
		"almost":           {[]string{http2.ClientPreface[:20], "xxxx\r\n\r\n"}, "505"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := handle(func(http.ResponseWriter, *http.Request) {})
			srv.Protocols = bothVersions()
			withServer(t, srv, func(addr string) error {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return err
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				for _, p := range x.pieces {
					if _, err := io.WriteString(c, p); err != nil {
						return err
					}
				}
				br := bufio.NewReader(c)
				got := ""
				if begin, err := br.Peek(5); err != nil {
					got = err.Error()
				} else if string(begin) == "HTTP/" {
					resp, err := http.ReadResponse(br, nil)
					if err != nil {
						return err
					}
					got = fmt.Sprint(resp.StatusCode)
				} else if f, err := http2.NewFramer(nil, br).ReadFrame(); err != nil {
					got = err.Error()
				} else {
					got = f.Header().Type.String()
				}
				if got != x.want {
					t.Errorf("got %s, want %s", got, x.want)
				}
				return nil
			})
		})
	}
}

// What a server answers without its handler is the same over both versions.
func TestAServersOwnAnswersAreThoseOfBothVersions(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		p := new(http.Protocols)
		p.SetHTTP1(!h2)
		p.SetUnencryptedHTTP2(h2)
		srv := handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, r.RequestURI) })
		srv.Protocols = bothVersions()
		run(t, func(ctx context.Context) error {
			addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			tr := &asynchttp.Transport{Protocols: p}
			c := &http.Client{Transport: tr}
			for want, change := range map[string]func(req *http.Request){
				"200 GET/":           func(*http.Request) {},
				"200 OPTIONS/":       func(req *http.Request) { req.Method = "OPTIONS" },
				"200 0 ":             func(req *http.Request) { req.Method, req.URL.Opaque = "OPTIONS", "*" },
				"417 ":               func(req *http.Request) { req.Header.Set("Expect", "the unexpected") },
				"200 GET/?a=b&c=%20": func(req *http.Request) { req.URL.RawQuery = "a=b&c=%20" },
			} {
				req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr.String()+"/", nil)
				if err != nil {
					return err
				}
				change(req)
				resp, body, err := do(c, req)
				if err != nil {
					return err
				}
				if wantMajor := 1; resp.ProtoMajor != wantMajor && !h2 || h2 && resp.ProtoMajor != 2 {
					t.Errorf("it was HTTP/%d", resp.ProtoMajor)
				}
				got := fmt.Sprint(resp.StatusCode, " ")
				if want == "200 0 " {
					got += fmt.Sprint(resp.ContentLength, " ")
				}
				if !strings.HasPrefix(want, "417") {
					got += body
				}
				if got != want {
					t.Errorf("HTTP/2: %v: got %q, want %q", h2, got, want)
				}
			}
			tr.Close()
			return srv.Shutdown(ctx)
		})
	}
}

var http2Config = &http.HTTP2Config{
	MaxConcurrentStreams: 7, MaxReceiveBufferPerStream: 100_000, MaxReceiveBufferPerConnection: 300_000,
	SendPingTimeout: 5 * time.Millisecond, PingTimeout: 10 * time.Millisecond,
}

// greeting reads what a side of a connection says first, and waits until it asks
// whether anybody is there, and gives up.
func greeting(t *testing.T, fr *http2.Framer) (said string) {
	t.Helper()
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return said
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			_ = f.ForeachSetting(func(s http2.Setting) error { said += fmt.Sprintf("%d=%d ", s.ID, s.Val); return nil })
		case *http2.WindowUpdateFrame:
			said += fmt.Sprintf("+%d ", f.Increment)
		case *http2.PingFrame:
			return said + "ping"
		}
	}
}

func TestTheConfigurationOfHTTP2IsHeeded(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		srv := handle(func(http.ResponseWriter, *http.Request) {})
		srv.Protocols, srv.HTTP2 = bothVersions(), http2Config
		withServer(t, srv, func(addr string) error {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(c, http2.ClientPreface)
			fr := http2.NewFramer(c, c)
			_ = fr.WriteSettings()
			if said := greeting(t, fr); said != "3=7 4=100000 6=1048576 +234465 ping" {
				t.Errorf("it said %s", said)
			}
			for err == nil { // and it gives up
				_, err = fr.ReadFrame()
			}
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Error("it waits for ever")
			}
			return nil
		})
	})
	t.Run("client", func(t *testing.T) {
		said := make(chan string, 1)
		url := rawServer(t, func(c net.Conn) {
			c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
			fr := http2.NewFramer(c, c)
			_ = fr.WriteSettings()
			said <- greeting(t, fr)
			_, _ = io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c})
		})
		p := new(http.Protocols)
		p.SetUnencryptedHTTP2(true)
		withClient(t, &asynchttp.Transport{Protocols: p, HTTP2: http2Config}, func(ctx context.Context, c *http.Client) error {
			if _, err := get(ctx, c, url); err == nil || !strings.Contains(err.Error(), "PING") {
				t.Errorf("the request: %v", err)
			}
			return nil
		})
		if s := <-said; s != "2=0 4=100000 6=307200 +234465 ping" {
			t.Errorf("it said %s", s)
		}
	})
}
