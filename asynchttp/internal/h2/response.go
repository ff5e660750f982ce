package h2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// holdBack is how much of a response is held back: one that is shorter gets a
// Content-Length, and goes out in one piece with its header.
const holdBack = 4096

// sniffed is how much of a body says what it is.
const sniffed = 512

// errHandlerDone is returned to who uses a request or its response after the
// handler.
var errHandlerDone = errors.New("asynchttp: the handler of this request has returned")

// A response is the [http.ResponseWriter] of a handler. What it can besides is
// what [http.ResponseController] asks for.
type response struct {
	s       *serverStream
	header  http.Header // made when the handler asks for it
	status  int         // 0 until WriteHeader
	fixed   []field     // the header as it was at WriteHeader
	room4   [4]field    // where fixed begins
	has     handlerFields
	length  int64    // announced by the handler, or -1
	trailer []string // announced by the handler
	isHead  bool
	sent    bool // the header is on its way
	done    bool // the handler has returned
	pending []byte
	written int64
}

// A field is a header with its values.
type field struct {
	name   string
	values []string
}

// handlerFields is what the handler has said itself.
type handlerFields struct{ contentType, encoding, date, closing bool }

var (
	_ http.Flusher    = (*response)(nil)
	_ io.StringWriter = (*response)(nil)
)

func (w *response) init(s *serverStream) {
	w.s, w.length = s, -1
	w.isHead = s.parts.method == http.MethodHead
}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements [http.ResponseWriter]. A status of 1xx is sent at once,
// and another may follow.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Errorf("asynchttp: invalid status %d", status))
	}
	if w.done {
		return
	}
	if w.status != 0 {
		w.s.c.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "superfluous WriteHeader of an HTTP handler: " + w.s.req.Method + " " + w.s.req.URL.Path,
			Task:    w.s.task,
		})
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.inform(status, w.header)
		return
	}
	w.fix(status)
}

// fix takes the header as it is now: later changes do not count, but for
// trailers.
func (w *response) fix(status int) {
	w.status = status
	w.fixed = w.room4[:0]
	for k, vs := range w.header {
		switch {
		case k == "Content-Length" && status == http.StatusNotModified:
			// of what would have come
		case k == "Content-Length":
			if n, err := strconv.ParseUint(w.header.Get(k), 10, 63); err == nil && bodyAllowed(status) {
				w.length = int64(n)
			}
			continue
		case k == "Trailer":
			for _, v := range vs {
				for name := range strings.SplitSeq(v, ",") {
					w.announce(strings.TrimSpace(name))
				}
			}
		case k == "Content-Type":
			w.has.contentType = true
		case k == "Content-Encoding":
			w.has.encoding = len(vs) > 0 && vs[0] != ""
		case k == "Date":
			w.has.date = true
		case k == "Connection":
			w.has.closing = httpguts.HeaderValuesContainsToken(vs, "close")
			continue
		case strings.HasPrefix(k, http.TrailerPrefix):
			continue
		}
		w.fixed = append(w.fixed, field{k, vs[:len(vs):len(vs)]})
	}
}

