package asynchttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// StatusClientGone is the status under which a request is noted that was not
// answered, since its client went away or its handler gave up. It is nginx's.
const StatusClientGone = 499

// An Observation is a request that was answered, or that will not be any more.
type Observation struct {
	Request  *http.Request // as the handler was given it
	Route    string        // the pattern of the [http.ServeMux] that has matched; empty when there is none
	Status   int           // what was answered, or [StatusClientGone]
	Bytes    int64         // of the response's body that the handler has written
	Began    time.Time     // when the handler was called
	Duration time.Duration // until the handler has returned
}

// Observe returns a handler that serves by h and tells note of each request, on the
// goroutine of its handler, when that has returned or panicked. So note must not
// wait.
//
// The route is known where h is a [http.ServeMux], or hands its own *http.Request on
// to one.
//
// The ResponseWriter that h is given can do what that of a [Server] can: flush, be
// hijacked, send files, and what [http.ResponseController] asks for.
func Observe(h http.Handler, note func(*Observation)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &observed{ResponseWriter: w, Observation: Observation{Request: r, Began: time.Now()}}
		defer func() {
			o.Duration = time.Since(o.Began)
			o.Route = r.Pattern
			if o.Status == 0 {
				o.Status = http.StatusOK
				if o.aborted || r.Context().Err() != nil {
					o.Status = StatusClientGone
				}
			}
			note(&o.Observation)
		}()
		o.aborted = true
		h.ServeHTTP(o, r)
		o.aborted = false
	})
}

// observed is a response that is noted.
type observed struct {
	http.ResponseWriter
	Observation
	aborted bool
}

// WriteHeader implements [http.ResponseWriter].
func (o *observed) WriteHeader(status int) {
	if (status >= 200 || status == http.StatusSwitchingProtocols) && o.Status == 0 {
		o.Status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

// begin is what a Write does where there was no WriteHeader.
func (o *observed) begin() {
	if o.Status == 0 {
		o.Status = http.StatusOK
	}
}

// Write implements [http.ResponseWriter].
func (o *observed) Write(p []byte) (int, error) {
	o.begin()
	n, err := o.ResponseWriter.Write(p)
	o.Bytes += int64(n)
	return n, err
}

// WriteString implements [io.StringWriter].
func (o *observed) WriteString(s string) (int, error) {
	o.begin()
	n, err := io.WriteString(o.ResponseWriter, s)
	o.Bytes += int64(n)
	return n, err
}

// ReadFrom implements [io.ReaderFrom]: what is below may send files by itself.
func (o *observed) ReadFrom(src io.Reader) (int64, error) {
	o.begin()
	n, err := io.Copy(o.ResponseWriter, src)
	o.Bytes += n
	return n, err
}

// Flush implements [http.Flusher].
func (o *observed) Flush() { _ = o.FlushError() }

// FlushError is for [http.ResponseController].
func (o *observed) FlushError() error {
	o.begin()
	return http.NewResponseController(o.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker].
func (o *observed) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(o.ResponseWriter).Hijack()
	if err == nil && o.Status == 0 {
		o.Status = http.StatusSwitchingProtocols
	}
	return c, rw, err
}

// Unwrap is for [http.ResponseController].
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }
