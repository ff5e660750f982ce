package fetch

import (
	"net/http"
	"net/netip"
	"time"
)

// A Result is what is known of a URL when it is done: curl's variables of
// --write-out. It is that of the last attempt.
type Result struct {
	Number    int    // of the URL among all, from 0
	URL       string // as it was given
	Effective string // the URL that was fetched last
	Method    string
	Scheme    string
	Referer   string

	Code        int // of the response; 0 when there was none
	ConnectCode int // of a proxy's answer to CONNECT
	HTTPVersion string
	ContentType string
	RedirectURL string // where it would have gone
	Header      http.Header

	Connects, Redirects, Retries, Headers int

	// Sizes in bytes. Downloaded is what the server sent for the body, without
	// chunk sizes, still packed.
	Downloaded, Uploaded, HeaderSize, RequestSize int64

	Times         Times
	Remote, Local netip.AddrPort
	Filename      string // where the body was saved
	Err           *Error
}

// Times holds when, counted from the start of the attempt, a step was done; 0
// when it was not.
type Times struct {
	NameLookup    time.Duration
	Connect       time.Duration
	AppConnect    time.Duration // the TLS handshake
	PreTransfer   time.Duration // the request could be sent
	Redirect      time.Duration // all requests but the last
	StartTransfer time.Duration // the first byte of the response
	Total         time.Duration
}

// Speed is the bytes that came in a second.
func (r *Result) Speed() int64 { return perSecond(r.Downloaded, r.Times.Total) }

// UploadSpeed is the bytes that went in a second.
func (r *Result) UploadSpeed() int64 { return perSecond(r.Uploaded, r.Times.Total) }

func perSecond(n int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64(float64(n) / d.Seconds())
}

// ExitCode is curl's exit code for this URL alone.
func (r *Result) ExitCode() Code {
	if r.Err == nil {
		return OK
	}
	return r.Err.Code
}

// ErrorMessage is what went wrong, or empty.
func (r *Result) ErrorMessage() string {
	if r.Err == nil {
		return ""
	}
	return r.Err.reason()
}
