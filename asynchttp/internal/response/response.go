// Package response is what net/http promises to a handler of the response that it
// writes, once for all versions of HTTP: when the header freezes, what is sniffed,
// which statuses have no body, what comes after it. What that looks like on the
// wire is a [Carrier]'s affair.
package response

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// ErrHandlerDone is returned to who uses a request or its response after the
// handler.
var ErrHandlerDone = errors.New("asynchttp: the handler of this request has returned")

// A Writer is the [http.ResponseWriter] of a handler, as far as it is the same in
// every version of HTTP. It is embedded in what a handler is given, so its fields
// are for carriers, and its methods that are not for handlers have names that
// nobody asks for.
//
// It goes through three states: the header may be changed; it is set
// (WriteHeader was called, by the handler or by its first Write); it is on its
// way, and with it how the body is delimited.
type Writer struct {
	Req      *http.Request
	Status   int   // 0 until WriteHeader
	Length   int64 // of the body, or -1 when that is not known
	Has      Fields
	Bodyless bool // a response of this status has no body
	Sent     bool // the header is on its way
	Done     bool // the handler has returned
	Taken    bool // the connection was hijacked
	Framed   bool // the carrier has frames: a body needs no Transfer-Encoding to end
	Tunnel   bool // the body is no body, and has no length
	Err      error

	shared  *Shared
	task    asyncio.AnyTask
	out     Carrier
	header  http.Header // made when the handler asks for it
	trailer []string    // the names that the handler has declared
	held    []byte      // what is held back
	written int64
	goneNotice
}

// A Carrier takes a response to the client.
type Carrier interface {
	// Informational sends a response of 1xx.
	Informational(status int, h http.Header) error

	// Freeze keeps the header as it is now, for the handler may go on and change
	// it: those fields for which [Writer.KeepField] is true, which it must ask once
	// for each.
	Freeze(status int, h http.Header)

	// Open completes the header, which goes out with the next send. The
	// contentType is that of the body, where the handler has named none.
	Open(contentType string)

	// Send sends a part of the body, which may be empty; after the last one,
	// the trailers. Held is the Writer's until Send returns, and no longer.
	Send(held, p []byte, last bool) error

	// SendFile sends n bytes of f from offset on, after held. It returns how
	// many bytes of the file were sent.
	SendFile(held []byte, f *os.File, offset, n int64) (int64, error)
}

// Fields is what the handler has set itself.
type Fields struct {
	ContentType, Date, Encoding, Transfer, Identity bool
}

var (
	_ http.ResponseWriter = (*Writer)(nil)
	_ http.Flusher        = (*Writer)(nil)
	_ io.StringWriter     = (*Writer)(nil)
	_ io.ReaderFrom       = (*Writer)(nil)
	//lint:ignore SA1019 old code asks for it
	_ http.CloseNotifier = (*Writer)(nil)
)

// InitResponse makes w the response to a request, whose handler task runs.
func (w *Writer) InitResponse(s *Shared, task asyncio.AnyTask, req *http.Request, out Carrier) {
	w.shared, w.task, w.Req, w.out, w.Length = s, task, req, out, -1
}

// Header implements [http.ResponseWriter].
func (w *Writer) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements [http.ResponseWriter]. A status of 1xx, but 101, is
// sent at once, and another may follow.
func (w *Writer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Errorf("asynchttp: invalid status %d", status))
	}
	switch {
	case !coro.OnMarkedGoroutine():
		w.refuseHeader()
	case w.Taken || w.Done:
	case w.Status != 0:
		w.shared.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "superfluous WriteHeader of an HTTP handler: " + w.Req.Method + " " + w.Req.URL.Path,
			Task:    w.task,
		})
	case status < 200 && status != http.StatusSwitchingProtocols:
		if err := w.out.Informational(status, w.header); w.Err == nil {
			w.Err = err
		}
	default:
		w.setHeader(status)
	}
}

