package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// roundTripper answers requests in the coroutine that makes them.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// fetched is the outcome of a run.
type fetched struct {
	code        fetch.Code
	out, errs   string
	virtualTime time.Duration
}

// onVirtualClock runs fetch on the virtual clock.
func onVirtualClock(t testing.TB, o *fetch.Options, stdin string, rt roundTripper) fetched {
	t.Helper()
	var out, errs bytes.Buffer
	var f fetched
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		began := loop.Time()
		f.code = fetch.RunWith(ctx, o, fetch.Streams{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs}, rt)
		f.virtualTime = loop.Time() - began
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
	f.out, f.errs = out.String(), errs.String()
	return f
}

func urls(list ...string) (targets []fetch.Target) {
	for _, u := range list {
		targets = append(targets, fetch.Target{URL: u})
	}
	return targets
}

func TestBoundsOfParallelTransfersHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hosts := rapid.IntRange(1, 4).Draw(rt, "hosts")
		n := rapid.IntRange(1, 40).Draw(rt, "urls")
		o := &fetch.Options{
			ParallelMax:     rapid.IntRange(1, 8).Draw(rt, "parallel-max"),
			ParallelMaxHost: rapid.IntRange(0, 3).Draw(rt, "parallel-max-host"),
			Silent:          true,
			Retry:           rapid.IntRange(0, 2).Draw(rt, "retry"),
		}
		for i := range n {
			o.Targets = append(o.Targets, fetch.Target{URL: fmt.Sprintf("http://h%d/%d", i%hosts, i)})
		}
		active, activeAt, seen := 0, map[string]int{}, map[string]int{}
		f := onVirtualClock(t, o, "", func(r *http.Request) (*http.Response, error) {
			host := r.URL.Host
			active++
			activeAt[host]++
			if active > o.ParallelMax || o.ParallelMaxHost > 0 && activeAt[host] > o.ParallelMaxHost {
				rt.Errorf("%d transfers, %d to %s", active, activeAt[host], host)
			}
			delay := time.Duration(rapid.IntRange(0, 20).Draw(rt, "latency")) * time.Millisecond
			err := asyncio.Sleep(r.Context(), delay)
			active--
			activeAt[host]--
			seen[r.URL.Path]++
			if err == nil && seen[r.URL.Path] <= o.Retry && rapid.Bool().Draw(rt, "busy") {
				return answer(r, 503, "busy"), nil
			}
			return answer(r, 200, "."), err
		})
		if f.code != 0 || len(seen) != n || f.out != strings.Repeat(".", n) {
			rt.Fatalf("%d of %d URLs, %+v", len(seen), n, f)
		}
	})
}

func TestARateSpacesTheStarts(t *testing.T) {
	rate, err := fetch.ParseRate("10/s")
	if err != nil {
		t.Fatal(err)
	}
	f := onVirtualClock(t, &fetch.Options{Targets: urls("a", "b", "c", "d", "e"), Rate: rate, Silent: true}, "",
		func(r *http.Request) (*http.Response, error) { return answer(r, 200, "x"), nil })
	if f.virtualTime != 400*time.Millisecond || f.out != "xxxxx" {
		t.Fatalf("%+v", f)
	}
}

func TestATransientTroubleIsTriedAgainWithGrowingDelays(t *testing.T) {
	tries := 0
	f := onVirtualClock(t, &fetch.Options{Targets: urls("http://a/"), Retry: 5}, "", func(r *http.Request) (*http.Response, error) {
		if tries++; tries < 4 {
			return answer(r, 503, "not this"), nil
		}
		return answer(r, 200, "this"), nil
	})
	if f.code != 0 || f.out != "this" || f.virtualTime != 7*time.Second || strings.Count(f.errs, "trying again") != 3 {
		t.Fatalf("%+v", f)
	}
}

func TestABodyThatBreaksOffIsWrittenOnceWhenItIsTriedAgain(t *testing.T) {
	tries := 0
	f := onVirtualClock(t, &fetch.Options{Targets: urls("http://a/"), Retry: 1, RetryAllErrors: true, Silent: true}, "", func(r *http.Request) (*http.Response, error) {
		resp := answer(r, 200, "whole")
		if tries++; tries == 1 {
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("who"), broken{}))
		}
		return resp, nil
	})
	if f.code != 0 || f.out != "whole" || tries != 2 {
		t.Fatalf("%+v after %d tries", f, tries)
	}
}

