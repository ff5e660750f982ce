package h2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
)

// between runs main with both sides on one loop.
func between(t *testing.T, srv *h2.Server, main func(ctx context.Context, c *h2.ClientConn, url string) error) {
	t.Helper()
	onEveryDriver(t, func(t *testing.T) {
		run(t, func(ctx context.Context) error {
			s, err := listen(ctx, srv)
			if err != nil {
				return err
			}
			var cl h2.Client
			c, err := dial(ctx, &cl, s.addr)
			if err != nil {
				return err
			}
			if err := main(ctx, c, "http://"+s.addr); err != nil {
				return err
			}
			c.Close(h2.ErrClosed)
			return errors.Join(c.WaitClosed(ctx), s.close(ctx))
		})
	})
}

func post(ctx context.Context, c *h2.ClientConn, url string, body io.Reader) (string, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", url, body)
	if err != nil {
		return "", err
	}
	_, b, err := request(c, req)
	return b, err
}

func TestAnUploadThatNobodyReadsHoldsUpNoOther(t *testing.T) {
	goOn := asyncio.NewEvent()
	srv := &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			_ = goOn.Wait(r.Context())
		}
		_, _ = io.Copy(w, r.Body)
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		*goOn = asyncio.Event{}
		held := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			return post(ctx, c, url+"/hold", bytes.NewReader(make([]byte, 3<<20)))
		})
		for range 20 {
			if body, err := post(ctx, c, url+"/", strings.NewReader("hello")); body != "hello" || err != nil {
				return fmt.Errorf("beside it: %q, %w", body, err)
			}
		}
		if held.Done() {
			t.Error("the upload has ended")
		}
		goOn.Set()
		body, err := held.Await(ctx)
		if len(body) != 3<<20 {
			t.Errorf("%d bytes came back", len(body))
		}
		return err
	})
}

// A handler that writes very much, to a client that takes it as fast as it
// comes, must not keep the loop for itself.
func TestALargeAnswerLetsOthersRun(t *testing.T) {
	turns := 0
	srv := &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := turns
		if _, err := w.Write(make([]byte, 8<<20)); err != nil {
			t.Error(err)
		}
		if n := turns - before; n < 8<<20/(256<<10) {
			t.Errorf("others had %d turns during 8 MiB", n)
		}
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		over := false
		beat := asyncio.Go(ctx, func(ctx context.Context) error {
			for !over {
				turns++
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		})
		_, err := get(ctx, c, url)
		over = true
		_, e := beat.Await(ctx)
		return errors.Join(err, e)
	})
}

func TestStreamsShareAConnectionFairly(t *testing.T) {
	var order []string
	srv := &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 2 << 20
		if r.URL.Path == "/small" {
			n = 100 << 10
		}
		_, _ = w.Write(make([]byte, n))
		order = append(order, r.URL.Path)
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		order = nil
		return errors.Join(asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for _, path := range []string{"/a", "/b", "/c", "/small"} {
				g.Go(func(ctx context.Context) error { _, err := get(ctx, c, url+path); return err })
			}
			return nil
		}), first(order, "/small"))
	})
}

func first(order []string, want string) error {
	if len(order) == 0 || order[0] != want {
		return fmt.Errorf("the order was %v", order)
	}
	return nil
}

func TestABodyThatIsReadByTwoTasksIsRefused(t *testing.T) {
	srv := &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_ = asyncio.Sleep(r.Context(), time.Minute)
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		resp, err := c.RoundTrip(req)
		if err != nil {
			return err
		}
		one := asyncio.Go(ctx, func(context.Context) error { _, err := resp.Body.Read(make([]byte, 1)); return err })
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, h2.ErrConcurrentRead) {
			t.Error(err)
		}
		resp.Body.Close()
		if _, err := one.Await(ctx); !errors.Is(err, h2.ErrBodyClosed) {
			t.Error(err)
		}
		return nil
	})
}

