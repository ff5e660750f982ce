package asynchttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/asyncio-go/asyncio"
)

const (
	// linger is how long a connection that is closed with something unread
	// stays: were it closed at once, the system would reset it, and the client
	// might lose the response.
	linger = 500 * time.Millisecond

	// maxLinger is how much is read of what still comes meanwhile.
	maxLinger = 256 << 10
)

// badRequestError is a request that gets an answer and no handler.
type badRequestError struct {
	status int
	text   string
}

func (e *badRequestError) Error() string { return e.text }

// readRequest reads the header of a request, which r is to answer.
func (c *serverConn) readRequest(r *response1) error {
	if !c.readPlain(r) {
		if err := c.readAny(r); err != nil {
			return err
		}
	}
	if d := c.srv.WriteTimeout; d > 0 {
		c.writes.Set(d)
	}
	if c.peer == "" {
		c.peer = c.s.RemoteAddr().String()
	}
	r.Req.RemoteAddr, r.Req.TLS = c.peer, c.s.ConnectionState()
	return nil
}

// readPlain reads a request that has come whole and leaves no question open, and
// reports whether there is one.
func (c *serverConn) readPlain(r *response1) bool {
	ahead, _ := c.br.Peek(c.br.Buffered())
	var req http.Request
	size := plainRequest(&req, ahead, orDefault(c.srv.MaxHeaderFields, maxServerFields), &c.srv.names)
	if size == 0 {
		return false
	}
	_, _ = c.br.Discard(size) // which is there
	c.reads.Stop()
	r.answers(req.WithContext(&r.ctx), false)
	r.body.none(c)
	return true
}

// readAny reads any request, also one that has not come whole.
func (c *serverConn) readAny(r *response1) error {
	s := c.srv
	began := s.loop.Time()
	req, err := c.parseRequest()
	if err != nil {
		return err
	}
	if err := c.checkRequest(req); err != nil {
		return err
	}
	if s.ReadTimeout > 0 && req.Body != http.NoBody {
		c.reads.Set(max(1, s.ReadTimeout-(s.loop.Time()-began)))
	} else {
		c.reads.Stop()
	}
	own := req.WithContext(&r.ctx)
	r.answers(own, c.raw.mustClose(req))
	r.body.take(c, req, own)
	return nil
}

// parseRequest has net/http read the header, within the server's limits.
func (c *serverConn) parseRequest() (*http.Request, error) {
	s := c.srv
	ahead, _ := c.br.Peek(c.br.Buffered())
	limit := orDefault(s.MaxHeaderBytes, http.DefaultMaxHeaderBytes) + readAhead - len(ahead) // of the body, which does not count
	c.raw = rawHeader{}
	c.meter.start(int64(limit), 0)
	c.meter.seen = c.raw.line
	defer c.meter.stop()
	if err := c.meter.again(orDefault(s.MaxHeaderFields, maxServerFields), ahead); err != nil {
		return nil, err
	}
	req, err := http.ReadRequest(c.br)
	var late *TimeoutError
	if err != nil && (errors.Is(c.readErr, ErrHeaderTooLarge) || errors.As(c.readErr, &late)) {
		err = c.readErr // what net/http says of the line that was cut off is of no use
	}
	return req, err
}

// checkRequest returns an error for a request that net/http has read and that
// no handler gets.
func (c *serverConn) checkRequest(req *http.Request) error {
	switch {
	case req.ProtoMajor != 1:
		return &badRequestError{http.StatusHTTPVersionNotSupported, "unsupported protocol version"}
	case req.ProtoAtLeast(1, 1) && c.raw.hosts == 0 && req.Method != http.MethodConnect:
		return &badRequestError{http.StatusBadRequest, "missing required Host header"}
	case c.raw.hosts > 0 && !httpguts.ValidHostHeader(c.raw.host):
		return &badRequestError{http.StatusBadRequest, "malformed Host header"}
	case checkHeader("request header", req.Header) != nil:
		return &badRequestError{http.StatusBadRequest, "invalid header"}
	}
	return nil
}

// mustClose reports whether the connection must not be kept, since somebody on
// the way may have seen another end of the request (RFC 9112, 6.1).
func (h *rawHeader) mustClose(req *http.Request) bool {
	return h.transfer && (h.length || !req.ProtoAtLeast(1, 1))
}

// refuse answers a request that could not be read, when there is somebody to
// answer.
func (c *serverConn) refuse(err error) {
	if c.cause != nil || c.ioErr != nil && c.ioErr != io.EOF { // who has ended its half may still listen
		return
	}
	c.freeReads()
	bad := refusal(err)
	_, err = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%d %s",
		bad.status, http.StatusText(bad.status), bad.status, bad.text)
	if err == nil {
		c.lingerOn()
	}
}

// refusal returns what the client is told of an error.
func refusal(err error) *badRequestError {
	var bad *badRequestError
	var late *TimeoutError
	status := http.StatusBadRequest
	switch {
	case errors.As(err, &bad):
		return bad
	case errors.Is(err, ErrHeaderTooLarge):
		status = http.StatusRequestHeaderFieldsTooLarge
	case errors.As(err, &late):
		status = http.StatusRequestTimeout
	case strings.Contains(err.Error(), "transfer encoding"): // net/http's error has no other mark
		return &badRequestError{http.StatusNotImplemented, "Unsupported transfer encoding"}
	}
	return &badRequestError{status, http.StatusText(status)}
}

// lingerOn ends the sending half, and waits for a while until the client does
// the same. It reads some of what still comes.
func (c *serverConn) lingerOn() {
	if c.s.WriteEOF() != nil {
		return
	}
	c.readErr = nil
	began := c.srv.loop.Time()
	c.reads.Set(linger)
	defer c.reads.Stop()
	buf := c.srv.responses.Copies.Get()
	defer c.srv.responses.Copies.Put(buf)
	for left := maxLinger; left > 0; {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		left -= n
	}
	// The rest stays where it is, and holds the client up.
	_ = asyncio.Sleep(c.own, linger-(c.srv.loop.Time()-began))
}

// turnAway answers a connection that is one too many. Not all can be answered
// when very many come.
func (c *serverConn) turnAway() {
	s := c.srv
	if s.tls != nil || s.turnedAway >= s.MaxConns {
		return // a handshake would cost more than the request
	}
	s.turnedAway++
	defer func() { s.turnedAway-- }()
	_, err := io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n503 too many connections")
	if err == nil {
		c.lingerOn()
	}
}
