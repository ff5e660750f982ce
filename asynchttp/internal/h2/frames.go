package h2

import (
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/net/http2"
)

// frame takes one frame. It returns a *StreamError or an error of the
// connection.
func (c *conn) frame(p []byte) error {
	kind, flags := http2.FrameType(p[3]), http2.Flags(p[4])
	id := (uint32(p[5])<<24 | uint32(p[6])<<16 | uint32(p[7])<<8 | uint32(p[8])) & maxWindow
	switch {
	case !c.peer.seen && (kind != http2.FrameSettings || flags.Has(http2.FlagSettingsAck)):
		return connError(http2.ErrCodeProtocol, "the first frame is not SETTINGS")
	case c.block.open && (kind != http2.FrameContinuation || id != c.block.id):
		return connError(http2.ErrCodeProtocol, "a header block was interrupted")
	case !c.block.open && kind == http2.FrameContinuation:
		return connError(http2.ErrCodeProtocol, "CONTINUATION of nothing")
	case kind == http2.FrameData:
		return c.dataFrame(p[frameHeaderSize:], flags, id)
	case kind == http2.FrameHeaders:
		return c.headersFrame(p[frameHeaderSize:], flags, id)
	}
	f, err := c.common.frame(p)
	if err != nil {
		return framerError(kind, err)
	}
	switch f := f.(type) {
	case *http2.ContinuationFrame:
		return c.headerPiece(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.RSTStreamFrame:
		return c.rstStreamFrame(f)
	case *http2.SettingsFrame:
		return c.settingsFrame(f)
	case *http2.WindowUpdateFrame:
		return c.windowUpdateFrame(f)
	case *http2.PingFrame:
		if f.IsAck() {
			if c.pings.answered(f.Data) {
				return nil
			}
		} else {
			c.out.ping(true, f.Data)
		}
	case *http2.GoAwayFrame:
		c.side.goAway(f)
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return streamError(id, http2.ErrCodeProtocol, "the stream depends on itself")
		}
	case *http2.PriorityUpdateFrame:
		c.side.priority(f.PrioritizedStreamID, f.Priority)
	case *http2.PushPromiseFrame:
		return connError(http2.ErrCodeProtocol, "PUSH_PROMISE, which was not asked for")
	}
	return c.guard.idleFrame(kind)
}

// framerError says what an error of the Framer means.
func framerError(kind http2.FrameType, err error) error {
	var stream http2.StreamError
	var conn http2.ConnectionError
	switch {
	case errors.As(err, &stream):
		return streamError(stream.StreamID, stream.Code, "malformed "+kind.String())
	case errors.As(err, &conn):
		return connError(http2.ErrCode(conn), "malformed "+kind.String())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return connError(http2.ErrCodeFrameSize, kind.String()+" is too short")
	}
	return connError(http2.ErrCodeProtocol, err.Error())
}

func (c *conn) dataFrame(p []byte, flags http2.Flags, id uint32) error {
	if id == 0 || c.side.unused(id) {
		return connError(http2.ErrCodeProtocol, "DATA on an idle stream")
	}
	n := len(p)
	if flags.Has(http2.FlagDataPadded) {
		if n == 0 || int(p[0]) >= n {
			return connError(http2.ErrCodeProtocol, "more padding than DATA")
		}
		p = p[1 : n-int(p[0])]
	}
	if !c.window.receive(n) {
		return connError(http2.ErrCodeFlowControl, "DATA beyond the connection's window")
	}
	end := flags.Has(http2.FlagDataEndStream)
	s := c.streams[id]
	if s == nil || !s.state.canReceive() {
		c.consumed(n)
		if s == nil && c.forgotten.has(id) {
			return c.guard.idleFrame(http2.FrameData)
		}
		return streamError(id, http2.ErrCodeStreamClosed, "DATA on a closed stream")
	}
	if !s.headed {
		c.consumed(n)
		return streamError(id, http2.ErrCodeProtocol, "DATA before HEADERS")
	}
	if !s.window.receive(n) {
		c.consumed(n)
		return streamError(id, http2.ErrCodeFlowControl, "DATA beyond the stream's window")
	}
	if len(p) > 0 {
		c.guard.useful(1)
	} else if !end {
		s.consumed(n)
		return c.guard.idleFrame(http2.FrameData)
	}
	return s.data(p, n-len(p), end)
}

