package h2

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/net/http2"
)

// A conn is what both sides of a connection have in common.
//
// It ends in one of two ways. With fail, this side gives it up and says so to
// the peer; with lose it is gone. Either way all streams end, and the task that
// reads comes to its farewell.
type conn struct {
	loop   *asyncio.Loop
	wire   Wire
	common *common
	side   side
	client bool // this is the side that asks
	out    outbox

	own     *[]byte // what is read into over TLS
	preface string  // what must come before the first frame
	part    []byte  // of a frame that has come in part
	block   block

	streams      map[uint32]*stream // nil when there is none: there are many idle connections
	streamWindow int                // of a stream, for what comes
	window       recvWindow
	peer         settings
	guard        guard
	forgotten    forgotten

	err    error // why it has ended
	ending *asyncio.TimerHandle
	pings  pings
	health *health // nil: nobody looks
}

// A side is what the two sides of a connection do differently.
type side interface {
	// unused reports whether nobody has opened that stream yet.
	unused(id uint32) bool
	// headers says what the block is that begins on a stream.
	headers(id uint32) (blockKind, error)
	// headersBegun is told of each piece of a block of which more is to come.
	headersBegun()
	// headersEnded takes a block that has come whole.
	headersEnded(b *block) error
	// goAway takes the peer's GOAWAY.
	goAway(f *http2.GoAwayFrame)
	// settled is told of the peer's settings.
	settled()
	// streamGone is told that there is one stream less.
	streamGone()
	// ended is told that the connection has ended.
	ended()
	// lastStream is the highest stream of the peer's that was looked at.
	lastStream() uint32
	// priority takes a hint about a stream's priority.
	priority(id uint32, value string)
}

func (c *conn) init(l *asyncio.Loop, w Wire, common *common, side side, streamWindow, connWindow int, limits blockLimits) {
	common.init(l)
	c.loop, c.wire, c.common, c.side = l, w, common, side
	c.out.init(l, w, common, c.lose)
	c.block.names, c.block.limits = &common.names, limits
	c.streamWindow = streamWindow
	c.window = newRecvWindow(connWindow)
	c.peer = newSettings()
	if w.ConnectionState() != nil {
		own := make([]byte, serverTLSRead)
		if _, server := side.(*serverConn); !server {
			own = make([]byte, clientTLSRead)
		}
		c.own = &own
	}
}

// greet sends the first SETTINGS and opens the connection's window.
func (c *conn) greet(s ...http2.Setting) {
	c.out.settings(s...)
	if more := c.window.size - defaultWindow; more > 0 {
		c.out.windowUpdate(0, uint32(more))
	}
}

// consumed gives n bytes that have been read back to the connection's window.
func (c *conn) consumed(n int) {
	if n == 0 {
		return
	}
	if more := c.window.release(n); more > 0 {
		c.out.windowUpdate(0, more)
	}
}

// run reads until the connection has ended. It is the body of its task, in which
// very many may stand: its frame is kept small.
func (c *conn) run() {
	for c.mayRead() {
		c.took(c.wire.Read(c.buf()))
	}
}

// buf returns what is read into. All connections share one, but for those over TLS:
// a Read of crypto/tls may fill it and then wait for what is behind an alert, and
// others would read into it meanwhile.
func (c *conn) buf() []byte {
	if c.own != nil {
		return *c.own
	}
	return c.common.read
}

// mayRead waits while too much is on its way to the peer, and reports whether
// the connection is still there.
func (c *conn) mayRead() bool {
	for c.err == nil && c.out.unsent() >= unreadLimit {
		c.out.free.Clear()
		if err := wait(c.loop, &c.out.free); err != nil {
			c.lose(err)
		}
	}
	return c.err == nil
}

// took takes what a Read has returned.
func (c *conn) took(n int, err error) {
	if n > 0 || err == nil { // over TLS, the end may come with the last bytes
		c.health.heard()
		c.received(c.buf()[:n])
	}
	switch {
	case err == nil || c.err != nil:
	case err == io.EOF:
		c.lose(io.ErrUnexpectedEOF)
	default:
		c.lose(err)
	}
}

// received takes what was read.
func (c *conn) received(p []byte) {
	if c.preface != "" {
		n := min(len(p), len(c.preface))
		if string(p[:n]) != c.preface[:n] {
			c.fail(connError(http2.ErrCodeProtocol, "not the preface of HTTP/2"))
			return
		}
		c.preface, p = c.preface[n:], p[n:]
	}
	for len(p) > 0 && c.err == nil {
		if len(c.part) > 0 {
			p = c.complete(p)
			continue
		}
		size, ok := c.frameSize(p)
		if !ok {
			return
		}
		if len(p) < size {
			c.part = append(c.common.parts.Get(), p...)
			return
		}
		c.handle(p[:size])
		p = p[size:]
	}
}