// broken is a body that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAfterTheLastTryTheErrorStands(t *testing.T) {
	f := onVirtualClock(t, &fetch.Options{Targets: urls("http://a/"), Retry: 2, Fail: true}, "", func(r *http.Request) (*http.Response, error) {
		return answer(r, 502, "no"), nil
	})
	if f.code != fetch.HTTPStatus || f.out != "" || f.virtualTime != 3*time.Second || !strings.Contains(f.errs, "(22) http://a/: the requested URL returned error: 502") {
		t.Fatalf("%+v", f)
	}
}

func TestAServerThatNeverAnswersIsGivenUp(t *testing.T) {
	f := onVirtualClock(t, &fetch.Options{Targets: urls("http://a/", "http://b/"), MaxTime: time.Minute}, "", func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "b" {
			return answer(r, 200, "b"), nil
		}
		return nil, asyncio.Sleep(r.Context(), time.Hour)
	})
	if f.code != fetch.TimedOut || f.out != "b" || f.virtualTime != time.Minute || !strings.Contains(f.errs, "asyncio: (28) http://a/: operation timed out after 60000 milliseconds with 0 bytes received") {
		t.Fatalf("%+v", f)
	}
}

// dripping is a body that yields one byte an interval.
type dripping struct {
	ctx      context.Context
	interval time.Duration
}

func (d dripping) Read(p []byte) (int, error) {
	p[0] = '.'
	return 1, asyncio.Sleep(d.ctx, d.interval)
}

func TestATransferThatIsTooSlowForTooLongIsGivenUp(t *testing.T) {
	f := onVirtualClock(t, &fetch.Options{Targets: urls("http://a/"), SpeedLimit: 10, SpeedTime: 20 * time.Second}, "", func(r *http.Request) (*http.Response, error) {
		resp := answer(r, 200, "")
		resp.ContentLength = 1 << 20
		resp.Body = io.NopCloser(dripping{r.Context(), time.Second})
		return resp, nil
	})
	if f.code != fetch.TimedOut || f.virtualTime != 20*time.Second || !strings.Contains(f.errs, "less than 10 bytes/sec") {
		t.Fatalf("%+v", f)
	}
}

func TestTheExitCodeIsThatOfTheFirstURLThatFailed(t *testing.T) {
	f := onVirtualClock(t, &fetch.Options{Targets: urls("http://ok/", "http://slow/", "ftp://x/"), MaxTime: time.Second, Silent: true}, "", func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "ok" {
			return answer(r, 200, ""), nil
		}
		return nil, asyncio.Sleep(r.Context(), time.Hour)
	})
	if f.code != fetch.TimedOut || f.errs != "" {
		t.Fatalf("%+v", f)
	}
}

func TestAListIsReadAsFarAsItIsNeeded(t *testing.T) {
	const n = 20000
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "http://h%d/\n", i%7)
	}
	done := 0
	f := onVirtualClock(t, &fetch.Options{Targets: []fetch.Target{{List: "-"}}, ParallelMaxHost: 3}, list.String(), func(r *http.Request) (*http.Response, error) {
		done++
		return answer(r, 200, ""), nil
	})
	if f.code != 0 || done != n || !strings.HasPrefix(f.errs, "asyncio: 20000 fetched, 0 failed, 0 B in ") {
		t.Fatalf("%d done, %+v", done, f)
	}
}

func TestAListThatIsNotThereIsAnErrorAndTheRestIsFetched(t *testing.T) {
	f := onVirtualClock(t, &fetch.Options{Targets: []fetch.Target{{List: "/nonexistent/list"}, {URL: "http://a/"}}}, "", func(r *http.Request) (*http.Response, error) {
		return answer(r, 200, "a"), nil
	})
	if f.code != fetch.ReadFailed || f.out != "a" || !strings.Contains(f.errs, "(26) list /nonexistent/list: ") {
		t.Fatalf("%+v", f)
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	f := onVirtualClock(t, &fetch.Options{Targets: urls("http://me:secret@a/")}, "", func(r *http.Request) (*http.Response, error) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			t.Error("not sent")
		}
		return nil, errors.New("no")
	})
	if strings.Contains(f.errs, "secret") || !strings.Contains(f.errs, "me:xxxxx@a") {
		t.Fatalf("%+v", f)
	}
}

func TestProgressIsShownOnATerminalOnly(t *testing.T) {
	var errs bytes.Buffer
	o := &fetch.Options{Targets: urls("http://a/", "http://b/")}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		fetch.RunWith(ctx, o, fetch.Streams{Stdout: io.Discard, Stderr: &errs, Width: func() int { return 80 }}, roundTripper(func(r *http.Request) (*http.Response, error) {
			d := 100 * time.Millisecond
			if r.URL.Host == "b" {
				d = 1100 * time.Millisecond
			}
			err := asyncio.Sleep(r.Context(), d)
			return answer(r, 200, "x"), err
		}))
		return nil
	}, asyncio.WithVirtualClock())
	got := errs.String()
	if err != nil || strings.Count(got, "1/2 1 active") != 2 || !strings.Contains(got, "2 fetched") {
		t.Fatalf("%v: %q", err, got)
	}
}