// refuseHeader reports a WriteHeader on a foreign goroutine, to which no error
// can be returned.
func (w *Writer) refuseHeader() {
	// Nobody is to be told of it in a loop that is closed.
	_, _ = w.shared.loop.CallSoonThreadsafe(func() {
		w.shared.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "WriteHeader of an HTTP handler on a foreign goroutine was ignored",
			Err:     asyncio.ErrWrongGoroutine,
			Task:    w.task,
		})
	})
}

// setHeader takes the handler's header as it is now: later changes do not
// count, but for trailers.
func (w *Writer) setHeader(status int) {
	w.Status = status
	w.out.Freeze(status, w.header)
	if w.Has.Transfer && !w.Has.Identity {
		w.Length = -1
	}
	if w.Bodyless = !bodyAllowed(status); w.Bodyless && status != http.StatusNotModified {
		w.Length = -1
	}
}

// KeepField takes note of a field of the header, and reports whether it is sent with
// it: on the others the carrier decides, or they come after the body.
func (w *Writer) KeepField(name string, values []string) bool {
	switch name {
	case "Content-Type":
		w.Has.ContentType = true
		return w.Framed || w.Status != http.StatusNotModified // as in net/http
	case "Date":
		w.Has.Date = true
	case "Content-Encoding":
		w.Has.Encoding = len(values) > 0 && values[0] != ""
	case "Transfer-Encoding":
		w.Has.Transfer = !w.Framed && len(values) > 0 && values[0] != ""
		w.Has.Identity = len(values) == 1 && values[0] == "identity"
		return false
	case "Content-Length":
		w.Length = announced(values)
		return false
	case "Connection":
		return false
	case "Trailer":
		for _, v := range values {
			for name := range strings.SplitSeq(v, ",") {
				w.declareTrailer(strings.TrimSpace(name))
			}
		}
	default:
		if strings.HasPrefix(name, http.TrailerPrefix) {
			w.trailer = append(w.trailer, "") // there will be some
			return false
		}
	}
	return true
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
func (w *Writer) declareTrailer(name string) {
	name = http.CanonicalHeaderKey(name)
	switch {
	case name == "", name == "Transfer-Encoding", name == "Content-Length", name == "Trailer":
	case w.Framed && !httpguts.ValidTrailerHeader(name): // as in net/http, which is stricter with HTTP/2
	default:
		w.trailer = append(w.trailer, name)
	}
}

// ResponseTrailers returns the fields that come after the body; nil when there
// are none.
func (w *Writer) ResponseTrailers() http.Header {
	var h http.Header
	add := func(name string, values []string) {
		if h == nil {
			h = make(http.Header)
		}
		h[name] = values
	}
	for _, k := range w.trailer {
		if vs := w.header[k]; len(vs) > 0 {
			add(k, vs)
		}
	}
	for k, vs := range w.header {
		name, ok := strings.CutPrefix(k, http.TrailerPrefix)
		if name = http.CanonicalHeaderKey(name); ok && (!w.Framed || httpguts.ValidTrailerHeader(name)) {
			add(name, vs)
		}
	}
	return h
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// IsHead reports whether the client wants the header alone.
func (w *Writer) IsHead() bool { return w.Req.Method == http.MethodHead }

// completeHeader settles what the handler has left open. first is the beginning
// of the body, or all of it when whole is set.
func (w *Writer) completeHeader(first []byte, whole bool) {
	w.Sent = true
	measured := w.Framed || !w.Has.Transfer && len(w.trailer) == 0
	if whole && w.Length < 0 && !w.Bodyless && !w.Tunnel && measured && (!w.IsHead() || w.written > 0) {
		w.Length = w.written
	}
	contentType := ""
	if !w.Has.ContentType && !w.Has.Encoding && !w.Has.Transfer && !w.Bodyless && len(first) > 0 {
		contentType = http.DetectContentType(first)
	}
	w.out.Open(contentType)
}

// mayWrite returns the error of a call that writes.
func (w *Writer) mayWrite(what string) error {
	switch {
	case !coro.OnMarkedGoroutine():
		return fmt.Errorf("asynchttp: %s: %w", what, asyncio.ErrWrongGoroutine)
	case w.Taken:
		return http.ErrHijacked
	case w.Done:
		return ErrHandlerDone
	default:
		return w.Err
	}
}

// count counts n bytes of the body that are about to be written.
func (w *Writer) count(n int64) error {
	switch {
	case w.Bodyless:
		return http.ErrBodyNotAllowed
	case w.Length >= 0 && w.written+n > w.Length:
		return http.ErrContentLength
	}
	w.written += n
	return nil
}

// Write implements [http.ResponseWriter]. It suspends the running task while
// the client does not take what was written before.
func (w *Writer) Write(p []byte) (int, error) { return write(w, p) }

// WriteString is Write for a string.
func (w *Writer) WriteString(s string) (int, error) { return write(w, s) }

func write[T string | []byte](w *Writer, p T) (int, error) {
	if err := w.mayWrite("write response"); err != nil {
		return 0, err
	}
	if w.Status == 0 {
		w.setHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := w.count(int64(len(p))); err != nil {
		return 0, err
	}
	if w.IsHead() && w.Sent {
		return len(p), nil
	}
	if len(w.held)+len(p) <= holdBack {
		if w.held == nil {
			w.held = w.shared.held.Get()
		}
		w.held = append(w.held, p...)
		return len(p), nil
	}
	if err := w.emit([]byte(p), false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin completes the header, unless it is on its way, for a body that begins
// with what is held back, or with p.
func (w *Writer) begin(p []byte, whole bool) {
	if w.Sent {
		return
	}
	first := w.held
	if len(first) == 0 {
		first = p
	}
	w.completeHeader(first, whole)
}

// take returns what is held back. Another task of the handler's may write, and
// have something held back, while that is sent.
func (w *Writer) take() []byte {
	held := w.held
	w.held = nil
	return held
}

// emit sends what was held back, and p.
func (w *Writer) emit(p []byte, last bool) error {
	w.begin(p, last)
	if w.Err != nil {
		return w.Err
	}
	held := w.take()
	if w.IsHead() {
		w.fail(w.out.Send(nil, nil, last))
	} else {
		w.fail(w.out.Send(held, p, last))
	}
	w.shared.held.Put(held)
	return w.Err
}

// fail notes an error of the carrier, unless there was one before.
func (w *Writer) fail(err error) {
	if w.Err == nil {
		w.Err = err
	}
}

// FinishResponse sends what is left after the handler. After an error the client
// must not take what it has for whole.
func (w *Writer) FinishResponse() error {
	if w.Err != nil {
		return w.Err
	}
	if w.Status == 0 {
		w.setHeader(http.StatusOK)
	}
	short := w.Length >= 0 && w.written < w.Length && !w.Bodyless && !w.IsHead()
	if err := w.emit(nil, !short); err != nil {
		return err
	}
	if short {
		return fmt.Errorf("asynchttp: the handler wrote %d of %d bytes: %w", w.written, w.Length, io.ErrShortWrite)
	}
	return nil
}

// RecycleResponse returns what the response was written with to those who share it.
func (w *Writer) RecycleResponse() { w.shared.held.Put(w.take()) }

// Flush implements [http.Flusher].
func (w *Writer) Flush() { _ = w.FlushError() }

// FlushError is Flush with its error, for [http.ResponseController].
func (w *Writer) FlushError() error {
	if err := w.mayWrite("flush"); err != nil {
		return err
	}
	if w.Status == 0 {
		w.setHeader(http.StatusOK)
	}
	return w.emit(nil, false)
}

// EnableFullDuplex is for [http.ResponseController]. A handler may always read
// while it writes.
func (w *Writer) EnableFullDuplex() error { return nil }
