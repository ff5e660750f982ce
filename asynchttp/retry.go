package asynchttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// What a field of [Retrier] that is zero means.
const (
	DefaultMaxRetries    = 4
	DefaultRetryMinWait  = 250 * time.Millisecond
	DefaultRetryMaxWait  = 30 * time.Second
	DefaultMaxRetryAfter = 2 * time.Minute
)

// A Retrier is an [http.RoundTripper] that sends a request again which has failed
// in a way that may pass: the connection could not be made or broke, or the answer
// was 408, 429, 502, 503 or 504.
//
// It does so only where sending twice is harmless, that is with GET, HEAD, OPTIONS,
// TRACE, PUT and DELETE, and with any method whose request has a field
// Idempotency-Key or X-Idempotency-Key; and where the body is empty or can be had
// again (GetBody, which [http.NewRequest] sets for bodies in memory). Cancellations,
// certificates that are not trusted and answers that are not HTTP are final.
//
// Between two attempts it suspends the running task: for what the server asks for in
// Retry-After, or for a time that is drawn by chance below a limit, which doubles.
// When that would end after the context's deadline, or the server asks for too much,
// the last answer is returned as it is.
//
//	client := &http.Client{Transport: &asynchttp.Retrier{Base: transport}}
//
// It belongs to the loop of its Base. The fields must not be changed after the
// first request.
type Retrier struct {
	// Base sends the requests: a [Transport], or nil for that of the
	// [DefaultClient].
	Base http.RoundTripper

	// MaxRetries is how often a request is sent again; zero means four times, a
	// negative value never.
	MaxRetries int

	// MinWait and MaxWait bound the pauses: the first is at most MinWait, and the
	// limit doubles with each until it is MaxWait. Zero means 250 milliseconds and
	// 30 seconds.
	MinWait, MaxWait time.Duration

	// MaxRetryAfter is the longest pause that a server may ask for; zero means two
	// minutes.
	MaxRetryAfter time.Duration

	// Retry reports whether an attempt that has ended so is worth another one; one
	// of resp and err is nil. Nil means what is said above. It is not asked where
	// sending twice is not harmless.
	Retry func(req *http.Request, resp *http.Response, err error) bool

	// OnRetry is told of each pause before it begins.
	OnRetry func(req *http.Request, resp *http.Response, err error, wait time.Duration)
}

// RoundTrip implements [http.RoundTripper].
func (r *Retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	base := r.Base
	if base == nil {
		c, err := DefaultClient(req.Context())
		if err != nil {
			closeBody(req)
			return nil, err
		}
		base = c.Transport
	}
	harmless := idempotent(req) && rewindable(req)
	for retries := 0; ; retries++ {
		resp, err := base.RoundTrip(req)
		if !harmless || retries >= orDefault(r.MaxRetries, DefaultMaxRetries) || !r.worth(req, resp, err) {
			return resp, err
		}
		wait, ok := r.wait(req.Context(), resp, retries)
		if !ok {
			return resp, err
		}
		if r.OnRetry != nil {
			r.OnRetry(req, resp, err, wait)
		}
		if err := pause(req.Context(), base, resp, wait); err != nil {
			return nil, fmt.Errorf("asynchttp: wait before another attempt: %w", err)
		}
		if req, err = rewind(req); err != nil {
			return nil, err
		}
	}
}

// idempotent reports whether a request that is sent twice does what it does once.
func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if _, ok := req.Header[name]; ok {
			return true
		}
	}
	return false
}

// worth reports whether another attempt may end otherwise.
func (r *Retrier) worth(req *http.Request, resp *http.Response, err error) bool {
	switch {
	case asyncio.IsCancelled(err) || req.Context().Err() != nil:
		return false
	case r.Retry != nil:
		return r.Retry(req, resp, err)
	case err != nil:
		return passingTrouble(err)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// passingTrouble reports whether an error is one of the network, and not of what was
// asked for.
func passingTrouble(err error) bool {
	var (
		tls       *TLSError
		malformed *MalformedResponseError
		scheme    *UnsupportedSchemeError
		body      *RequestBodyError
	)
	switch {
	case errors.As(err, &tls), errors.As(err, &malformed), errors.As(err, &scheme), errors.As(err, &body):
		return false
	case errors.Is(err, ErrTransportClosed), errors.Is(err, ErrHeaderTooLarge), errors.Is(err, ErrTooManyInformational):
		return false
	case errors.Is(err, asyncio.ErrWrongGoroutine), errors.Is(err, asyncio.ErrWrongLoop),
		errors.Is(err, asyncio.ErrNotInTask), errors.Is(err, asyncio.ErrNoRunningLoop):
		return false
	}
	var network interface{ Timeout() bool } // every error of package net is one, and TimeoutError
	return errors.As(err, &network) || errors.Is(err, ErrEmptyReply) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// wait returns how long to wait before another attempt, and whether there can be
// one.
func (r *Retrier) wait(ctx context.Context, resp *http.Response, retries int) (time.Duration, bool) {
	least, most := orDefault(r.MinWait, DefaultRetryMinWait), orDefault(r.MaxWait, DefaultRetryMaxWait)
	limit := most
	if retries < 30 { // or the product would overflow
		limit = min(most, max(1, least)<<retries)
	}
	wait := r.random(ctx, max(1, limit))
	if after, ok := retryAfter(resp); ok {
		if after > orDefault(r.MaxRetryAfter, DefaultMaxRetryAfter) {
			return 0, false
		}
		wait = max(wait, after)
	}
	end, ok := ctx.Deadline()
	return wait, !ok || wait < time.Until(end)
}

// random returns a time of less than n.
func (r *Retrier) random(ctx context.Context, n time.Duration) time.Duration {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil { // a context of no loop
		t, ok := r.Base.(*Transport)
		if !ok || t.loop == nil {
			return rand.N(n)
		}
		loop = t.loop
	}
	return time.Duration(hook.Rand(loop, int64(n)))
}

// retryAfter returns what a response asks for in Retry-After: seconds, or a date.
func retryAfter(resp *http.Response) (time.Duration, bool) {
	if resp == nil {
		return 0, false
	}
	v := textproto.TrimString(resp.Header.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if date, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(date)), true
	}
	return 0, false
}

// pause lets go of a response that is not wanted, and waits.
func pause(ctx context.Context, base http.RoundTripper, resp *http.Response, wait time.Duration) error {
	if _, err := asyncio.RunningLoop(ctx); err != nil {
		// The context belongs to no loop, which a Transport allows.
		t, ok := base.(*Transport)
		if !ok || t.loop == nil || t.loop.CurrentTask() == nil {
			return err
		}
		var leave func()
		ctx, leave = joined(t.loop, t.loop.CurrentTask().Context(), ctx)
		defer leave()
	}
	if resp != nil {
		defer resp.Body.Close()
		// Its connection can be used again when a short body is read.
		_, err := asyncio.MoveOnAfter(ctx, maxSkipTime, func(context.Context) error {
			_, _ = io.CopyN(io.Discard, resp.Body, maxSkipped)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return asyncio.Sleep(ctx, wait)
}

const (
	maxSkipTime = time.Second
	maxSkipped  = 64 << 10
)
