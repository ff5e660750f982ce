package asynchttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// A hanging server answers with a text and then with nothing more.
type hanging struct {
	url            string
	answered, gone chan struct{} // told when it has, and when the client has gone
}

func hangs(t *testing.T, text string) hanging {
	h := hanging{answered: make(chan struct{}, 10), gone: make(chan struct{}, 10)}
	h.url = rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil { // else it has gone on the way
			io.WriteString(c, text)
			h.answered <- struct{}{}
			c.Read(make([]byte, 1))
		}
		h.gone <- struct{}{}
	})
	return h
}

// told waits for a goroutine's word.
func told(ctx context.Context, word chan struct{}) error {
	_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
		select {
		case <-word:
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	return err
}

const halfBody = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

func TestACancelledRequestClosesItsConnection(t *testing.T) {
	onEveryDriver(t, testACancelledRequestClosesItsConnection)
}

func testACancelledRequestClosesItsConnection(t *testing.T) {
	for name, text := range map[string]string{"header": "", "body": halfBody} {
		t.Run(name, func(t *testing.T) {
			srv := hangs(t, text)
			withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
				task := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, srv.url) })
				if err := told(ctx, srv.answered); err != nil {
					return err
				}
				task.CancelCause(errors.New("enough"))
				_, err := task.Await(ctx)
				if !asyncio.IsCancelled(err) || !strings.Contains(err.Error(), "enough") {
					t.Errorf("got %v", err)
				}
				return told(ctx, srv.gone)
			})
		})
	}
}

func TestTheEndOfTheContextEndsTheRequest(t *testing.T) {
	onEveryDriver(t, testTheEndOfTheContextEndsTheRequest)
}

func testTheEndOfTheContextEndsTheRequest(t *testing.T) {
	for name, text := range map[string]string{"header": "", "body": halfBody} {
		t.Run(name, func(t *testing.T) {
			srv := hangs(t, text)
			withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
				connected := false
				for limit := 100 * time.Millisecond; !connected && limit < time.Minute; limit *= 2 { // there is no word of one that never came
					short, cancel := context.WithTimeout(ctx, limit)
					defer cancel()
					_, err := get(httptrace.WithClientTrace(short, &httptrace.ClientTrace{
						GotConn: func(httptrace.GotConnInfo) { connected = true },
					}), c, srv.url)
					if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "closed") {
						t.Errorf("got %v", err)
					}
				}
				if err := told(ctx, srv.gone); err != nil {
					return err
				}
				// The client's own timeout, and a scope's.
				c.Timeout = 5 * time.Millisecond
				if _, err := get(ctx, c, srv.url); !os.IsTimeout(err) {
					t.Errorf("Client.Timeout: %v", err)
				}
				c.Timeout = 0
				err := asyncio.Timeout(ctx, 5*time.Millisecond, func(ctx context.Context) error {
					_, err := get(ctx, c, srv.url)
					return err
				})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("asyncio.Timeout: %v", err)
				}
				return nil
			})
		})
	}
}

func TestTheEndOfTheContextEndsAHandshake(t *testing.T) {
	silent := rawServer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	for _, scheme := range []string{"http", "https", "socks5"} {
		proxy, _ := url.Parse(strings.Replace(silent, "http", scheme, 1))
		withClient(t, &asynchttp.Transport{Proxy: http.ProxyURL(proxy)}, func(ctx context.Context, c *http.Client) error {
			short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			defer cancel()
			if _, err := get(short, c, "https://127.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s proxy: %v", scheme, err)
			}
			return nil
		})
	}
}

func TestAnEndedContextMakesNoRequest(t *testing.T) {
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := get(ended, c, "http://127.0.0.1:1"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		return nil
	})
}

func TestResponseHeaderTimeout(t *testing.T) {
	srv := hangs(t, "HTTP/1.1 200 OK\r\n")
	tr := &asynchttp.Transport{ResponseHeaderTimeout: 5 * time.Millisecond}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		_, err := get(ctx, c, srv.url)
		var e *asynchttp.TimeoutError
		if !errors.As(err, &e) || !os.IsTimeout(err) {
			t.Errorf("got %v", err)
		}
		return told(ctx, srv.gone)
	})
}

func TestTLSHandshakeTimeout(t *testing.T) {
	url := rawServer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	tr := &asynchttp.Transport{TLSHandshakeTimeout: 5 * time.Millisecond}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		_, err := get(ctx, c, strings.Replace(url, "http:", "https:", 1))
		var e *asynchttp.TimeoutError
		if !errors.As(err, &e) || e.Op != "TLS handshake" {
			t.Errorf("got %v", err)
		}
		return nil
	})
}

func TestCloseEndsAReadOfAnotherTask(t *testing.T) { onEveryDriver(t, testCloseEndsAReadOfAnotherTask) }

func testCloseEndsAReadOfAnotherTask(t *testing.T) {
	srv := hangs(t, halfBody)
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", srv.url, nil)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		var half asyncio.Event
		reader := asyncio.CreateTask(ctx, func(context.Context) (string, error) {
			b := make([]byte, 4)
			if _, err := io.ReadFull(resp.Body, b); err != nil {
				return "", err
			}
			half.Set()
			_, err := resp.Body.Read(b)
			return string(b), err
		})
		if err := half.Wait(ctx); err != nil {
			return err
		}
		if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, asynchttp.ErrConcurrentRead) {
			t.Errorf("two readers: %v", err)
		}
		resp.Body.Close()
		if _, err := reader.Await(ctx); !errors.Is(err, asynchttp.ErrBodyClosed) {
			t.Errorf("got %v", err)
		}
		return told(ctx, srv.gone)
	})
}

func TestCloseOnAnotherGoroutineIsServedByTheLoop(t *testing.T) {
	srv := hangs(t, halfBody)
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", srv.url, nil)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) {
			if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("read: %v", err)
			}
			return 0, resp.Body.Close()
		})
		if err != nil {
			return err
		}
		return told(ctx, srv.gone)
	})
}

func TestCloseOfTheTransportEndsWhatIsUnderWay(t *testing.T) {
	srv := hangs(t, halfBody)
	tr := &asynchttp.Transport{MaxConnsPerHost: 1}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		reading := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, srv.url) })
		waiting := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, srv.url) })
		if err := told(ctx, srv.answered); err != nil {
			return err
		}
		tr.Close()
		for name, task := range map[string]*asyncio.Task[string]{"reading": reading, "waiting": waiting} {
			if _, err := task.Await(ctx); !errors.Is(err, asynchttp.ErrTransportClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := get(ctx, c, srv.url); !errors.Is(err, asynchttp.ErrTransportClosed) {
			t.Errorf("a later one: %v", err)
		}
		return nil
	})
}
