package asynchttp

import (
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
)

func TestWhichRequestsMayBeSentTwice(t *testing.T) {
	some := io.NopCloser(strings.NewReader("x"))
	again := func() (io.ReadCloser, error) { return some, nil }
	for _, x := range []struct {
		r          http.Request
		rewindable bool
		harmless   bool
	}{
		{http.Request{}, true, true},
		{http.Request{Method: "GET"}, true, true},
		{http.Request{Method: "HEAD"}, true, true},
		{http.Request{Method: "OPTIONS"}, true, true},
		{http.Request{Method: "TRACE"}, true, true},
		{http.Request{Method: "DELETE", Body: http.NoBody}, true, true},
		{http.Request{Method: "PUT", Body: some}, false, true},
		{http.Request{Method: "PUT", Body: some, GetBody: again}, true, true},
		{http.Request{Method: "POST"}, true, false},
		{http.Request{Method: "PATCH", Body: some, GetBody: again}, true, false},
		{http.Request{Method: "POST", Header: http.Header{"Idempotency-Key": nil}}, true, true},
		{http.Request{Method: "POST", Header: http.Header{"X-Idempotency-Key": {"1"}}}, true, true},
		{http.Request{Method: "POST", Body: some, Header: http.Header{"Idempotency-Key": {"1"}}}, false, true},
	} {
		if rewindable(&x.r) != x.rewindable || idempotent(&x.r) != x.harmless || replayable(&x.r) != (x.rewindable && x.harmless) {
			t.Errorf("%s %v: %v, %v, %v", x.r.Method, x.r.Header, rewindable(&x.r), idempotent(&x.r), replayable(&x.r))
		}
	}
}

func TestARequestIsSentAgainFromTheBeginningOfItsBody(t *testing.T) {
	first, second := io.NopCloser(strings.NewReader("x")), io.NopCloser(strings.NewReader("x"))
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r := &http.Request{Body: body}
		if again, err := rewind(r); again != r || err != nil {
			t.Error(again, err)
		}
	}
	r := &http.Request{Method: "PUT", Body: first, GetBody: func() (io.ReadCloser, error) { return second, nil }}
	if again, err := rewind(r); err != nil || again.Body != second || again.Method != "PUT" || r.Body != first {
		t.Error(again, err)
	}
	gone := errors.New("gone")
	r.GetBody = func() (io.ReadCloser, error) { return nil, gone }
	var body *RequestBodyError
	if again, err := rewind(r); again != nil || !errors.As(err, &body) || !errors.Is(err, gone) {
		t.Error(again, err)
	}
}

func TestWhichTroubleMayPass(t *testing.T) {
	network := func(err error) error { return &net.OpError{Op: "read", Err: err} }
	for _, x := range []struct {
		err    error
		passes bool
	}{
		{network(errors.New("reset")), true}, {&TimeoutError{"connection"}, true}, {ErrEmptyReply, true},
		{io.EOF, true}, {fmt.Errorf("body: %w", io.ErrUnexpectedEOF), true}, {errors.New("what"), false},
		{&TLSError{"x", network(io.EOF)}, false}, {&MalformedResponseError{io.EOF}, false},
		{fmt.Errorf("%w: %w", &UnsupportedSchemeError{"ftp"}, io.EOF), false}, {&RequestBodyError{io.EOF}, false},
		{network(ErrTransportClosed), false}, {network(ErrHeaderTooLarge), false}, {network(ErrTooManyInformational), false},
		{network(asyncio.ErrWrongGoroutine), false}, {network(asyncio.ErrWrongLoop), false},
		{network(asyncio.ErrNotInTask), false}, {network(asyncio.ErrNoRunningLoop), false},
	} {
		if passingTrouble(x.err) != x.passes {
			t.Errorf("%v: %v", x.err, !x.passes)
		}
	}
}

func TestWhatRetryAfterMeans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, " 7 ": 7 * time.Second, "2147483647": 2147483647 * time.Second, "Mon, 01 Jan 2001 00:00:00 GMT": 0,
		"": -1, "-1": -1, "soon": -1, "2147483648": -1,
	} {
		got, ok := retryAfter(&http.Response{Header: http.Header{"Retry-After": {text}}})
		if ok != (want >= 0) || got != max(0, want) {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	if got, ok := retryAfter(nil); got != 0 || ok {
		t.Error("nothing asks for", got)
	}
}

func TestPausesStayBelowTheirLimit(t *testing.T) {
	deadline := func(after time.Duration) context.Context {
		ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(after))
		t.Cleanup(cancel)
		return ctx
	}
	asks := &http.Response{Header: http.Header{"Retry-After": {"10"}}}
	for name, x := range map[string]struct {
		r           Retrier
		ctx         context.Context
		resp        *http.Response
		retries     int
		least, most time.Duration // most 0: no other attempt
	}{
		"first":              {Retrier{MinWait: 8, MaxWait: 100}, nil, nil, 0, 0, 7},
		"second":             {Retrier{MinWait: 8, MaxWait: 100}, nil, nil, 1, 0, 15},
		"the limit":          {Retrier{MinWait: 8, MaxWait: 9}, nil, nil, 5, 0, 8},
		"default least":      {Retrier{}, nil, nil, 0, 0, DefaultRetryMinWait - 1},
		"default most":       {Retrier{}, nil, nil, 29, 0, DefaultRetryMaxWait - 1},
		"an overflow":        {Retrier{MinWait: time.Hour, MaxWait: 3}, nil, nil, 63, 0, 2},
		"none":               {Retrier{MinWait: -1, MaxWait: -1}, nil, nil, 3, 0, 1},
		"what is asked for":  {Retrier{MinWait: 8}, nil, asks, 0, 10 * time.Second, 10 * time.Second},
		"as much as may be":  {Retrier{MaxRetryAfter: 10 * time.Second}, nil, asks, 0, 10 * time.Second, 10 * time.Second},
		"more than may be":   {Retrier{MaxRetryAfter: 10*time.Second - 1}, nil, asks, 0, 0, 0},
		"before the end":     {Retrier{}, deadline(time.Hour), asks, 0, 10 * time.Second, 10 * time.Second},
		"after the deadline": {Retrier{}, deadline(time.Second), asks, 0, 0, 0},
	} {
		ctx := x.ctx
		if ctx == nil {
			ctx = context.Background()
		}
		for range 30 {
			wait, ok := x.r.wait(ctx, x.resp, x.retries)
			if ok != (x.most > 0) || ok && (wait < x.least || wait > x.most) {
				t.Fatalf("%s: %v, %v", name, wait, ok)
			}
		}
	}
}
