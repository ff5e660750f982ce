package asynchttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// maxInformational is how many 1xx responses may come before the response.
const maxInformational = 10

// smallBody is the largest body that is sent in one piece with the header.
const smallBody = 32 << 10

// writeGrace is how long a connection waits, after the end of a response, for
// the end of the request's body before it is given up.
const writeGrace = 50 * time.Millisecond

// An exchange is one request and its response on a connection. It is the body
// of the response, too; body.go has that half.
//
// The task in RoundTrip writes the header, with a small body, and reads the
// response. A larger body is written by a task of its own meanwhile: a server
// may answer, and close, before it has read all of it.
type exchange struct {
	c     *conn
	out   outgoing
	stop  func()                  // ends the watch on the request's context
	timer *asyncio.TimerHandle    // of the response's header, or of 100-continue
	send  *asyncio.Task[struct{}] // writes the body, when it has a task of its own

	unprocessed bool // the server has certainly done nothing with the request

	lost       bool // the connection was lost before anything came, and may have been stale
	sent       bool // the request is written
	unsent     bool // the body will never be sent
	bodyClosed bool // that of the request
	keep       bool // the connection can carry another request after this one
	bodyState
}

// roundTrip sends the request and reads the header of the response.
func (x *exchange) roundTrip(ctx context.Context) (*http.Response, error) {
	c := x.c
	c.buffer()
	c.fresh = true
	c.meter.start(orDefault(c.t.MaxResponseHeaderBytes, DefaultMaxResponseHeaderBytes), orDefault(c.t.MaxResponseFields, DefaultMaxResponseFields))
	resp, err := x.exchangeHeaders(ctx)
	c.meter.stop()
	x.stopTimer()
	if err != nil {
		x.lost = c.reused && c.fresh && c.ioErr != nil && c.cause == nil && !asyncio.IsCancelled(err)
		return nil, x.abandon(err)
	}
	resp.TLS = c.tls
	x.keep = !resp.Close && !x.out.close && !wantsClose(x.out.req) && !x.unsent
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		x.upgrade(resp)
	case resp.Body == http.NoBody:
		x.finish()
	default:
		x.wrap(resp)
	}
	return resp, nil
}

func (x *exchange) exchangeHeaders(ctx context.Context) (*http.Response, error) {
	if err := x.writeRequest(ctx); err != nil {
		return nil, err
	}
	if t := x.out.trace; t != nil && t.GotFirstResponseByte != nil {
		if _, err := x.c.br.Peek(1); err != nil {
			return nil, x.responseError(err)
		}
		t.GotFirstResponseByte()
	}
	return x.readResponse(ctx)
}

// writeRequest writes the header, and the body when it is small and at hand;
// else it starts a task for that.
func (x *exchange) writeRequest(ctx context.Context) error {
	t, r := x.c.t, x.out.req
	w := t.wires.get()
	defer t.wires.put(w)
	if err := x.out.appendHeader(w); err != nil {
		return err
	}
	n := x.out.length()
	expect := n != 0 && hasToken(r.Header["Expect"], "100-continue")
	// GetBody is what http.NewRequest gives to bodies in memory.
	atHand := n == 0 || n > 0 && n <= smallBody && r.GetBody != nil && !expect
	if atHand && n != 0 {
		err := x.out.writeBody(w)
		if err = errors.Join(err, x.closeRequestBody()); err != nil {
			return err
		}
	}
	_, err := x.c.Write(*w)
	if trace := x.out.trace; trace != nil && trace.WroteHeaders != nil && err == nil {
		trace.WroteHeaders()
	}
	switch {
	case atHand:
		x.wrote(err)
	case err == nil:
		x.sendBodyWhenWanted(ctx, expect)
	}
	return err
}

// sendBodyWhenWanted sends the body, or waits for a while whether the server
// says that it wants it.
func (x *exchange) sendBodyWhenWanted(ctx context.Context, expect bool) {
	wait := orDefault(x.c.t.ExpectContinueTimeout, DefaultExpectContinueTimeout)
	if !expect || wait <= 0 {
		x.sendBody(ctx)
		return
	}
	if trace := x.out.trace; trace != nil && trace.Wait100Continue != nil {
		trace.Wait100Continue()
	}
	x.timer = x.c.t.loop.CallLater(wait, func() { x.sendBody(ctx) })
}

// sendBody starts the task that writes the body.
func (x *exchange) sendBody(ctx context.Context) {
	if x.send != nil || x.unsent {
		return
	}
	x.stopTimer()
	// It starts at once: a task that is cancelled before it has begun could
	// not close the body.
	x.send = asyncio.CreateTaskOn(x.c.t.loop, func(context.Context) (struct{}, error) {
		returned := false
		defer func() {
			if !returned { // the body panicked; that is the task's error
				x.c.fail(&RequestBodyError{errors.New("its Read panicked")})
			}
		}()
		err := x.out.writeBody(x.c)
		returned = true
		if e := x.closeRequestBody(); err == nil && e != nil {
			err = &RequestBodyError{e}
		}
		x.wrote(err)
		return struct{}{}, nil
	}, asyncio.WithName("asynchttp: request body"), asyncio.WithEagerStart())
}

