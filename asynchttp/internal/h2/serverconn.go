package h2

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/alarm"
)

// A serverConn is the server's side of a connection.
type serverConn struct {
	conn
	srv     *Server
	ctx     context.Context // whose values requests have
	tasks   context.Context // of which tasks of requests are made
	remote  string          // the client's address
	maxID   uint32          // the highest stream that was looked at
	leaving leaving
	running int           // handlers, also those whose stream was reset
	none    asyncio.Event // running is 0
	held    int           // bytes of the headers of running requests
	state   func(http.ConnState)

	idle     alarm.Alarm
	heading  alarm.Alarm          // until a header block has come whole
	answered *asyncio.TimerHandle // until the PING of a shutdown is answered
}

// leaving is how far a graceful shutdown has come.
type leaving uint8

const (
	staying     leaving = iota
	askedToGo           // the first GOAWAY is sent, which refuses nothing
	saidGoodbye         // the second is, which names the last stream
)

func (c *serverConn) init(s *Server, l *asyncio.Loop, ctx context.Context, w Wire) {
	c.srv = s
	stream, all := s.windows()
	c.conn.init(l, w, &s.common, c, stream, all, s.limits())
	c.health = newHealth(&c.conn, s.PingInterval, s.PingTimeout)
	c.guard = newGuard(s.maxStreams(), l)
	c.preface = http2.ClientPreface
	c.ctx = ctx
	if s.RequestContext != nil {
		// Tasks with the same values share what they need for that, and contexts of
		// this kind are the ones by which it is found.
		c.tasks = l.CurrentTask().Context()
	} else {
		c.tasks = context.WithValue(ctx, http.LocalAddrContextKey, w.LocalAddr())
	}
	c.remote = w.RemoteAddr().String()
	c.idle = alarm.New(l, c.shutdown)
	c.heading = alarm.New(l, func() {
		c.fail(connError(http2.ErrCodeEnhanceYourCalm, "the header takes too long"))
	})
	c.greet(s.greeting()...)
	if !AcceptableTLS(w.ConnectionState()) {
		c.fail(connError(http2.ErrCodeInadequateSecurity, "TLS 1.2 with a modern cipher is needed"))
	}
	c.heading.Set(c.headerTime())
}

// over is what is to be done when nothing more is read.
func (c *serverConn) over() {
	c.farewell()
	c.idle.End()
	c.heading.End()
	stop(&c.answered)
	for c.running > 0 {
		c.none.Clear()
		if wait(c.loop, &c.none) != nil {
			return
		}
	}
}

func (c *serverConn) headerTime() (d time.Duration) {
	return cmp.Or(c.srv.ReadHeaderTimeout, defaultHeaderTime)
}

// unused implements side.
func (c *serverConn) unused(id uint32) bool { return id > c.maxID || id%2 == 0 }

// lastStream implements side.
func (c *serverConn) lastStream() uint32 { return c.maxID }

// headers implements side.
func (c *serverConn) headers(id uint32) (blockKind, error) {
	if id%2 == 0 {
		return 0, connError(http2.ErrCodeProtocol, "a client's stream with an even number")
	}
	if s := c.streams[id]; s != nil {
		if !s.state.canReceive() {
			return 0, connError(http2.ErrCodeStreamClosed, "HEADERS on a stream that the client has ended")
		}
		return trailerBlock, nil
	}
	if id <= c.maxID {
		if c.forgotten.has(id) {
			return unwantedBlock, nil
		}
		return 0, connError(http2.ErrCodeStreamClosed, "HEADERS on a closed stream")
	}
	c.maxID = id
	if c.leaving == saidGoodbye {
		c.forgotten.add(id) // what belongs to it is on its way too
		return unwantedBlock, nil
	}
	return requestBlock, nil
}

// headersBegun implements side.
func (c *serverConn) headersBegun() {
	if c.block.pieces == 1 {
		c.heading.Set(c.headerTime())
	}
}