func TestAResetByThePeerComesAfterWhatHasCome(t *testing.T) {
	srv := &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "some")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		body, err := get(ctx, c, url)
		var stream *h2.StreamError
		if body != "some" && body != "" || !errors.As(err, &stream) || stream.Code != http2.ErrCodeInternal {
			t.Errorf("%q, %v", body, err)
		}
		var theirs http2.StreamError
		if !errors.As(err, &theirs) || theirs.Code != http2.ErrCodeInternal {
			t.Error("it is not the error of x/net/http2, too")
		}
		return nil
	})
}

func TestTheReadTimeoutOfAServerEndsTheBody(t *testing.T) {
	srv := &h2.Server{ReadTimeout: 10 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, err)
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		body, err := post(ctx, c, url, &never{ctx})
		if err != nil || !strings.Contains(body, "timeout") {
			t.Errorf("%q, %v", body, err)
		}
		return c.Err()
	})
}

func TestTheWriteTimeoutOfAServerEndsTheStream(t *testing.T) {
	srv := &h2.Server{WriteTimeout: 20 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = asyncio.Sleep(r.Context(), time.Minute)
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		var stream *h2.StreamError
		if _, err := get(ctx, c, url); !errors.As(err, &stream) {
			t.Error(err)
		}
		return c.Err()
	})
}

// never is a body of which nothing comes.
type never struct{ ctx context.Context }

func (n *never) Read([]byte) (int, error) {
	return 0, asyncio.Sleep(n.ctx, time.Minute)
}

func TestAnIdleConnectionIsShutDown(t *testing.T) {
	var early error // it was idle before this busy machine had made its request
	for limit := 10 * time.Millisecond; limit < 5*time.Second; limit *= 5 {
		if early = anIdleConnectionIsShutDown(t, limit); early == nil {
			return
		}
		t.Logf("within %v: %v", limit, early)
	}
	t.Error(early)
}

func anIdleConnectionIsShutDown(t *testing.T, limit time.Duration) (early error) {
	srv := &h2.Server{IdleTimeout: limit, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		if _, err := get(ctx, c, url); err != nil {
			early = err
			return nil
		}
		if err := c.WaitClosed(ctx); err != nil {
			return err
		}
		var conn *h2.ConnError
		if err := c.Err(); !errors.As(err, &conn) || !conn.Remote || conn.Code != http2.ErrCodeNo {
			t.Error(err)
		}
		return nil
	})
	return early
}

func TestAHeaderThatIsTooLargeIsAnswered(t *testing.T) {
	srv := &h2.Server{MaxHeaderBytes: 3000, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") })}
	onEveryDriver(t, func(t *testing.T) {
		run(t, func(ctx context.Context) error {
			s, err := listen(ctx, srv)
			if err != nil {
				return err
			}
			err = inThread(ctx, func(ctx context.Context) error {
				a, err := attack(ctx, s.addr, true)
				if err != nil {
					return err
				}
				defer a.Close()
				a.open("GET", "/", true, hpack.HeaderField{Name: "x", Value: strings.Repeat("v", 4000)})
				a.push(true)
				fr := http2.NewFramer(nil, a.Conn)
				fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
				for {
					f, err := fr.ReadFrame()
					if err != nil {
						return err
					}
					if h, ok := f.(*http2.MetaHeadersFrame); ok {
						if h.PseudoValue("status") != "431" {
							t.Error(h)
						}
						return nil
					}
				}
			})
			return errors.Join(err, s.close(ctx))
		})
	})
}

func TestUrgentStreamsComeFirst(t *testing.T) {
	var order []string
	srv := &h2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
		order = append(order, r.URL.Path)
	})}
	between(t, srv, func(ctx context.Context, c *h2.ClientConn, url string) error {
		order = nil
		return errors.Join(asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i, u := range []string{"u=7", "u=5", "u=1"} {
				g.Go(func(ctx context.Context) error {
					req, _ := http.NewRequestWithContext(ctx, "GET", fmt.Sprint(url, "/", i), nil)
					req.Header.Set("Priority", u)
					_, _, err := request(c, req)
					return err
				})
			}
			return nil
		}), first(order, "/2"))
	})
}
