package asynchttp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// bodyBuffer is how much of a response is held back: one that is shorter gets
// a Content-Length, and goes out in one piece with its header.
const bodyBuffer = 4096

// errHandlerDone is returned to who writes a response after its handler.
var errHandlerDone = errors.New("asynchttp: the handler of this request has returned")

// A response is the [http.ResponseWriter] of a handler. What it can besides is
// what [http.ResponseController] asks for.
//
// It goes through three states: the header may be changed; it is set
// (WriteHeader was called, by the handler or by its first Write); it is on its
// way, and with it how the body is delimited.
type response struct {
	conn   *serverConn
	req    *http.Request
	body   *requestBody
	header http.Header

	status  int   // 0 until WriteHeader
	head    *wire // the status line and the handler's header, once it is set
	has     headerFlags
	length  int64 // announced by the handler, or -1
	trailer []string

	sent    bool // the header is on its way
	chunked bool
	close   bool // the connection is not kept
	bodyless,
	done bool
	pending *wire // of the body, held back
	written int64
	err     error
}

var (
	_ http.Flusher    = (*response)(nil)
	_ http.Hijacker   = (*response)(nil)
	_ io.StringWriter = (*response)(nil)
)

// headerFlags says what the handler has set itself.
type headerFlags struct {
	contentType, date, connection, encoding, transfer bool
	identity                                          bool
}

func newResponse(c *serverConn, req *http.Request) *response {
	return &response{
		conn: c, req: req, body: newRequestBody(c, req),
		header: make(http.Header), length: -1,
		close: req.Close || wantsClose(req),
	}
}

// Header implements [http.ResponseWriter].
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter]. A status of 1xx, but 101, is
// sent at once, and another may follow.
func (r *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Errorf("asynchttp: invalid status %d", status))
	}
	if r.conn.hijacked || r.done {
		return
	}
	if r.status != 0 {
		r.conn.srv.loop.CallExceptionHandler(asyncio.ExceptionContext{
			Message: "superfluous WriteHeader of an HTTP handler: " + r.req.Method + " " + r.req.URL.Path,
			Task:    r.conn.task,
		})
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		r.writeInformational(status)
		return
	}
	r.status = status
	r.setHeader()
}

func (r *response) writeInformational(status int) {
	w := r.conn.srv.wires.get()
	defer r.conn.srv.wires.put(w)
	r.statusLine(w, status)
	r.header.WriteSubset(w, notInInformational)
	w.add("\r\n")
	if status == http.StatusContinue {
		r.body.expects = false
	}
	_, r.err = r.conn.Write(*w)
}

var notInInformational = map[string]bool{"Content-Length": true, "Transfer-Encoding": true}

func (r *response) statusLine(w *wire, status int) {
	proto := "HTTP/1.1 "
	if !r.req.ProtoAtLeast(1, 1) {
		proto = "HTTP/1.0 "
	}
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	w.add(proto, strconv.Itoa(status), " ", text, "\r\n")
}

// framing are the headers that sendHeader decides on.
var framing = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true}

// setHeader takes the handler's header as it is now: later changes do not
// count, but for trailers.
func (r *response) setHeader() {
	h := r.header
	skip := framing
	for k, vs := range h {
		switch k {
		case "Content-Type":
			r.has.contentType = true
		case "Date":
			r.has.date = true
		case "Content-Encoding":
			r.has.encoding = len(vs) > 0 && vs[0] != ""
		case "Connection":
			r.has.connection = true
			r.close = r.close || hasToken(vs, "close")
		case "Transfer-Encoding":
			r.has.transfer = true
			r.has.identity = len(vs) == 1 && vs[0] == "identity"
		case "Content-Length":
			n, err := strconv.ParseInt(strings.TrimSpace(h.Get(k)), 10, 64)
			if err == nil && n >= 0 {
				r.length = n
			}
		case "Trailer":
			for _, v := range vs {
				for name := range strings.SplitSeq(v, ",") {
					r.declareTrailer(strings.TrimSpace(name))
				}
			}
		default:
			if strings.HasPrefix(k, http.TrailerPrefix) {
				if len(skip) == len(framing) {
					skip = maps.Clone(framing)
				}
				skip[k] = true
				r.declareTrailer("")
			}
		}
	}
	r.bodyless = !bodyAllowed(r.status)
	if r.bodyless {
		r.length = -1
	}
	r.head = r.conn.srv.wires.get()
	r.statusLine(r.head, r.status)
	_ = h.WriteSubset(r.head, skip) // a wire takes everything
}