// headersEnded implements side.
func (c *serverConn) headersEnded(b *block) error {
	c.heading.Stop()
	switch b.kind {
	case unwantedBlock:
		return c.guard.idleFrame(http2.FrameHeaders)
	case trailerBlock:
		return c.trailers(b)
	}
	if b.wrong != "" {
		return streamError(b.id, http2.ErrCodeProtocol, b.wrong)
	}
	if len(c.streams) >= int(c.srv.maxStreams()) || c.running >= 2*int(c.srv.maxStreams()) ||
		c.held+b.size > 4*c.block.limits.bytes {
		c.out.rstStream(b.id, http2.ErrCodeRefusedStream)
		c.forgotten.add(b.id)
		return c.guard.reset()
	}
	p, err := newRequestParts(b)
	if err != nil {
		return streamError(b.id, http2.ErrCodeProtocol, err.Error())
	}
	c.guard.useful(1)
	c.start(b, p)
	return nil
}

// start makes a stream for a request and a task for its handler.
func (c *serverConn) start(b *block, p requestParts) {
	s := &serverStream{c: c, parts: p, headerSize: b.size, tooLarge: b.large, hasBody: !b.end}
	s.stream.init(&c.conn, b.id, s)
	s.headed = true
	s.length = b.length
	if u, ok := urgency(b.header); ok {
		s.send.urgency = u
	}
	if b.end {
		s.state.gotEnd()
		s.body.end(io.EOF)
	}
	if len(c.streams) == 1 {
		c.tell(http.StateActive)
	}
	c.running++
	c.held += b.size
	c.idle.Stop()
	s.deadlines()
	s.task = asyncio.CreateTask(c.tasks, s.run)
	// Not in run: a task that is cancelled before its first step never gets there.
	s.task.AddDoneCallback(s.done)
}

// trailers takes a block at the end of a request.
func (c *serverConn) trailers(b *block) error {
	st := c.streams[b.id]
	switch {
	case st == nil: // it ended while the block came
		return nil
	case b.wrong != "":
		return streamError(b.id, http2.ErrCodeProtocol, b.wrong)
	case !b.end:
		return streamError(b.id, http2.ErrCodeProtocol, "trailers without the end of the stream")
	case b.large:
		return streamError(b.id, http2.ErrCodeEnhanceYourCalm, "trailers too large")
	case st.length >= 0 && st.got != st.length:
		return streamError(b.id, http2.ErrCodeProtocol, "the body is not as long as its content-length")
	}
	c.guard.useful(1)
	st.owner.(*serverStream).trailer = b.header
	st.gotEnd()
	return nil
}

// goAway implements side: the client opens no more streams, which is its own
// affair.
func (c *serverConn) goAway(*http2.GoAwayFrame) {}

// settled implements side.
func (c *serverConn) settled() {
	if !c.block.open && c.maxID == 0 {
		c.heading.Stop()
		c.idle.Set(c.srv.IdleTimeout)
	}
}

// priority implements side.
func (c *serverConn) priority(id uint32, value string) {
	if s := c.streams[id]; s != nil {
		if u, ok := parseUrgency(value); ok {
			s.send.prefer(u)
		}
	}
}

// streamGone implements side.
func (c *serverConn) streamGone() {
	if len(c.streams) == 0 {
		c.out.queue.rest()
		c.tell(http.StateIdle)
		c.idle.Set(c.srv.IdleTimeout)
		c.leaveWhenDone()
	}
}

// tell calls the hook for the connection's state, while it lives.
func (c *serverConn) tell(state http.ConnState) {
	if c.state != nil && c.err == nil {
		c.state(state)
	}
}

// ended implements side.
func (c *serverConn) ended() { c.idle.Stop(); c.heading.Stop(); stop(&c.answered) }

// shutdown tells the client to send no more requests, in two steps: requests
// that are on their way when the first GOAWAY leaves are still served. RFC 9113,
// 6.8.
func (c *serverConn) shutdown() {
	if c.leaving != staying || c.err != nil {
		return
	}
	c.leaving = askedToGo
	c.out.goAway(maxWindow, http2.ErrCodeNo, "")
	c.pings.send(&c.out, c.goodbye)
	c.answered = c.loop.CallLater(defaultShutdownPing, c.goodbye)
}

func (c *serverConn) goodbye() {
	if c.leaving != askedToGo || c.err != nil {
		return
	}
	c.leaving = saidGoodbye
	stop(&c.answered)
	c.out.goAway(c.maxID, http2.ErrCodeNo, "")
	c.leaveWhenDone()
}

func (c *serverConn) leaveWhenDone() {
	if c.leaving == saidGoodbye && len(c.streams) == 0 {
		c.finish(errLeft)
	}
}

// errLeft is the end of a connection after a shutdown.
var errLeft = errors.New("asynchttp: the connection was shut down")