// frameSize returns the size of the frame that p begins with, or of a frame's
// header while that is not whole.
func (c *conn) frameSize(p []byte) (size int, ok bool) {
	if len(p) < frameHeaderSize {
		return frameHeaderSize, true
	}
	n := int(p[0])<<16 | int(p[1])<<8 | int(p[2])
	if n > frameSize {
		c.fail(connError(http2.ErrCodeFrameSize, "frame too large"))
		return 0, false
	}
	return frameHeaderSize + n, true
}

// complete adds to the frame that has come in part, and returns what is behind
// it.
func (c *conn) complete(p []byte) []byte {
	for {
		size, ok := c.frameSize(c.part)
		if !ok {
			return nil
		}
		n := min(size-len(c.part), len(p))
		c.part, p = append(c.part, p[:n]...), p[n:]
		switch {
		case len(c.part) < size:
			return nil
		case size == frameHeaderSize && c.part[0]|c.part[1]|c.part[2] != 0:
			continue // now its size is known
		}
		part := c.part
		c.part = nil
		c.handle(part)
		c.common.parts.Put(part)
		return p
	}
}

// handle takes one frame, and answers what is wrong with it.
func (c *conn) handle(p []byte) {
	err := c.frame(p)
	if err == nil {
		return
	}
	var stream *StreamError
	if !errors.As(err, &stream) {
		c.fail(err)
		return
	}
	if s := c.streams[stream.StreamID]; s != nil {
		s.reset(stream.Code, err)
	} else {
		c.out.rstStream(stream.StreamID, stream.Code)
	}
	if err := c.guard.reset(); err != nil {
		c.fail(err)
	}
}

// farewellTime is how long the end of a connection may take that this side gives
// up.
const farewellTime = 5 * time.Second

// fail gives the connection up and tells the peer. Who waits for a stream gets
// err.
func (c *conn) fail(err error) {
	if c.err != nil {
		return
	}
	c.ending = c.loop.CallLater(farewellTime, func() {
		c.ending = nil
		c.lose(ErrStalled)
	})
	code, reason := http2.ErrCodeInternal, ""
	var e *ConnError
	if errors.As(err, &e) {
		code, reason = e.Code, e.Reason
	}
	c.out.goAway(c.side.lastStream(), code, reason)
	c.finish(err)
}

// finish ends the connection after what is to be sent.
func (c *conn) finish(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.end()
	c.stopReading()
}

// lose takes note that the connection is gone.
func (c *conn) lose(err error) {
	if c.err == nil {
		c.err = err
		c.end()
	}
	c.out.close()
	stop(&c.ending)
	c.wire.Abort()
}

// inOrder returns all streams, the oldest first: what is done to all of them is done
// in the same order each time.
func (c *conn) inOrder() []*stream {
	return slices.SortedFunc(maps.Values(c.streams), func(a, b *stream) int { return cmp.Compare(a.id, b.id) })
}

// end ends all streams.
func (c *conn) end() {
	for _, s := range c.inOrder() {
		s.fail(c.err)
	}
	c.common.parts.Put(c.part)
	c.part = nil
	c.block.release()
	c.health.end()
	c.side.ended()
	c.out.free.Set()
}

// stopReading makes the task that reads come to its end.
func (c *conn) stopReading() { _ = c.wire.Conn().SetReadDeadline(time.Unix(1, 0)) }

// lingerTime is how long a connection that this side ends goes on reading: were
// it closed with something unread, the system would reset it, and the peer might
// lose what was sent last.
const lingerTime = 500 * time.Millisecond

// farewell sends what is left, and closes. It is the end of the reading task.
func (c *conn) farewell() {
	defer c.out.close()
	defer stop(&c.ending)
	for !c.out.closed && !c.out.empty() {
		c.out.free.Clear()
		if wait(c.loop, &c.out.free) != nil {
			c.out.close()
		}
	}
	if c.out.closed {
		c.wire.Abort()
		return
	}
	if !c.client && c.wire.WriteEOF() == nil {
		_ = c.wire.Conn().SetReadDeadline(time.Now().Add(lingerTime))
		for {
			if _, err := c.wire.Read(c.buf()); err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
					c.wire.Abort()
				}
				break
			}
		}
	}
	_ = c.wire.Close()
}
