package asynchttp

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// bodyBuffer is how much of a response is held back: one that is shorter gets
// a Content-Length, and goes out in one piece with its header.
const bodyBuffer = 4096

// errHandlerDone is returned to who writes a response after its handler.
var errHandlerDone = errors.New("asynchttp: the handler of this request has returned")

// A response is what every version of HTTP has in common of the
// [http.ResponseWriter] of a handler.
//
// It goes through three states: the header may be changed; it is set
// (WriteHeader was called, by the handler or by its first Write); it is on its
// way, and with it how the body is delimited. How it looks on the wire is the
// carrier's affair.
type response struct {
	srv    *Server
	task   asyncio.AnyTask // that runs the handler
	req    *http.Request
	out    carrier
	header http.Header

	status  int // 0 until WriteHeader
	has     headerFlags
	length  int64    // announced by the handler, or -1
	trailer []string // the names that the handler has declared

	sent     bool // the header is on its way
	bodyless bool // a response of this status has no body
	done     bool // the handler has returned
	taken    bool // the connection was hijacked
	pending  *wire
	written  int64
	err      error
	goneNotice
}

// A carrier takes a response to the client.
type carrier interface {
	// informational sends a response of 1xx.
	informational(status int, h http.Header) error

	// freeze keeps the header as it is now, without the fields in omit: the
	// handler may go on and change it.
	freeze(status int, h http.Header, omit map[string]bool)

	// open completes the header, which goes out with the next send. The
	// contentType is that of the body, where the handler has named none.
	open(contentType string)

	// send sends a part of the body, which may be empty; after the last one,
	// the trailers.
	send(held, p []byte, last bool) error

	// sendFile sends n bytes of f from offset on, after held. It returns how
	// many bytes of the file were sent.
	sendFile(held []byte, f *os.File, offset, n int64) (int64, error)
}

// headerFlags is what the handler has set itself.
type headerFlags struct {
	contentType, date, encoding, transfer, identity bool
}

func newResponse(s *Server, task asyncio.AnyTask, req *http.Request, out carrier) response {
	return response{srv: s, task: task, req: req, out: out, header: make(http.Header), length: -1}
}

// Header implements [http.ResponseWriter].
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter]. A status of 1xx, but 101, is
// sent at once, and another may follow.
func (r *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Errorf("asynchttp: invalid status %d", status))
	}
	switch {
	case !coro.OnMarkedGoroutine():
		r.refuseHeader()
	case r.taken || r.done:
	case r.status != 0:
		r.srv.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "superfluous WriteHeader of an HTTP handler: " + r.req.Method + " " + r.req.URL.Path,
			Task:    r.task,
		})
	case status < 200 && status != http.StatusSwitchingProtocols:
		if err := r.out.informational(status, r.header); r.err == nil {
			r.err = err
		}
	default:
		r.setHeader(status)
	}
}

// refuseHeader reports a WriteHeader on a foreign goroutine, to which no error
// can be returned.
func (r *response) refuseHeader() {
	// Nobody is to be told of it in a loop that is closed.
	_, _ = r.srv.loop.CallSoonThreadsafe(func() {
		r.srv.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "WriteHeader of an HTTP handler on a foreign goroutine was ignored",
			Err:     asyncio.ErrWrongGoroutine,
			Task:    r.task,
		})
	})
}

// omitted are the fields on which the carrier decides.
var (
	omitted    = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true}
	omitted304 = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Content-Type": true}
)

// setHeader takes the handler's header as it is now: later changes do not
// count, but for trailers.
func (r *response) setHeader(status int) {
	r.status = status
	h := r.header
	omit := omitted
	if status == http.StatusNotModified {
		omit = omitted304
	}
	shared := true
	for k, vs := range h {
		if strings.HasPrefix(k, http.TrailerPrefix) {
			if shared {
				omit, shared = maps.Clone(omit), false
			}
			omit[k] = true
			r.trailer = append(r.trailer, "") // there will be some
			continue
		}
		r.noteField(k, vs)
	}
	if r.has.transfer && !r.has.identity {
		r.length = -1
	}
	if r.bodyless = !bodyAllowed(status); r.bodyless && status != http.StatusNotModified {
		r.length = -1
	}
	r.out.freeze(status, h, omit)
}

// noteField takes note of a field that says something about the response.
func (r *response) noteField(name string, values []string) {
	switch name {
	case "Content-Type":
		r.has.contentType = true
	case "Date":
		r.has.date = true
	case "Content-Encoding":
		r.has.encoding = len(values) > 0 && values[0] != ""
	case "Transfer-Encoding":
		r.has.transfer = len(values) > 0 && values[0] != ""
		r.has.identity = len(values) == 1 && values[0] == "identity"
	case "Content-Length":
		r.length = announced(values)
	case "Trailer":
		for _, v := range values {
			for name := range strings.SplitSeq(v, ",") {
				r.declareTrailer(strings.TrimSpace(name))
			}
		}
	}
}

