package asynchttp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// Whatever a server sends, the client must come to an end, and say the same as
// net/http's parser where that reads it all.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
		"HTTP/1.1 204 No Content\r\n\r\nrest",
		"HTTP/1.1 101 Switching\r\n\r\nrest",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		dial := unixServer(t, func(c net.Conn) {
			if skipHead(c) == nil {
				c.Write(answer)
				c.(*net.UnixConn).CloseWrite()
				io.Copy(io.Discard, c)
			}
		})
		withClient(t, &asynchttp.Transport{DisableCompression: true, DialContext: dial}, func(ctx context.Context, c *http.Client) error {
			c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			resp, got, err := fetch(ctx, c, "GET", "http://x/", nil)
			want, body, wantErr := parse(answer)
			if want == http.StatusSwitchingProtocols {
				return nil // the body is the connection then
			}
			if err == nil && (wantErr != nil || got != body || resp.StatusCode != want) {
				t.Errorf("got %d %q, want %d %q, %v", resp.StatusCode, got, want, body, wantErr)
			}
			if err != nil && wantErr == nil && !strings.Contains(err.Error(), "too") && !strings.Contains(err.Error(), "Location") {
				t.Errorf("got %v, want %d %q", err, want, body)
			}
			return nil
		})
	})
}

// unixServer is rawServer on a unix socket: a port is not free again at once.
func unixServer(t *testing.T, serve func(c net.Conn)) (dial func(ctx context.Context, network, addr string) (*asyncio.Stream, error)) {
	name := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Skip("no unix sockets here: ", err)
	}
	serveRaw(t, l, serve)
	return func(ctx context.Context, _, _ string) (*asyncio.Stream, error) {
		return asyncio.OpenConnection(ctx, "unix", name)
	}
}

// shortDir is a directory with a name short enough for a socket in it.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func parse(answer []byte) (status int, body string, err error) {
	br := bufio.NewReader(bytes.NewReader(answer))
	for {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return 0, "", err
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}
}

// Whatever a client sends, the server must answer it or close the connection,
// and what it answers must be HTTP.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		srv := handle(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(w, r.Body)
			if err == nil {
				fmt.Fprintf(w, "%d", n)
			}
		})
		run(t, func(ctx context.Context) error {
			addr, err := srv.Start(ctx, "unix", filepath.Join(shortDir(t), "s"))
			if err != nil {
				return err
			}
			s, err := asyncio.OpenConnection(ctx, "unix", addr.String())
			if err != nil {
				return err
			}
			defer s.Close()
			if _, err := s.Write(text); err != nil {
				return err
			}
			if err := s.WriteEOF(); err != nil {
				return err
			}
			got, err := io.ReadAll(s)
			if err != nil && !strings.Contains(err.Error(), "reset") {
				return err
			}
			br := bufio.NewReader(bytes.NewReader(got))
			for err == nil {
				if _, e := br.Peek(1); e != nil {
					break
				}
				var resp *http.Response
				if resp, err = http.ReadResponse(br, nil); err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
				}
				if err != nil && !bytes.Contains(text, []byte("HEAD")) && !os.IsTimeout(err) {
					t.Errorf("answer %q: %v", got, err)
				}
			}
			return srv.Shutdown(ctx)
		})
	})
}