// declareTrailer notes that a header comes after the body; an empty name only
// that there will be some.
func (r *response) declareTrailer(name string) {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Transfer-Encoding", "Content-Length", "Trailer":
		return
	}
	r.trailer = append(r.trailer, name)
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// sendHeader completes the header and puts it before out. first is the
// beginning of the body, or all of it when whole is set.
func (r *response) sendHeader(out *wire, first []byte, whole bool) {
	r.sent = true
	head := req11(r.req)
	isHead := r.req.Method == http.MethodHead
	if whole && r.length < 0 && !r.bodyless && !r.has.transfer && len(r.trailer) == 0 && (!isHead || r.written > 0) {
		r.length = r.written
	}
	*out = append(*out, *r.head...)
	r.conn.srv.wires.put(r.head)
	r.head = nil
	if !r.has.date {
		out.add(r.conn.srv.date.line())
	}
	if !r.has.contentType && !r.has.encoding && !r.has.transfer && !r.bodyless && len(first) > 0 {
		out.add("Content-Type: ", http.DetectContentType(first), "\r\n")
	}
	switch {
	case r.length >= 0:
		*out = strconv.AppendInt(append(*out, "Content-Length: "...), r.length, 10)
		out.add("\r\n")
	case r.bodyless || isHead:
	case head && !r.has.identity:
		r.chunked = true
		out.add("Transfer-Encoding: chunked\r\n")
	default:
		r.close = true // the end of the connection is that of the body
	}
	if r.conn.srv.ending || r.body.tooMuch() {
		r.close = true
	}
	switch {
	case r.status == http.StatusSwitchingProtocols:
		for _, v := range r.header["Connection"] {
			out.add("Connection: ", v, "\r\n")
		}
	case r.close && head:
		out.add("Connection: close\r\n")
	case !r.close && !head:
		out.add("Connection: keep-alive\r\n")
	case r.has.connection && !r.close:
		for _, v := range r.header["Connection"] {
			out.add("Connection: ", v, "\r\n")
		}
	}
	out.add("\r\n")
}

// req11 says whether the client understands HTTP/1.1.
func req11(r *http.Request) bool { return r.ProtoAtLeast(1, 1) }

// Write implements [http.ResponseWriter]. It suspends the running task while
// the client does not take what was written before.
func (r *response) Write(p []byte) (int, error) { return write(r, p) }

// WriteString is Write for a string.
func (r *response) WriteString(s string) (int, error) { return write(r, s) }