// announced returns the length that a Content-Length field says; -1 when it says
// none.
func announced(values []string) int64 {
	if len(values) == 0 {
		return -1
	}
	n, err := strconv.ParseInt(textproto.TrimString(values[0]), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// declareTrailer takes note that a field comes after the body.
func (r *response) declareTrailer(name string) {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "", "Transfer-Encoding", "Content-Length", "Trailer":
		return
	}
	r.trailer = append(r.trailer, name)
}

// trailers returns the fields that come after the body; nil when there are
// none.
func (r *response) trailers() http.Header {
	var h http.Header
	add := func(name string, values []string) {
		if h == nil {
			h = make(http.Header)
		}
		h[name] = values
	}
	for _, k := range r.trailer {
		if vs, ok := r.header[k]; ok {
			add(k, vs)
		}
	}
	for k, vs := range r.header {
		if name, ok := strings.CutPrefix(k, http.TrailerPrefix); ok {
			add(http.CanonicalHeaderKey(name), vs)
		}
	}
	return h
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// isHead reports whether the client wants the header alone.
func (r *response) isHead() bool { return r.req.Method == http.MethodHead }

// completeHeader settles what the handler has left open. first is the beginning
// of the body, or all of it when whole is set.
func (r *response) completeHeader(first []byte, whole bool) {
	r.sent = true
	if whole && r.length < 0 && !r.bodyless && !r.has.transfer && len(r.trailer) == 0 && (!r.isHead() || r.written > 0) {
		r.length = r.written
	}
	contentType := ""
	if !r.has.contentType && !r.has.encoding && !r.has.transfer && !r.bodyless && len(first) > 0 {
		contentType = http.DetectContentType(first)
	}
	r.out.open(contentType)
}

// mayWrite returns the error of a call that writes.
func (r *response) mayWrite(what string) error {
	switch {
	case !coro.OnMarkedGoroutine():
		return fmt.Errorf("asynchttp: %s: %w", what, asyncio.ErrWrongGoroutine)
	case r.taken:
		return http.ErrHijacked
	case r.done:
		return errHandlerDone
	default:
		return r.err
	}
}

// count counts n bytes of the body that are about to be written.
func (r *response) count(n int64) error {
	switch {
	case r.bodyless:
		return http.ErrBodyNotAllowed
	case r.length >= 0 && r.written+n > r.length:
		return http.ErrContentLength
	}
	r.written += n
	return nil
}

// Write implements [http.ResponseWriter]. It suspends the running task while
// the client does not take what was written before.
func (r *response) Write(p []byte) (int, error) { return write(r, p) }

// WriteString is Write for a string.
func (r *response) WriteString(s string) (int, error) { return write(r, s) }

func write[T string | []byte](r *response, p T) (int, error) {
	if err := r.mayWrite("write response"); err != nil {
		return 0, err
	}
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.count(int64(len(p))); err != nil {
		return 0, err
	}
	if r.isHead() && r.sent {
		return len(p), nil
	}
	if r.pending == nil {
		r.pending = r.srv.wires.get()
	}
	if len(*r.pending)+len(p) <= bodyBuffer {
		*r.pending = append(*r.pending, p...)
		return len(p), nil
	}
	if err := r.emit([]byte(p), false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// held is what is held back.
func (r *response) held() []byte {
	if r.pending == nil {
		return nil
	}
	return *r.pending
}

// begin completes the header, unless it is on its way, for a body that begins
// with what is held back, or with p.
func (r *response) begin(p []byte, whole bool) {
	if r.sent {
		return
	}
	first := r.held()
	if len(first) == 0 {
		first = p
	}
	r.completeHeader(first, whole)
}

// emit sends what was held back, and p.
func (r *response) emit(p []byte, last bool) error {
	r.begin(p, last)
	if r.err != nil {
		return r.err
	}
	held := r.held()
	if r.isHead() {
		held, p = nil, nil
	}
	r.err = r.out.send(held, p, last)
	if r.pending != nil {
		*r.pending = (*r.pending)[:0]
	}
	return r.err
}

// finish sends what is left after the handler.
func (r *response) finish() error {
	if r.status == 0 {
		r.done = false
		r.WriteHeader(http.StatusOK)
		r.done = true
	}
	if r.err != nil {
		return r.err
	}
	if err := r.emit(nil, true); err != nil {
		return err
	}
	if r.length >= 0 && r.written < r.length && !r.bodyless && !r.isHead() {
		// The client must not take it for whole.
		return fmt.Errorf("asynchttp: the handler wrote %d of %d bytes: %w", r.written, r.length, io.ErrShortWrite)
	}
	return nil
}

// recycle gives back what the response was written with.
func (r *response) recycle() {
	if r.pending != nil {
		r.srv.wires.put(r.pending)
		r.pending = nil
	}
}

// Flush implements [http.Flusher].
func (r *response) Flush() { _ = r.FlushError() }

// FlushError is Flush with its error, for [http.ResponseController].
func (r *response) FlushError() error {
	if err := r.mayWrite("flush"); err != nil {
		return err
	}
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	return r.emit(nil, false)
}

// A goneNotice is the channel of [http.CloseNotifier]. It may be asked for on
// any goroutine.
type goneNotice struct {
	mu   sync.Mutex
	ch   chan bool
	gone bool
}

// CloseNotify implements [http.CloseNotifier], for old code: the request's
// context says the same.
func (n *goneNotice) CloseNotify() <-chan bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan bool, 1)
		if n.gone {
			n.ch <- true
		}
	}
	return n.ch
}

// clientGone tells those who have called CloseNotify, or will.
func (n *goneNotice) clientGone() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil && !n.gone {
		n.ch <- true
	}
	n.gone = true
}

// EnableFullDuplex is for [http.ResponseController]. A handler may always read
// while it writes.
func (r *response) EnableFullDuplex() error { return nil }