func (w *response) announce(name string) {
	name = http.CanonicalHeaderKey(name)
	if httpguts.ValidTrailerHeader(name) {
		w.trailer = append(w.trailer, name)
	}
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// writable reports why nothing can be written, if so.
func (w *response) writable() error {
	switch {
	case !coro.OnMarkedGoroutine():
		return fmt.Errorf("asynchttp: write response: %w", asyncio.ErrWrongGoroutine)
	case w.done:
		return errHandlerDone
	}
	return w.s.err
}

// Write implements [http.ResponseWriter]. It suspends the running task while
// the client does not take what was written before.
func (w *response) Write(p []byte) (int, error) { return writeTo(w, p) }

// WriteString is Write for a string.
func (w *response) WriteString(s string) (int, error) { return writeTo(w, s) }

func writeTo[T string | []byte](w *response, p T) (int, error) {
	if err := w.writable(); err != nil {
		return 0, err
	}
	if w.status == 0 {
		w.fix(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if w.isHead {
		if !w.sent && len(w.pending) == 0 {
			w.pending = append(w.pending, p[:min(len(p), sniffed)]...)
		}
		return len(p), nil
	}
	if len(w.pending)+len(p) <= holdBack {
		if w.pending == nil {
			w.pending = w.s.c.common.held.get()
		}
		w.pending = append(w.pending, p...)
		return len(p), nil
	}
	return w.emit([]byte(p))
}

// emit sends what was held back, and p; it returns how much of p was sent.
func (w *response) emit(p []byte) (int, error) {
	if err := w.sendHeader(p, false); err != nil {
		return 0, err
	}
	if w.isHead {
		w.pending = nil
		return len(p), nil
	}
	if err := w.emitPending(); err != nil || len(p) == 0 {
		return 0, err
	}
	return w.s.send.write(p, false)
}

// emitPending sends what was held back.
func (w *response) emitPending() error {
	for len(w.pending) > 0 {
		p := w.pending
		w.pending = nil // another task may write meanwhile
		_, err := w.s.send.write(p, false)
		w.s.c.common.held.put(p)
		if err != nil {
			return err
		}
	}
	return nil
}

// room suspends the running task while so much is on its way to the client that
// nothing more of it is read either. DATA has its windows; this is for headers.
func (w *response) room() error {
	o := &w.s.c.out
	for w.s.err == nil && o.unsent() >= unreadLimit {
		o.free.Clear()
		if err := wait(o.loop, &o.free); err != nil {
			return err
		}
	}
	return w.s.err
}

// inform sends a response of 1xx.
func (w *response) inform(status int, h http.Header) {
	if w.writable() != nil || w.room() != nil || w.sent {
		return
	}
	o := &w.s.c.out
	o.field(":status", strconv.Itoa(status))
	for k, vs := range h {
		if k != "Content-Length" {
			w.fields(k, vs)
		}
	}
	o.headers(w.s.id, false)
	if status == http.StatusContinue {
		w.s.parts.expects = false
	}
}

// fields encodes the values of a header. What HTTP/2 does not have, and what is
// no header, is passed over.
func (w *response) fields(key string, values []string) {
	name, usual := lowerNames[key]
	if !usual {
		if !httpguts.ValidHeaderFieldName(key) {
			return
		}
		if name = lowerName(key); connectionSpecific(name) {
			return
		}
	}
	for _, v := range values {
		if httpguts.ValidHeaderFieldValue(v) && (name != "te" || v == "trailers") {
			w.s.c.out.field(name, v)
		}
	}
}

// sendHeader sends the header, if it was not sent. p is what comes of the body
// after what was held back; whole says that there is no more.
func (w *response) sendHeader(p []byte, whole bool) error {
	if w.sent {
		return nil
	}
	if err := w.room(); err != nil {
		return err
	}
	w.sent = true
	w.s.parts.expects = false
	first := w.pending
	if len(first) == 0 {
		first = p
	}
	allowed := bodyAllowed(w.status)
	if whole && w.length < 0 && allowed && (!w.isHead || w.written > 0) && w.s.parts.method != http.MethodConnect {
		w.length = w.written
	}
	o := &w.s.c.out
	o.field(":status", statusText(w.status))
	for _, f := range w.fixed {
		w.fields(f.name, f.values)
	}
	if allowed && len(first) > 0 && !w.has.contentType && !w.has.encoding {
		o.field("content-type", http.DetectContentType(first))
	}
	if w.length >= 0 {
		o.field("content-length", strconv.FormatInt(w.length, 10))
	}
	if !w.has.date {
		o.field("date", w.s.c.common.date.now())
	}
	if w.has.closing {
		w.s.c.shutdown() // as a handler of HTTP/1 ends its connection
	}
	end := w.isHead || whole && len(first) == 0 && !w.hasTrailers()
	o.headers(w.s.id, end)
	if end {
		w.s.sentEnd()
	}
	return nil
}

func statusText(status int) string {
	if status == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(status)
}

// finish sends what is left after the handler.
func (w *response) finish() {
	s := w.s
	defer func() {
		s.c.common.held.put(w.pending)
		w.pending = nil
	}()
	if s.err != nil {
		return
	}
	if w.status == 0 {
		w.fix(http.StatusOK)
	}
	short := w.length >= 0 && w.written < w.length && !w.isHead
	if w.sendHeader(nil, !short) != nil || !s.state.canSend() {
		return
	}
	if short {
		_ = w.emitPending()
		s.reset(http2.ErrCodeInternal, fmt.Errorf("asynchttp: the handler wrote %d of %d bytes: %w", w.written, w.length, io.ErrShortWrite))
		return
	}
	trailers := w.hasTrailers()
	p := w.pending
	w.pending = nil
	_, err := s.send.write(p, !trailers)
	s.c.common.held.put(p)
	if err != nil {
		return
	}
	if trailers {
		w.sendTrailers()
	}
	s.sentEnd()
}

// hasTrailers reports whether something comes after the body.
func (w *response) hasTrailers() bool {
	for _, k := range w.trailer {
		if len(w.header[k]) > 0 {
			return true
		}
	}
	for k := range w.header {
		if strings.HasPrefix(k, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

func (w *response) sendTrailers() {
	for _, k := range w.trailer {
		w.fields(k, w.header[k])
	}
	for k, vs := range w.header {
		if name, ok := strings.CutPrefix(k, http.TrailerPrefix); ok && httpguts.ValidTrailerHeader(http.CanonicalHeaderKey(name)) {
			w.fields(http.CanonicalHeaderKey(name), vs)
		}
	}
	w.s.c.out.headers(w.s.id, true)
}

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is Flush with its error, for [http.ResponseController].
func (w *response) FlushError() error {
	if err := w.writable(); err != nil {
		return err
	}
	if w.status == 0 {
		w.fix(http.StatusOK)
	}
	_, err := w.emit(nil)
	return err
}

// SetReadDeadline is for [http.ResponseController]: reading the body ends then.
func (w *response) SetReadDeadline(t time.Time) error {
	if err := w.writable(); err != nil {
		return err
	}
	w.s.setDeadline(&w.s.readBy, t, w.s.readLate)
	return nil
}

// SetWriteDeadline is for [http.ResponseController]: the stream is reset then.
// The connection goes on.
func (w *response) SetWriteDeadline(t time.Time) error {
	if err := w.writable(); err != nil {
		return err
	}
	w.s.setDeadline(&w.s.writeBy, t, w.s.writeLate)
	return nil
}

// EnableFullDuplex is for [http.ResponseController]. A handler may always read
// while it writes.
func (w *response) EnableFullDuplex() error { return nil }
