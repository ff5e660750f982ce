package h2

import (
	"context"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/response"
)

// fileAtOnce is how much of a file is read at a time.
const fileAtOnce = 64 << 10

// A serverResponse is a response over HTTP/2, and its carrier. What it can
// besides is what [http.ResponseController] asks for.
type serverResponse struct {
	response.Writer
	s           *serverStream
	fixed       []field  // the header as it was at WriteHeader
	room4       [4]field // where fixed begins
	contentType string   // what was sniffed
	queued      bool     // the header is on its way
}

// A field is a header with its values.
type field struct {
	name   string
	values []string
}

var _ response.Carrier = (*serverResponse)(nil)

func (w *serverResponse) init(s *serverStream) {
	w.s = s
	w.InitResponse(s.c.common.responses, s.task, s.req, w)
	w.Framed, w.Tunnel = true, s.parts.method == http.MethodConnect
}

// Informational implements [response.Carrier].
func (w *serverResponse) Informational(status int, h http.Header) error {
	if w.room() != nil || w.queued {
		return nil
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
	return nil
}

// Freeze implements [response.Carrier].
func (w *serverResponse) Freeze(_ int, h http.Header, omit map[string]bool) {
	w.fixed = w.room4[:0]
	for k, vs := range h {
		if !omit[k] {
			w.fixed = append(w.fixed, field{k, vs[:len(vs):len(vs)]})
		}
	}
	if vs, ok := h["Connection"]; ok && httpguts.HeaderValuesContainsToken(vs, "close") {
		w.s.c.shutdown() // as a handler of HTTP/1 ends its connection
	}
}

// Open implements [response.Carrier].
func (w *serverResponse) Open(contentType string) {
	w.contentType = contentType
	w.s.parts.expects = false
}

// Send implements [response.Carrier].
func (w *serverResponse) Send(held, p []byte, last bool) error {
	trailers := http.Header(nil)
	if last {
		trailers = w.ResponseTrailers()
	}
	whole := last && trailers == nil
	ended, err := w.sendHeader(w.IsHead() || whole && len(held)+len(p) == 0)
	if ended || err != nil {
		return err
	}
	if len(held) > 0 {
		if _, err := w.s.send.write(held, whole && len(p) == 0); err != nil {
			return err
		}
	}
	if len(p) > 0 || whole && len(held) == 0 {
		if _, err := w.s.send.write(p, whole); err != nil {
			return err
		}
	}
	if trailers != nil {
		for k, vs := range trailers {
			w.fields(k, vs)
		}
		w.s.c.out.headers(w.s.id, true)
	}
	if last {
		w.s.sentEnd()
	}
	return nil
}

// SendFile implements [response.Carrier]. The file is read in the executor, in
// pieces, while others run.
func (w *serverResponse) SendFile(held []byte, f *os.File, offset, n int64) (int64, error) {
	files := &w.s.c.common.files
	buf := files.Get()[:fileAtOnce]
	defer files.Put(buf)
	sent := int64(0)
	for sent < n {
		p := buf[:min(n-sent, fileAtOnce)]
		got, err := asyncio.ToThread(w.ctx(), func(context.Context) (int, error) {
			got, err := f.ReadAt(p, offset+sent)
			if got > 0 && err == io.EOF {
				err = nil
			}
			return got, err
		})
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		if err := w.Send(held, p[:got], false); err != nil {
			return sent, err
		}
		held = nil
		sent += int64(got)
	}
	return sent, nil
}

// ctx returns the context of the task that runs.
func (w *serverResponse) ctx() context.Context {
	if t := w.s.c.loop.CurrentTask(); t != nil {
		return t.Context()
	}
	return w.s.task.Context()
}

// room suspends the running task while so much is on its way to the client that
// nothing more of it is read either. DATA has its windows; this is for headers.
func (w *serverResponse) room() error {
	o := &w.s.c.out
	for w.s.err == nil && o.unsent() >= unreadLimit {
		o.free.Clear()
		if err := wait(o.loop, &o.free); err != nil {
			return err
		}
	}
	return w.s.err
}

// fields encodes the values of a header. What HTTP/2 does not have, and what is
// no header, is passed over.
func (w *serverResponse) fields(key string, values []string) {
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

// sendHeader sends the header, if it was not sent, and with it the end of the
// stream where end is set. It reports whether it did that.
func (w *serverResponse) sendHeader(end bool) (ended bool, err error) {
	if !w.queued {
		err = w.room() // another task of the handler's may send it meanwhile
	}
	if err != nil || w.queued {
		return w.queued && w.IsHead(), err
	}
	w.queued = true
	o := &w.s.c.out
	o.field(":status", statusText(w.Status))
	for _, f := range w.fixed {
		w.fields(f.name, f.values)
	}
	if w.contentType != "" {
		o.field("content-type", w.contentType)
	}
	if w.Length >= 0 {
		o.field("content-length", strconv.FormatInt(w.Length, 10))
	}
	if !w.Has.Date {
		o.field("date", w.s.c.common.responses.Date())
	}
	o.headers(w.s.id, end)
	if end {
		w.s.sentEnd()
	}
	return end, nil
}

func statusText(status int) string {
	if status == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(status)
}

// finish sends what is left after the handler. What cannot be sent whole ends
// with a reset.
func (w *serverResponse) finish() {
	err := w.FinishResponse()
	w.RecycleResponse()
	if err == nil {
		return
	}
	code := http2.ErrCodeInternal
	if asyncio.IsCancelled(err) {
		code = http2.ErrCodeCancel
	}
	w.s.reset(code, err)
}

// SetReadDeadline is for [http.ResponseController]: reading the body ends then.
func (w *serverResponse) SetReadDeadline(t time.Time) error {
	if err := w.usable(); err != nil {
		return err
	}
	w.s.setDeadline(&w.s.readBy, t, w.s.readLate)
	return nil
}

// SetWriteDeadline is for [http.ResponseController]: the stream is reset then.
// The connection goes on.
func (w *serverResponse) SetWriteDeadline(t time.Time) error {
	if err := w.usable(); err != nil {
		return err
	}
	w.s.setDeadline(&w.s.writeBy, t, w.s.writeLate)
	return nil
}

// usable returns why the response cannot be changed any more, if so.
func (w *serverResponse) usable() error {
	if w.Done {
		return response.ErrHandlerDone
	}
	return w.s.err
}