// ready is a body that never makes anybody wait.
type ready struct{ left int }

func (r *ready) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}

func TestABodyThatNeverWaitsLetsOthersHaveTheirTurn(t *testing.T) {
	o := &fetch.Options{Silent: true, WriteOut: "%{urlnum} ", Targets: []fetch.Target{
		{URL: "http://much/", Output: fetch.Output{Kind: fetch.ToNowhere}},
		{URL: "http://little/", Output: fetch.Output{Kind: fetch.ToNowhere}},
	}}
	f := onVirtualClock(t, o, "", func(r *http.Request) (*http.Response, error) {
		resp := answer(r, 200, "")
		if r.URL.Host == "much" {
			resp.Body = io.NopCloser(&ready{100 << 20})
			return resp, nil
		}
		for range 10 {
			if err := asyncio.Sleep(r.Context(), 0); err != nil {
				return nil, err
			}
		}
		return resp, nil
	})
	if f.code != 0 || f.out != "1 0 " {
		t.Fatalf("%+v", f)
	}
}

func TestAnInterruptCancelsAndCleansUp(t *testing.T) {
	dir := t.TempDir()
	var errs bytes.Buffer
	var code fetch.Code
	ctx, interrupt := context.WithCancel(t.Context())
	err := asyncio.Run(ctx, func(ctx context.Context) error {
		o := &fetch.Options{OutputDir: dir, Targets: []fetch.Target{
			{URL: "http://a/done", Output: fetch.Output{Kind: fetch.ToRemote}},
			{URL: "http://a/never", Output: fetch.Output{Kind: fetch.ToRemote}},
		}}
		code = fetch.RunWith(ctx, o, fetch.Streams{Stdout: io.Discard, Stderr: &errs}, roundTripper(func(r *http.Request) (*http.Response, error) {
			resp := answer(r, 200, "x")
			if r.URL.Path == "/never" {
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("part"), callback(interrupt), dripping{r.Context(), time.Hour}))
			}
			return resp, nil
		}))
		return nil
	}, asyncio.WithPortableDriver())
	if err != nil || code != fetch.Interrupted || !strings.Contains(errs.String(), "interrupted: 1 fetched") {
		t.Fatal(err, code, errs.String())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "done" {
		t.Fatal(entries, err)
	}
}

// callback is a body of no bytes that calls a function when it is read.
type callback func()

func (c callback) Read([]byte) (int, error) {
	c()
	return 0, io.EOF
}

func TestEncodingsAreUnpacked(t *testing.T) {
	text := strings.Repeat("the same again, ", 10000)
	packed := func(w io.WriteCloser, b *bytes.Buffer) string {
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.String()
	}
	var b1, b2, b3, b4 bytes.Buffer
	raw, _ := flate.NewWriter(&b3, 5)
	z, _ := zstd.NewWriter(&b4)
	gz := packed(gzip.NewWriter(&b1), &b1)
	for _, c := range []struct{ encoding, body string }{
		{"identity", text},
		{"gzip", gz},
		{"X-GZIP", gz},
		{"deflate", packed(zlib.NewWriter(&b2), &b2)},
		{"deflate", packed(raw, &b3)},
		{"zstd", packed(z, &b4)},
		{"gzip, identity", gz},
	} {
		r, done, err := fetch.Decoded(strings.NewReader(c.body), c.encoding)
		if err != nil {
			t.Fatal(c.encoding, err)
		}
		got, err := io.ReadAll(r)
		done()
		if err != nil || string(got) != text {
			t.Errorf("%s: %d bytes, %v", c.encoding, len(got), err)
		}
		if c.encoding == "identity" {
			continue
		}
		r, done, _ = fetch.Decoded(strings.NewReader(c.body[:len(c.body)-3]), c.encoding)
		if _, err = io.ReadAll(r); err == nil {
			t.Errorf("%s: no error for one that is cut off", c.encoding)
		}
		done()
		r, done, _ = fetch.Decoded(strings.NewReader(""), c.encoding)
		if got, err = io.ReadAll(r); err != nil || len(got) > 0 {
			t.Errorf("%s of nothing: %d bytes, %v", c.encoding, len(got), err)
		}
		done()
	}
	for _, encoding := range []string{"foo", "gzip, gzip, gzip, gzip, gzip, gzip"} {
		if _, _, err := fetch.Decoded(strings.NewReader(""), encoding); err == nil {
			t.Errorf("%s is taken", encoding)
		}
	}
}
