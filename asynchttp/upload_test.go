package asynchttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/asynchttp"
)

// endless is a body without an end, which notes that it was closed.
type endless struct{ closed bool }

func (e *endless) Read(p []byte) (int, error) { return len(p), nil }
func (e *endless) Close() error {
	e.closed = true
	return nil
}

// failing is a body that fails after some bytes.
type failing struct{ err error }

func (f failing) Read(p []byte) (int, error) { return copy(p, "some"), f.err }

func TestAnAnswerBeforeTheEndOfTheUploadIsTaken(t *testing.T) {
	for name, rest := range map[string]string{"and the end": "", "and an endless answer": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			url := rawServer(t, func(c net.Conn) {
				if skipHead(c) != nil {
					return
				}
				io.ReadFull(c, make([]byte, 100000))
				io.WriteString(c, "HTTP/1.1 413 Too much\r\nContent-Length: 3\r\n\r\nno!"+rest)
				io.Copy(io.Discard, c)
			})
			withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
				body := &endless{}
				resp, got, err := fetch(ctx, c, "POST", url, body)
				if err != nil || got != "no!" || resp.StatusCode != 413 {
					t.Errorf("got %q, %v", got, err)
				}
				return nil
			})
		})
	}
}

func TestAnUploadThatIsNotWantedIsClosed(t *testing.T) {
	body := &endless{}
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		_, _, err := fetch(ctx, c, "POST", "http://127.0.0.1:1", body)
		if err == nil || !body.closed {
			t.Errorf("%v, closed %v", err, body.closed)
		}
		return nil
	})
}

func TestARequestBodyThatFailsFailsTheRequest(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	broken := errors.New("broken")
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		for name, x := range map[string]struct {
			body   io.Reader
			length int64
			want   error
		}{
			"its Read":     {failing{broken}, -1, broken},
			"too short":    {strings.NewReader("abc"), 5, nil},
			"too long":     {strings.NewReader("abc"), 2, nil},
			"long and bad": {io.MultiReader(bytes.NewReader(make([]byte, 200000)), failing{broken}), 300000, broken},
		} {
			req, _ := http.NewRequestWithContext(ctx, "PUT", srv.URL, io.NopCloser(x.body))
			req.ContentLength = x.length
			_, _, err := do(c, req)
			var e *asynchttp.RequestBodyError
			if !errors.As(err, &e) || x.want != nil && !errors.Is(err, x.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
}

func TestExpectContinue(t *testing.T) {
	for name, x := range map[string]struct {
		serve func(c net.Conn)
		want  string
		sent  bool
	}{
		"wanted": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.ReadFull(c, make([]byte, 4))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
		}, "yes", true},
		"not wanted": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
		}, "no", false},
		"not understood": {func(c net.Conn) {
			io.ReadFull(c, make([]byte, 4))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
		}, "yes", true},
	} {
		t.Run(name, func(t *testing.T) {
			url := rawServer(t, func(c net.Conn) {
				if skipHead(c) == nil {
					x.serve(c)
					io.Copy(io.Discard, c)
				}
			})
			tr := &asynchttp.Transport{ExpectContinueTimeout: time.Hour}
			if name == "not understood" {
				tr.ExpectContinueTimeout = time.Millisecond
			}
			withClient(t, tr, func(ctx context.Context, c *http.Client) error {
				body := &noting{r: strings.NewReader("body")}
				req, _ := http.NewRequestWithContext(ctx, "PUT", url, body)
				req.ContentLength = 4
				req.Header.Set("Expect", "100-continue")
				_, got, err := do(c, req)
				if err != nil || got != x.want || body.read != x.sent || !body.closed {
					t.Errorf("got %q, %v, read %v, closed %v", got, err, body.read, body.closed)
				}
				return nil
			})
		})
	}
}

// noting notes what is done to a body.
type noting struct {
	r            io.Reader
	read, closed bool
}

func (n *noting) Read(p []byte) (int, error) {
	n.read = true
	return n.r.Read(p)
}

func (n *noting) Close() error {
	n.closed = true
	return nil
}

func TestTrailers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Sum")
		io.Copy(w, r.Body)
		w.Header().Set("Sum", r.Trailer.Get("Count"))
	}))
	defer srv.Close()
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "PUT", srv.URL, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"Count": {"4"}}
		resp, got, err := do(c, req)
		if err != nil || got != "body" || resp.Trailer.Get("Sum") != "4" {
			t.Errorf("got %q, %v, %v", got, resp.Trailer, err)
		}
		return nil
	})
}

func TestSwitchingProtocolsGivesTheConnection(t *testing.T) {
	url := rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi")
			copyAll(c, c)
		}
	})
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		rw := resp.Body.(io.ReadWriteCloser)
		defer rw.Close()
		if _, err := io.WriteString(rw, "there"); err != nil {
			return err
		}
		b := make([]byte, 7)
		if _, err := io.ReadFull(rw, b); string(b) != "hithere" {
			t.Errorf("got %q, %v", b, err)
		}
		return nil
	})
}
