package asynchttp

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/response"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// maxCopied is the most of a body that is copied behind its header; what is more
// goes out from where it lies.
const maxCopied = 4096

// A response1 is a response over HTTP/1, and its carrier: it knows how the body
// is delimited and whether the connection is kept.
//
// It is all of a request that is served, in one piece of memory.
type response1 struct {
	response.Writer
	conn *serverConn
	body requestBody
	ctx  requestContext

	frozen     *wire    // the status line and the handler's header, once it is set
	opened     *wire    // the completed header, until it goes out
	connection []string // the handler's Connection field
	chunked    bool
	close      bool // the connection is not kept
}

var (
	_ response.Carrier = (*response1)(nil)
	_ http.Hijacker    = (*response1)(nil)
)

// newResponse1 makes the response to a request that is still to be read, and the
// rest of what a handler is given.
func newResponse1(c *serverConn) *response1 {
	r := &response1{conn: c}
	r.ctx.Context = c.ctx
	return r
}

// answers makes r the response to a request, which has r's context. mustClose is set
// where the connection cannot be kept.
func (r *response1) answers(req *http.Request, mustClose bool) {
	r.InitResponse(r.conn.srv.responses, r.conn.task, req, r)
	r.close = mustClose || wantsClose(req)
}

// is11 reports whether the client understands HTTP/1.1.
func (r *response1) is11() bool { return r.Req.ProtoAtLeast(1, 1) }

// statusLine writes the first line of a response.
func (r *response1) statusLine(w *wire, status int) {
	proto := "HTTP/1.0 "
	if r.is11() {
		proto = "HTTP/1.1 "
	}
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	w.add(proto)
	*w = strconv.AppendInt(*w, int64(status), 10)
	w.add(" ", text, "\r\n")
}

// Informational implements [response.Carrier]. A client of HTTP/1.0 knows no 1xx.
func (r *response1) Informational(status int, h http.Header) error {
	if status == http.StatusContinue {
		r.body.expects = false
	}
	if !r.is11() {
		return nil
	}
	w := r.conn.srv.wires.get()
	defer r.conn.srv.wires.put(w)
	r.statusLine(w, status)
	w.fields(h, notInInformational)
	w.add("\r\n")
	_, err := r.conn.Write(*w)
	return err
}

var notInInformational = map[string]bool{"Content-Length": true, "Transfer-Encoding": true}

// Freeze implements [response.Carrier].
func (r *response1) Freeze(status int, h http.Header) {
	r.body.mayContinue = false // a 100 would come inside the response
	r.connection = h["Connection"]
	r.close = r.close || hasToken(r.connection, "close")
	r.frozen = r.conn.srv.wires.get()
	r.statusLine(r.frozen, status)
	r.frozen.keptFields(h, r.KeepField)
}

// Open implements [response.Carrier].
func (r *response1) Open(contentType string) {
	w := r.frozen
	r.frozen, r.opened = nil, w
	if !r.Has.Date {
		w.add("Date: ", r.conn.srv.responses.Date(), "\r\n")
	}
	if contentType != "" {
		w.field("Content-Type", contentType)
	}
	r.delimit(w)
	if r.conn.srv.ending || r.body.tooMuch() || r.body.malformed() {
		r.close = true
	}
	r.connectionFields(w)
	w.add("\r\n")
}

// delimit decides how the client knows the end of the body.
func (r *response1) delimit(w *wire) {
	switch {
	case r.Length >= 0:
		*w = strconv.AppendInt(append(*w, "Content-Length: "...), r.Length, 10)
		w.add("\r\n")
	case r.Bodyless || r.IsHead():
	case r.is11() && !r.Has.Identity:
		r.chunked = true
		w.add("Transfer-Encoding: chunked\r\n")
	default:
		r.close = true // the end of the connection is that of the body
	}
}

// connectionFields writes whether the connection is kept, in the handler's words
// where they are right.
func (r *response1) connectionFields(w *wire) {
	switch {
	case r.Status == http.StatusSwitchingProtocols, !r.close && r.is11(), r.close && hasToken(r.connection, "close"):
		for _, v := range r.connection {
			w.field("Connection", v)
		}
	case r.close && r.is11():
		w.add("Connection: close\r\n")
	case !r.close:
		w.add("Connection: keep-alive\r\n")
	}
}

// Send implements [response.Carrier].
func (r *response1) Send(held, p []byte, last bool) error {
	out := r.take()
	defer r.conn.srv.wires.put(out)
	n := len(held) + len(p)
	r.chunkHead(out, int64(n))
	*out = append(*out, held...)
	if len(p) > maxCopied { // too much to copy
		if r.chunked {
			return r.conn.writeLines(*out, p, crlf)
		}
		return r.conn.writeLines(*out, p)
	}
	*out = append(*out, p...)
	if r.chunked && n > 0 {
		out.add("\r\n")
	}
	if last && r.chunked {
		out.add("0\r\n")
		out.fields(r.ResponseTrailers(), nil)
		out.add("\r\n")
	}
	if len(*out) == 0 {
		return nil
	}
	_, err := r.conn.Write(*out)
	return err
}

var crlf = []byte("\r\n")

// take returns a buffer with the header in it, if that is still to be sent.
func (r *response1) take() *wire {
	out := r.opened
	if r.opened = nil; out == nil {
		out = r.conn.srv.wires.get()
	}
	return out
}

// chunkHead begins a chunk of n bytes, where there are chunks.
func (r *response1) chunkHead(w *wire, n int64) {
	if r.chunked && n > 0 {
		*w = strconv.AppendInt(*w, n, 16)
		w.add("\r\n")
	}
}

// SendFile implements [response.Carrier].
func (r *response1) SendFile(held []byte, f *os.File, offset, n int64) (int64, error) {
	out := r.take()
	defer r.conn.srv.wires.put(out)
	r.chunkHead(out, int64(len(held))+n)
	*out = append(*out, held...)
	sent, err := r.conn.sendfile(*out, f, offset, n)
	if err == nil && r.chunked && sent == n {
		_, err = r.conn.Write(crlf)
	}
	return sent, err
}

// recycle gives back what the response was written with.
func (r *response1) recycle() {
	r.RecycleResponse()
	for _, w := range []*wire{r.frozen, r.opened} {
		if w != nil {
			r.conn.srv.wires.put(w)
		}
	}
	r.frozen, r.opened = nil, nil
}

// Hijack implements [http.Hijacker]. The connection is the stream's
// [net.Conn], and is read and written in coroutines of the loop. Nothing was read
// ahead that the client has sent after its request, but for what came in one
// piece with it, which the [bufio.ReadWriter] has. The handler may return before
// the connection is closed; it must be closed by whoever has it.
func (r *response1) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	switch {
	case !coro.OnMarkedGoroutine():
		return nil, nil, fmt.Errorf("asynchttp: hijack: %w", asyncio.ErrWrongGoroutine)
	case r.Taken:
		return nil, nil, http.ErrHijacked
	case r.Done:
		return nil, nil, response.ErrHandlerDone
	}
	if r.Status != 0 {
		if err := r.FlushError(); err != nil {
			return nil, nil, err
		}
	}
	r.Taken = true
	return r.conn.hijack()
}

// SetReadDeadline is for [http.ResponseController].
func (r *response1) SetReadDeadline(t time.Time) error {
	r.conn.deadlines.Store(true)
	return r.conn.conn().SetReadDeadline(t)
}

// SetWriteDeadline is for [http.ResponseController].
func (r *response1) SetWriteDeadline(t time.Time) error {
	r.conn.deadlines.Store(true)
	return r.conn.conn().SetWriteDeadline(t)
}
