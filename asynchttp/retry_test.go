package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// scripted is a RoundTripper that returns one answer after another: a status, with
// Retry-After behind a space, or an error.
type scripted struct {
	list   []any
	bodies []string // of the requests that came
}

func (a *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		p, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(p)
	}
	a.bodies = append(a.bodies, body)
	next := a.list[0]
	a.list = a.list[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	var status int
	var after string
	fmt.Sscan(fmt.Sprint(next), &status, &after)
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("x"))}
	if after != "" {
		resp.Header.Set("Retry-After", after)
	}
	return resp, nil
}

func TestRetrierSendsAgainWhatIsHarmlessAndMayPass(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	long := []any{503, 503, 503, 503, 503, 200}
	for name, test := range map[string]struct {
		method, key string
		list        []any
		tries       int
		end         string
		least, most time.Duration
	}{
		"success":               {"GET", "", []any{200}, 1, "200", 0, 0},
		"one that is down":      {"GET", "", []any{503, 200}, 2, "200", 0, 250 * time.Millisecond},
		"PUT has its body":      {"PUT", "", []any{502, refused, 200}, 3, "200", 0, 750 * time.Millisecond},
		"POST once":             {"POST", "", []any{503}, 1, "503", 0, 0},
		"POST with a key":       {"POST", "Idempotency-Key", []any{503, 200}, 2, "200", 0, 250 * time.Millisecond},
		"Retry-After":           {"GET", "", []any{"429 7", 200}, 2, "200", 7 * time.Second, 7 * time.Second},
		"Retry-After too long":  {"GET", "", []any{"503 3600"}, 1, "503", 0, 0},
		"beyond the deadline":   {"GET", "", []any{"503 100"}, 1, "503", 0, 0},
		"not found":             {"GET", "", []any{404}, 1, "404", 0, 0},
		"five in all":           {"GET", "", long, 5, "503", 0, 3750 * time.Millisecond},
		"the last error":        {"DELETE", "", []any{refused, refused, refused, refused, refused}, 5, "dial: connection refused", 0, 3750 * time.Millisecond},
		"no trust":              {"GET", "", []any{&asynchttp.TLSError{Host: "x", Err: errors.New("unknown")}}, 1, "asynchttp: TLS handshake with x: unknown", 0, 0},
		"not HTTP":              {"GET", "", []any{&asynchttp.MalformedResponseError{Err: errors.New("what")}}, 1, "asynchttp: malformed response: what", 0, 0},
		"an end that was early": {"GET", "", []any{asynchttp.ErrEmptyReply, 200}, 2, "200", 0, 250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				limited, cancel := context.WithDeadline(ctx, time.Now().Add(time.Minute))
				defer cancel()
				req, err := http.NewRequestWithContext(limited, test.method, "http://x/", strings.NewReader("body"))
				if err != nil {
					return err
				}
				if test.key != "" {
					req.Header.Set(test.key, "1")
				}
				base := &scripted{list: test.list}
				began := asyncio.CurrentTask(ctx).Loop().Time()
				resp, err := (&asynchttp.Retrier{Base: base}).RoundTrip(req)
				took := asyncio.CurrentTask(ctx).Loop().Time() - began
				end := fmt.Sprint(err)
				if err == nil {
					end = fmt.Sprint(resp.StatusCode)
				}
				if end != test.end || len(base.bodies) != test.tries || took < test.least || took > test.most {
					t.Errorf("%s after %d attempts in %v", end, len(base.bodies), took)
				}
				for i, body := range base.bodies {
					if body != "body" {
						t.Errorf("attempt %d sent %q", i, body)
					}
				}
				return nil
			}, asyncio.WithVirtualClock())
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestRetrierGoesByADateAndByItsOwnRules(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
		if err != nil {
			return err
		}
		date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
		base := &dated{date: date}
		told := time.Duration(0)
		r := &asynchttp.Retrier{
			Base:    base,
			Retry:   func(_ *http.Request, resp *http.Response, _ error) bool { return resp.StatusCode == 404 },
			OnRetry: func(_ *http.Request, _ *http.Response, _ error, wait time.Duration) { told = wait },
		}
		resp, err := r.RoundTrip(req)
		if err != nil || resp.StatusCode != 503 || base.n != 2 || told < 80*time.Second || told > 90*time.Second {
			t.Errorf("%v, %v after %d attempts and %v", resp, err, base.n, told)
		}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
			if err != nil {
				return err
			}
			_, err = (&asynchttp.Retrier{Base: &dated{date: date}, Retry: r.Retry}).RoundTrip(req)
			return err
		})
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error("a pause that is cancelled returned", err)
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
}

// dated asks for a date with 404, and scripted 503 then.
type dated struct {
	date string
	n    int
}

func (d *dated) RoundTrip(*http.Request) (*http.Response, error) {
	d.n++
	if d.n == 1 {
		return &http.Response{StatusCode: 404, Header: http.Header{"Retry-After": {d.date}}, Body: http.NoBody}, nil
	}
	return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody}, nil
}

// The pauses of a request whose context belongs to no loop are the Transport's.
func TestRetrierOverATransport(t *testing.T) {
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := n.Add(1)
		if i < 4 {
			w.WriteHeader(http.StatusBadGateway)
		}
		fmt.Fprint(w, i)
	}))
	defer s.Close()
	tr := &asynchttp.Transport{}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		if _, err := get(ctx, c, s.URL+"/warm"); err != nil {
			return err
		}
		c.Transport = &asynchttp.Retrier{Base: tr, MinWait: time.Millisecond}
		resp, err := c.Get(s.URL)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if p, err := io.ReadAll(resp.Body); string(p) != "4" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		return nil
	})
}

func TestRetrierStopsWhereItIsTold(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		ended, end := context.WithCancel(ctx)
		defer end()
		gone := errors.New("gone")
		for name, x := range map[string]struct {
			retries int
			base    http.RoundTripper
			tries   int
			end     string
		}{
			"never":               {-1, &scripted{list: []any{503, 200}}, 1, "503"},
			"once":                {1, &scripted{list: []any{503, 503, 200}}, 2, "503"},
			"more often":          {6, &scripted{list: []any{503, 503, 503, 503, 503, 503, 200}}, 7, "200"},
			"cancelled":           {9, &scripted{list: []any{&asyncio.CancelledError{}, 200}}, 1, (&asyncio.CancelledError{}).Error()},
			"the context's end":   {9, &scripted{list: []any{503, 200}}, 1, "503"},
			"a body that is gone": {9, &scripted{list: []any{503, 200}}, 1, "asynchttp: request body: gone"},
		} {
			within := ctx
			if name == "the context's end" {
				within = ended
				end()
			}
			req, err := http.NewRequestWithContext(within, "PUT", "http://x/", strings.NewReader("body"))
			if err != nil {
				return err
			}
			if name == "a body that is gone" {
				req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
			}
			resp, err := (&asynchttp.Retrier{Base: x.base, MaxRetries: x.retries}).RoundTrip(req)
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprint(resp.StatusCode)
			}
			if tries := len(x.base.(*scripted).bodies); got != x.end || tries != x.tries {
				t.Errorf("%s: %s after %d attempts", name, got, tries)
			}
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
}

func TestRetrierWithoutALoopClosesTheBody(t *testing.T) {
	body := &noting{r: strings.NewReader("x")}
	req, err := http.NewRequest("PUT", "http://x/", body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := (&asynchttp.Retrier{}).RoundTrip(req); resp != nil || !errors.Is(err, asyncio.ErrNoRunningLoop) || !body.closed {
		t.Error(resp, err, body)
	}
}
