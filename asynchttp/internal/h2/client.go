package h2

import (
	"container/list"
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

// What a field of [Client] that is zero means.
const (
	defaultResponseHeader = 300 << 10
	clientStreamWindow    = 1 << 20
	clientConnWindow      = 8 << 20
	clientGuardStreams    = 1000
	defaultExpectTime     = time.Second
	maxInformational      = 10
	smallBody             = 16 << 10
	defaultUserAgent      = "asyncio-go/2"
)

// A Client makes connections and holds what they have in common. The zero value
// is ready for use; the fields must not be changed after the first connection.
// It belongs to the loop of that one.
type Client struct {
	// MaxHeaderBytes bounds the header of a response, with all those of 1xx
	// before it; zero means 300 KiB.
	MaxHeaderBytes int

	// MaxHeaderFields bounds the fields of a response's header; zero means
	// 5,000.
	MaxHeaderFields int

	// UserAgent is sent by requests that name none.
	UserAgent string

	// ResponseHeaderTimeout limits the time from the end of the request to the
	// end of the response's header; zero means no limit.
	ResponseHeaderTimeout time.Duration

	// ExpectContinueTimeout is how long a request with "Expect: 100-continue"
	// waits before it sends its body all the same; zero means one second, a
	// negative value that it does not wait.
	ExpectContinueTimeout time.Duration

	// BodyError makes the error of a request whose body cannot be read, or is not
	// as long as its ContentLength; nil means a [*RequestBodyError].
	BodyError func(err error) error

	// PingInterval is how long a connection may be silent before it is asked
	// whether it is still there, and PingTimeout how long it has to answer; zero
	// means never, and 15 seconds.
	PingInterval, PingTimeout time.Duration

	// StreamWindow and ConnWindow are how much a server may send that was not
	// read, of a response and of all; zero means 1 MiB and 8 MiB.
	StreamWindow, ConnWindow int

	common common
}

// A ClientConn is a connection to a server. It carries requests at the same
// time, as many as the server allows.
type ClientConn struct {
	// OnIdle is called when no request is under way any more, and OnEnd when the
	// connection has ended. Neither may suspend.
	OnIdle, OnEnd func()

	c clientConn
}

// NewConn begins to speak HTTP/2 over w, which is the ClientConn's from then on.
// It waits for nothing.
func (cl *Client) NewConn(ctx context.Context, w Wire) (*ClientConn, error) {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	cc := &ClientConn{}
	c := &cc.c
	c.cl, c.outer = cl, cc
	limits := blockLimits{bytes: cl.MaxHeaderBytes, fields: cl.MaxHeaderFields}
	if limits.bytes <= 0 {
		limits.bytes = defaultResponseHeader
	}
	if limits.fields <= 0 {
		limits.fields = defaultMaxFields
	}
	stream, all := clientStreamWindow, clientConnWindow
	if cl.StreamWindow > 0 {
		stream = min(cl.StreamWindow, maxWindow)
	}
	if cl.ConnWindow > 0 {
		all = min(max(cl.ConnWindow, defaultWindow), maxWindow) // which cannot be made smaller
	}
	c.conn.init(l, w, &cl.common, c, stream, all, limits)
	c.client = true
	c.guard = newGuard(clientGuardStreams, l)
	c.nextID = 1
	c.out.buf = append(cl.common.outs.Get(), http2.ClientPreface...)
	c.greet(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(stream)},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(limits.bytes)})
	c.health = newHealth(&c.conn, cl.PingInterval, cl.PingTimeout)
	c.task = asyncio.CreateTaskOn(l, func(context.Context) (struct{}, error) {
		c.run()
		c.farewell()
		return struct{}{}, nil
	}, asyncio.WithName("asynchttp: HTTP/2 connection"))
	return cc, nil
}

// Ready reports whether a request would be sent at once.
func (cc *ClientConn) Ready() bool {
	c := &cc.c
	return c.usable() == nil && c.waiting.Len() == 0 && c.taken() < int(c.peer.streams)
}

// Usable reports whether the connection takes requests, if need be later: it has
// not ended, and the server has not said that it takes no more.
func (cc *ClientConn) Usable() bool { return cc.c.usable() == nil }

// Settled reports whether the server has said how many requests it takes at
// once; until then it is taken to be a hundred.
func (cc *ClientConn) Settled() bool { return cc.c.peer.seen }

// Requests returns how many requests are under way, or wait for their turn.
func (cc *ClientConn) Requests() int { return cc.c.taken() + cc.c.waiting.Len() }

// Err returns why the connection has ended; nil while it has not.
func (cc *ClientConn) Err() error { return cc.c.err }

// Shutdown takes no more requests, and closes the connection when those under
// way are done. It waits for nothing.
func (cc *ClientConn) Shutdown() { cc.c.leave(ErrClosed) }

// Close closes the connection; requests and bodies fail with err.
func (cc *ClientConn) Close(err error) {
	c := &cc.c
	if c.err == nil {
		c.out.goAway(0, http2.ErrCodeNo, "")
		c.finish(err)
	}
}

// WaitClosed suspends the running task until the connection is closed.
func (cc *ClientConn) WaitClosed(ctx context.Context) error {
	_, err := cc.c.task.Await(ctx)
	return err
}

// A clientConn is the client's side of a connection.
type clientConn struct {
	conn
	cl      *Client
	outer   *ClientConn
	task    *asyncio.Task[struct{}]
	nextID  uint32
	given   int       // turns that were given to those who waited, and not taken yet
	waiting list.List // of *asyncio.Future[struct{}], in the order in which they came
	leaving error     // why no more requests are taken
}

// taken returns how many of the streams that the server allows are taken.
func (c *clientConn) taken() int { return len(c.streams) + c.given }