// wrote takes note that the request is written, or that it cannot be.
func (x *exchange) wrote(err error) {
	x.sent = err == nil
	if t := x.out.trace; t != nil && t.WroteRequest != nil {
		t.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	var body *RequestBodyError
	switch {
	case err == nil:
		if d := x.c.t.ResponseHeaderTimeout; d > 0 && x.c.meter.on {
			x.timer = x.c.t.loop.CallLater(d, func() { x.c.fail(&TimeoutError{"response header"}) })
		}
	case errors.As(err, &body):
		x.c.fail(err)
	default:
		// The connection does not take it. Perhaps the server has answered
		// before: whoever reads will see.
	}
}

// readResponse reads headers until that of the response has come.
func (x *exchange) readResponse(ctx context.Context) (*http.Response, error) {
	for informational := 0; ; informational++ {
		if err := x.notHTTP(); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(x.c.br, x.out.req)
		if err != nil {
			return nil, x.responseError(err)
		}
		if code := resp.StatusCode; code < 100 || code > 199 || code == http.StatusSwitchingProtocols {
			if x.send == nil && !x.sent {
				// The server did not say that it wants the body.
				x.unsent = true
				x.closeRequestBody()
			}
			return resp, nil
		}
		if informational == maxInformational {
			return nil, ErrTooManyInformational
		}
		if err := x.heed(ctx, resp); err != nil {
			return nil, err
		}
		ahead, _ := x.c.br.Peek(x.c.br.Buffered())
		if err := x.c.meter.again(orDefault(x.c.t.MaxResponseFields, DefaultMaxResponseFields), ahead); err != nil {
			return nil, err
		}
	}
}

// heed does what a response of 1xx asks for.
func (x *exchange) heed(ctx context.Context, resp *http.Response) error {
	trace := x.out.trace
	if resp.StatusCode == http.StatusContinue {
		if trace != nil && trace.Got100Continue != nil {
			trace.Got100Continue()
		}
		if !x.sent {
			x.sendBody(ctx)
		}
	}
	if trace == nil || trace.Got1xxResponse == nil {
		return nil
	}
	return trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header))
}

// notHTTP returns an error for a response that begins as no HTTP/1 response
// does, such as one of HTTP/0.9. It need not have a line, and may never end one.
func (x *exchange) notHTTP() error {
	const begin = "HTTP/"
	head, _ := x.c.br.Peek(len(begin)) // the error comes again
	if len(head) == 0 || strings.HasPrefix(begin, string(head)) {
		return nil
	}
	return &MalformedResponseError{fmt.Errorf("malformed HTTP response %q", head)}
}

// responseError returns what an error in reading a header means to the user.
func (x *exchange) responseError(err error) error {
	c := x.c
	switch {
	case errors.Is(c.readErr, ErrHeaderTooLarge): // also when err is about the line that was cut off
		return ErrHeaderTooLarge
	case c.ioErr == nil:
		return &MalformedResponseError{err}
	case c.ioErr == io.EOF && c.fresh:
		return ErrEmptyReply
	case c.ioErr == io.EOF:
		return fmt.Errorf("asynchttp: the response's header ended early: %w", io.ErrUnexpectedEOF)
	default:
		return c.ioErr
	}
}

// abandon ends an exchange that has failed, with its connection.
func (x *exchange) abandon(err error) error {
	if x.c.cause != nil && !asyncio.IsCancelled(err) {
		err = x.c.cause
	}
	x.stopTimer()
	x.unwatch()
	x.c.fail(err)
	x.c.close()
	if x.send != nil {
		x.send.Cancel()
	} else if !x.sent {
		x.unsent = true
		x.closeRequestBody()
	}
	return err
}

// closeRequestBody closes the body of the request, once.
func (x *exchange) closeRequestBody() error {
	if x.bodyClosed {
		return nil
	}
	x.bodyClosed = true
	return closeBody(x.out.req)
}

// finish ends an exchange whose response has come whole, and keeps the
// connection if it can be kept.
func (x *exchange) finish() {
	x.unwatch()
	c := x.c
	switch {
	case !x.keep || c.gone() || c.br.Buffered() > 0:
		// More than was announced has come: whatever that is, it is not the
		// response to the next request.
		c.close()
		if x.send != nil {
			x.send.Cancel()
		}
	case x.sent:
		x.recycle()
	default:
		// The last of the body is on its way, or never will be.
		timer := c.t.loop.CallLater(writeGrace, func() { x.send.Cancel() })
		x.send.AddDoneCallback(func() {
			timer.Cancel()
			if x.sent {
				x.recycle()
			} else {
				c.close()
			}
		})
	}
}

func (x *exchange) unwatch() {
	if x.stop != nil {
		x.stop()
		x.stop = nil
	}
}

func (x *exchange) recycle() {
	if t := x.out.trace; t != nil && t.PutIdleConn != nil {
		t.PutIdleConn(nil)
	}
	x.c.t.put(x.c)
}

func (x *exchange) stopTimer() {
	if x.timer != nil {
		x.timer.Cancel()
		x.timer = nil
	}
}

// upgrade gives the connection away as the body of a 101 response.
func (x *exchange) upgrade(resp *http.Response) {
	x.unwatch()
	resp.Body = &upgraded{x.c, x.c.br}
	x.c.br = nil // never for another connection
}

// upgraded is the connection after 101 Switching Protocols: an
// [io.ReadWriteCloser].
type upgraded struct {
	c  *conn
	br *bufio.Reader
}

func (u *upgraded) Read(p []byte) (int, error)  { return u.br.Read(p) }
func (u *upgraded) Write(p []byte) (int, error) { return u.c.Write(p) }

// Close closes the connection. On a goroutine that is not the loop's it asks
// the loop to do it.
func (u *upgraded) Close() error {
	if !coro.OnMarkedGoroutine() {
		// A loop that is closed has ended the stream already.
		_, _ = u.c.t.loop.CallSoonThreadsafe(u.c.close)
		return nil
	}
	u.c.close()
	return nil
}

func closeBody(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	return r.Body.Close()
}
