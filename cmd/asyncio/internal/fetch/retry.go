package fetch

import (
	"net/http"
	"strconv"
	"time"
)

const (
	firstRetryDelay = time.Second
	maxRetryDelay   = 10 * time.Minute
)

// transient reports whether another attempt may end differently: after a
// timeout, for a host that has no address just now, or after one of the statuses with
// which a server announces that.
func transient(r *Result) bool {
	switch r.Code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return r.Err == nil || r.Err.Code == HTTPStatus
	}
	switch r.ExitCode() {
	case TimedOut, NoHostAddress, NoProxyAddress:
		return true
	}
	return false
}

// again reports whether, and after how long, there is to be another attempt after
// so many retries, so long after the first attempt began. now is the wall clock.
func (o *Options) again(r *Result, retries int, since time.Duration, now time.Time) (time.Duration, bool) {
	if retries >= o.Retry || r.ExitCode() == Interrupted {
		return 0, false
	}
	if !transient(r) && !(o.RetryAllErrors && r.Err != nil) {
		return 0, false
	}
	delay := o.RetryDelay
	if delay <= 0 {
		delay = maxRetryDelay
		if retries < 10 {
			delay = min(delay, firstRetryDelay<<retries)
		}
	}
	delay = max(delay, RetryAfter(r.Header, now))
	if o.RetryMaxTime > 0 && since+delay > o.RetryMaxTime {
		return 0, false
	}
	return delay, true
}

// RetryAfter is how long the server asks to wait; 0 when it does not.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
