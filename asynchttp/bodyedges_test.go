package asynchttp_test

import (
	"bytes"
	"compress/gzip"
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

// Whatever carries a body, its end and its errors stay.
func TestTheEndOfABodyStays(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, "hello")
	z.Close()
	const ok = "HTTP/1.1 200 OK\r\n"
	short := packed.String()[:packed.Len()-9]
	for name, x := range map[string]struct {
		answer, body string
		err          error
		says         string // the error; empty: anything
	}{
		"length":         {ok + "Content-Length: 5\r\n\r\nhello", "hello", io.EOF, ""},
		"chunks":         {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", io.EOF, ""},
		"gzip":           {ok + fmt.Sprintf("Content-Encoding: GZIP\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String()), "hello", io.EOF, ""},
		"empty gzip":     {ok + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", io.EOF, ""},
		"cut":            {ok + "Content-Length: 7\r\n\r\nhello", "hello", io.ErrUnexpectedEOF, "body ended after 5 of 7 bytes"},
		"cut chunks":     {ok + "Transfer-Encoding: chunked\r\n\r\n7\r\nhello", "hello", io.ErrUnexpectedEOF, "body ended early, after 5 bytes"},
		"cut gzip":       {ok + fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(short), short), "hello", io.ErrUnexpectedEOF, "gzip response body ended early"},
		"cut under gzip": {ok + fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), short), "hello", io.ErrUnexpectedEOF, "asynchttp: response body ended after"},
	} {
		for _, how := range []struct {
			timeout time.Duration
			copied  bool
		}{{0, false}, {time.Hour, false}, {0, true}, {time.Hour, true}} {
			timeout, copied := how.timeout, how.copied
			tr := &asynchttp.Transport{BodyTimeout: timeout, DialContext: dialAnswer(t, x.answer)}
			withClient(t, tr, func(ctx context.Context, c *http.Client) error {
				req, _ := http.NewRequestWithContext(ctx, "GET", "http://a/", nil)
				resp, err := c.Do(req)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				if n, err := resp.Body.Read(nil); n != 0 || err != nil && x.body != "" {
					t.Errorf("%s: a Read into nothing: %d, %v", name, n, err)
				}
				got, err := readAll(resp.Body, copied)
				if err == nil {
					err = io.EOF
				}
				if x.says != "" && !strings.Contains(err.Error(), x.says) {
					t.Errorf("%s: the error is %v, want %s", name, err, x.says)
				}
				if !strings.HasPrefix(x.body, string(got)) || x.err == io.EOF && string(got) != x.body || !errors.Is(err, x.err) {
					t.Errorf("%s: %q, %v", name, got, err)
				}
				for range 2 {
					n, again := resp.Body.Read(make([]byte, 8))
					if n != 0 || again == nil || again.Error() != err.Error() {
						t.Errorf("%s: a Read after the end: %d, %v", name, n, again)
					}
				}
				return nil
			})
		}
	}
}

// readAll reads r to its end, or copies it, and does not take it for progress when
// nothing was read.
func readAll(r io.Reader, copied bool) (all []byte, err error) {
	if copied {
		var out bytes.Buffer
		_, err = io.Copy(&out, r)
		return out.Bytes(), err
	}
	p := make([]byte, 512)
	for {
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if n == 0 {
			return all, io.ErrNoProgress
		}
	}
}

// dialAnswer dials a server that gives the same bytes to each connection and
// closes.
func dialAnswer(t *testing.T, text string) func(ctx context.Context, network, addr string) (*asyncio.Stream, error) {
	return unixServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			io.WriteString(c, text)
		}
	})
}

func TestABodyWithATimeLimitIsCopiedAndIsForTheLoop(t *testing.T) {
	tr := &asynchttp.Transport{BodyTimeout: time.Hour, DialContext: dialAnswer(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		for range 2 { // the second has the first one's buffer
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://a/", nil)
			resp, err := c.Do(req)
			if err != nil {
				return err
			}
			for what, f := range map[string]func() (int64, error){
				"Read":    func() (int64, error) { n, err := resp.Body.Read(make([]byte, 5)); return int64(n), err },
				"WriteTo": func() (int64, error) { return resp.Body.(io.WriterTo).WriteTo(io.Discard) },
			} {
				n, err := asyncio.ToThread(ctx, func(context.Context) (int64, error) { return f() })
				if n != 0 || !errors.Is(err, asyncio.ErrWrongGoroutine) {
					t.Errorf("%s on another goroutine: %d, %v", what, n, err)
				}
			}
			var out strings.Builder
			if n, err := io.Copy(&out, resp.Body); n != 5 || err != nil || out.String() != "hello" {
				t.Errorf("%d, %v, %q", n, err, out.String())
			}
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
}

// A body with a time limit that is closed early ends its connection.
func TestABodyWithATimeLimitIsClosed(t *testing.T) {
	tr := &asynchttp.Transport{BodyTimeout: time.Hour, DialContext: dialAnswer(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://a/", nil)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if all, _, _ := tr.Counts(); all != 0 {
			t.Errorf("%d connections are left", all)
		}
		if n := asyncio.CurrentTask(ctx).Loop().Stats().Timers; n > 1 { // that of run
			t.Errorf("%d timers are left", n)
		}
		if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != asynchttp.ErrBodyClosed {
			t.Errorf("after Close: %d, %v", n, err)
		}
		return nil
	})
}

// The time limit of bodies leaves responses alone that have none.
func TestATimeLimitIsForBodiesOnly(t *testing.T) {
	for status, answer := range map[int]string{
		204: "HTTP/1.1 204 No Content\r\n\r\n",
		200: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		101: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello",
	} {
		tr := &asynchttp.Transport{BodyTimeout: time.Hour, DialContext: dialAnswer(t, answer)}
		withClient(t, tr, func(ctx context.Context, c *http.Client) error {
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://a/", nil)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "x")
			resp, err := tr.RoundTrip(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, writes := resp.Body.(io.Writer)
			if resp.StatusCode != status || writes != (status == 101) || (resp.Body == http.NoBody) != (status != 101) {
				t.Errorf("%d has a body of %T", resp.StatusCode, resp.Body)
			}
			return nil
		})
	}
}

// A request that cannot be sent again gets no connection on which something has
// come that nobody asked for.
func TestAConnectionWithWhatNobodyAskedForIsNotTaken(t *testing.T) {
	answered, more, came := make(chan struct{}, 2), make(chan struct{}, 1), make(chan struct{}, 1)
	dial := unixServer(t, func(c net.Conn) {
		if skipHead(c) != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		answered <- struct{}{}
		if _, ok := <-more; ok {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
			came <- struct{}{}
		}
		io.Copy(io.Discard, c)
	})
	withClient(t, &asynchttp.Transport{DialContext: dial}, func(ctx context.Context, c *http.Client) error {
		defer close(more)
		if _, err := get(ctx, c, "http://a/"); err != nil {
			return err
		}
		more <- struct{}{}
		if err := told(ctx, came); err != nil {
			return err
		}
		_, got, err := fetch(ctx, c, "POST", "http://a/", io.MultiReader(strings.NewReader("x")))
		if got != "ok" || err != nil {
			t.Errorf("it got %q, %v", got, err)
		}
		return nil
	})
}