func write[T string | []byte](r *response, p T) (int, error) {
	switch {
	case !coro.OnMarkedGoroutine():
		return 0, fmt.Errorf("asynchttp: write response: %w", asyncio.ErrWrongGoroutine)
	case r.conn.hijacked:
		return 0, http.ErrHijacked
	case r.done:
		return 0, errHandlerDone
	case r.err != nil:
		return 0, r.err
	}
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.bodyless {
		return 0, http.ErrBodyNotAllowed
	}
	r.written += int64(len(p))
	if r.length >= 0 && r.written > r.length {
		r.written -= int64(len(p))
		return 0, http.ErrContentLength
	}
	if r.req.Method == http.MethodHead {
		return len(p), nil
	}
	if r.pending == nil {
		r.pending = r.conn.srv.wires.get()
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

// emit sends what was held back, and p.
func (r *response) emit(p []byte, whole bool) error {
	s := r.conn.srv
	out := s.wires.get()
	defer s.wires.put(out)
	var held []byte
	if r.pending != nil {
		held = *r.pending
	}
	if !r.sent {
		first := held
		if len(first) == 0 {
			first = p
		}
		r.sendHeader(out, first, whole)
	}
	n := len(held) + len(p)
	if r.chunked && n > 0 {
		*out = strconv.AppendInt(*out, int64(n), 16)
		out.add("\r\n")
	}
	*out = append(*out, held...)
	if r.pending != nil {
		*r.pending = (*r.pending)[:0]
	}
	if len(p) > bodyBuffer { // too much to copy
		return r.emitLong(*out, p)
	}
	*out = append(*out, p...)
	if r.chunked && n > 0 {
		out.add("\r\n")
	}
	if whole && r.chunked {
		r.endChunks(out)
	}
	if len(*out) > 0 && r.err == nil {
		_, r.err = r.conn.Write(*out)
	}
	return r.err
}

// emitLong sends p where it lies.
func (r *response) emitLong(before, p []byte) error {
	if r.err != nil {
		return r.err
	}
	if r.chunked {
		r.err = r.conn.writeLines(before, p, []byte("\r\n"))
	} else {
		r.err = r.conn.writeLines(before, p)
	}
	return r.err
}

// endChunks writes the last chunk and the trailers.
func (r *response) endChunks(out *wire) {
	out.add("0\r\n")
	if len(r.trailer) > 0 || hasTrailerPrefix(r.header) {
		h := make(http.Header)
		for _, k := range r.trailer {
			if vs, ok := r.header[k]; ok && k != "" {
				h[k] = vs
			}
		}
		for k, vs := range r.header {
			if name, ok := strings.CutPrefix(k, http.TrailerPrefix); ok {
				h[http.CanonicalHeaderKey(name)] = vs
			}
		}
		_ = h.Write(out) // a wire takes everything
	}
	out.add("\r\n")
}

func hasTrailerPrefix(h http.Header) bool {
	for k := range h {
		if strings.HasPrefix(k, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// finish sends what is left after the handler.
func (r *response) finish() error {
	if r.status == 0 {
		r.done = false
		r.WriteHeader(http.StatusOK)
		r.done = true
	}
	defer func() {
		if r.pending != nil {
			r.conn.srv.wires.put(r.pending)
			r.pending = nil
		}
		if r.head != nil {
			r.conn.srv.wires.put(r.head)
			r.head = nil
		}
	}()
	if r.err != nil {
		return r.err
	}
	if err := r.emit(nil, true); err != nil {
		return err
	}
	if r.length >= 0 && r.written < r.length && !r.bodyless && r.req.Method != http.MethodHead {
		// The client must not take it for whole.
		return fmt.Errorf("asynchttp: the handler wrote %d of %d bytes: %w", r.written, r.length, io.ErrShortWrite)
	}
	return nil
}

// Flush implements [http.Flusher].
func (r *response) Flush() { _ = r.FlushError() }

// FlushError is Flush with its error, for [http.ResponseController].
func (r *response) FlushError() error {
	switch {
	case !coro.OnMarkedGoroutine():
		return fmt.Errorf("asynchttp: flush: %w", asyncio.ErrWrongGoroutine)
	case r.conn.hijacked:
		return http.ErrHijacked
	case r.done:
		return errHandlerDone
	case r.err != nil:
		return r.err
	}
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	return r.emit(nil, false)
}

// Hijack implements [http.Hijacker]. The connection is the stream's
// [net.Conn]: whoever uses it does so in a coroutine of the loop, and closes
// it.
func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	switch {
	case r.conn.hijacked:
		return nil, nil, http.ErrHijacked
	case r.done:
		return nil, nil, errHandlerDone
	}
	if r.status != 0 {
		if err := r.FlushError(); err != nil {
			return nil, nil, err
		}
	}
	return r.conn.hijack()
}

// SetReadDeadline is for [http.ResponseController].
func (r *response) SetReadDeadline(t time.Time) error { return r.conn.s.Conn().SetReadDeadline(t) }

// SetWriteDeadline is for [http.ResponseController].
func (r *response) SetWriteDeadline(t time.Time) error { return r.conn.s.Conn().SetWriteDeadline(t) }

// EnableFullDuplex is for [http.ResponseController]. A handler may always read
// while it writes.
func (r *response) EnableFullDuplex() error { return nil }

// dateLine is the Date header, made once a second.
type dateLine struct {
	second int64
	text   string
}

func (d *dateLine) line() string {
	now := time.Now()
	if s := now.Unix(); s != d.second {
		d.second = s
		d.text = "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"
	}
	return d.text
}