// usable returns why no more requests are taken, if so.
func (c *clientConn) usable() error {
	switch {
	case c.err != nil:
		return &unprocessedError{c.err}
	case c.leaving != nil:
		return &unprocessedError{c.leaving}
	case c.nextID > maxWindow:
		return &unprocessedError{errNoMoreStreams}
	}
	return nil
}

var errNoMoreStreams = fmt.Errorf("asynchttp: the connection has no more streams")

// An unprocessedError is what ends a request with which nothing was done.
type unprocessedError struct{ err error }

func (e *unprocessedError) Error() string        { return e.err.Error() }
func (e *unprocessedError) Unwrap() error        { return e.err }
func (e *unprocessedError) Is(target error) bool { return target == ErrUnprocessed }

// turn suspends the running task until the server allows another stream. Those
// who come first are first.
func (c *clientConn) turn(ctx context.Context) error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.waiting.Len() == 0 && c.taken() < int(c.peer.streams) {
		return nil
	}
	f := asyncio.NewFuture[struct{}](c.loop)
	place := c.waiting.PushBack(f)
	_, err := f.Await(ctx)
	if f.Done() && !f.Cancelled() {
		if f.Err() == nil {
			c.given--
			if err != nil {
				c.giveTurns() // it was given in the turn in which the wait was ended
			}
		}
		if err == nil {
			err = c.usable()
		}
		return err
	}
	c.waiting.Remove(place)
	return err
}

// giveTurns lets those go on for whom there is a stream.
func (c *clientConn) giveTurns() {
	for c.waiting.Len() > 0 && c.taken() < int(c.peer.streams) {
		f := c.waiting.Remove(c.waiting.Front()).(*asyncio.Future[struct{}])
		if f.SetResult(struct{}{}) == nil {
			c.given++
		}
	}
}

// turnAway ends all who wait for a stream.
func (c *clientConn) turnAway(err error) {
	for c.waiting.Len() > 0 {
		f := c.waiting.Remove(c.waiting.Front()).(*asyncio.Future[struct{}])
		_ = f.SetError(&unprocessedError{err}) // one that was cancelled knows already
	}
}

// leave takes no more requests.
func (c *clientConn) leave(err error) {
	if c.leaving == nil {
		c.leaving = err
	}
	c.turnAway(err)
	c.leaveWhenDone()
}

func (c *clientConn) leaveWhenDone() {
	if c.leaving != nil && c.err == nil && c.taken() == 0 {
		c.out.goAway(0, http2.ErrCodeNo, "")
		c.finish(c.leaving)
	}
}

// unused implements side.
func (c *clientConn) unused(id uint32) bool { return id >= c.nextID || id%2 == 0 }

// lastStream implements side: the server opens none.
func (c *clientConn) lastStream() uint32 { return 0 }

// settled implements side.
func (c *clientConn) settled() { c.giveTurns() }

// streamGone implements side.
func (c *clientConn) streamGone() {
	if c.err != nil {
		return
	}
	c.giveTurns()
	if c.taken() > 0 {
		return
	}
	c.leaveWhenDone()
	if c.outer.OnIdle != nil && c.err == nil {
		c.outer.OnIdle()
	}
}

// ended implements side.
func (c *clientConn) ended() {
	c.turnAway(c.err)
	if c.outer.OnEnd != nil {
		c.outer.OnEnd()
	}
}

// priority implements side: only clients send that.
func (c *clientConn) priority(uint32, string) {}

// goAway implements side: streams above the last that the server has looked at
// may go elsewhere.
func (c *clientConn) goAway(f *http2.GoAwayFrame) {
	err := &ConnError{Code: f.ErrCode, Remote: true, Reason: string(f.DebugData()[:min(len(f.DebugData()), 256)])}
	if c.leaving == nil {
		c.leaving = err
	}
	for _, s := range c.inOrder() {
		if s.id > f.LastStreamID {
			s.fail(&unprocessedError{err})
		}
	}
	c.leave(err)
}

// headers implements side.
func (c *clientConn) headers(id uint32) (blockKind, error) {
	s := c.streams[id]
	switch {
	case c.unused(id):
		return 0, connError(http2.ErrCodeProtocol, "HEADERS on an idle stream")
	case s == nil:
		return unwantedBlock, nil
	case !s.state.canReceive():
		return 0, connError(http2.ErrCodeStreamClosed, "HEADERS on a stream that the server has ended")
	case s.headed:
		return trailerBlock, nil
	}
	return responseBlock, nil
}

// headersBegun implements side.
func (c *clientConn) headersBegun() {}

// headersEnded implements side.
func (c *clientConn) headersEnded(b *block) error {
	st := c.streams[b.id]
	switch {
	case b.kind == unwantedBlock || st == nil:
		return c.guard.idleFrame(http2.FrameHeaders)
	case b.wrong != "":
		return streamError(b.id, http2.ErrCodeProtocol, b.wrong)
	case b.large:
		st.reset(http2.ErrCodeCancel, ErrHeaderTooLarge)
		return nil
	}
	c.guard.useful(1)
	s := st.owner.(*clientStream)
	if b.kind == responseBlock {
		return s.respond(b)
	}
	if !b.end {
		return streamError(b.id, http2.ErrCodeProtocol, "trailers without the end of the stream")
	}
	s.trailer = b.header
	if s.got < s.length {
		s.body.end(errShort)
	}
	s.gotEnd()
	return nil
}

// RoundTrip implements [http.RoundTripper], for requests whose context is that
// of a coroutine.
func (cc *ClientConn) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	return cc.Do(req, Call{Context: ctx, Trace: httptrace.ContextClientTrace(ctx)})
}