// headersFrame takes a HEADERS frame. All its errors are the connection's, since the
// block was not decoded.
func (c *conn) headersFrame(p []byte, flags http2.Flags, id uint32) error {
	if id == 0 {
		return connError(http2.ErrCodeProtocol, "malformed HEADERS")
	}
	padding, before := 0, 0
	if flags.Has(http2.FlagHeadersPadded) {
		before++
	}
	if flags.Has(http2.FlagHeadersPriority) {
		before += prioritySize
	}
	if len(p) < before {
		return connError(http2.ErrCodeFrameSize, "HEADERS is too short")
	}
	if flags.Has(http2.FlagHeadersPadded) {
		padding, p = int(p[0]), p[1:]
	}
	itself := false
	if flags.Has(http2.FlagHeadersPriority) {
		itself = binary.BigEndian.Uint32(p)&maxWindow == id
		p = p[prioritySize:]
	}
	if padding > len(p) {
		return connError(http2.ErrCodeProtocol, "malformed HEADERS")
	}
	kind, err := c.side.headers(id)
	if err != nil {
		return err
	}
	c.block.start(id, kind, flags.Has(http2.FlagHeadersEndStream))
	if itself {
		c.block.wrong = "the stream depends on itself"
	}
	return c.headerPiece(p[:len(p)-padding], flags.Has(http2.FlagHeadersEndHeaders))
}

// prioritySize is what a HEADERS frame may say of the stream's priority: RFC 9113,
// 6.2.
const prioritySize = 5

func (c *conn) headerPiece(p []byte, last bool) error {
	if err := c.block.add(p, last); err != nil {
		return err
	}
	if !last {
		c.side.headersBegun()
		return nil
	}
	err := c.side.headersEnded(&c.block)
	c.block.release()
	return err
}

func (c *conn) rstStreamFrame(f *http2.RSTStreamFrame) error {
	if c.side.unused(f.StreamID) {
		return connError(http2.ErrCodeProtocol, "RST_STREAM of an idle stream")
	}
	s := c.streams[f.StreamID]
	if s == nil {
		return c.guard.idleFrame(http2.FrameRSTStream)
	}
	if c.client && f.ErrCode == http2.ErrCodeNo && !s.state.canReceive() {
		// The response is whole, and the peer does not want the rest of the
		// request.
		s.state.reset()
		s.send.fail(&StreamError{StreamID: s.id, Code: f.ErrCode, Remote: true})
		s.remove(nil)
		return nil
	}
	s.fail(&StreamError{StreamID: s.id, Code: f.ErrCode, Remote: true})
	return c.guard.reset()
}

func (c *conn) settingsFrame(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return c.guard.idleFrame(http2.FrameSettings)
	}
	if err := c.guard.idleFrame(http2.FrameSettings); err != nil {
		return err
	}
	delta, err := c.peer.apply(f)
	if err != nil {
		return err
	}
	c.out.setTable(c.peer.table)
	if delta != 0 {
		for _, s := range c.inOrder() {
			if !s.send.window.shift(delta) {
				return connError(http2.ErrCodeFlowControl, "SETTINGS make a window too large")
			}
			s.send.ready()
		}
	}
	c.out.settingsAck()
	c.side.settled()
	return nil
}

// windowsPerData is how many WINDOW_UPDATEs are well spent on a frame of DATA:
// one of the stream and one of the connection.
const windowsPerData = 2

func (c *conn) windowUpdateFrame(f *http2.WindowUpdateFrame) error {
	c.guard.useful(windowsPerData * c.out.sent)
	c.out.sent = 0
	if err := c.guard.idleFrame(http2.FrameWindowUpdate); err != nil {
		return err
	}
	if f.StreamID == 0 {
		if !c.out.window.grow(f.Increment) {
			return connError(http2.ErrCodeFlowControl, "the connection's window is too large")
		}
		c.out.grown()
		return nil
	}
	if c.side.unused(f.StreamID) {
		return connError(http2.ErrCodeProtocol, "WINDOW_UPDATE of an idle stream")
	}
	if s := c.streams[f.StreamID]; s != nil {
		if !s.send.window.grow(f.Increment) {
			return streamError(s.id, http2.ErrCodeFlowControl, "the stream's window is too large")
		}
		s.send.ready()
	}
	return nil
}
