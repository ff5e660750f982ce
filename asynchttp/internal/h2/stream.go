package h2

import (
	"errors"
	"io"

	"golang.org/x/net/http2"
)

// A stream is what both sides know of one: a request and its response.
type stream struct {
	c      *conn
	id     uint32
	state  state
	send   sender
	body   body
	window recvWindow
	length int64 // of the body that comes, as announced; -1: not
	got    int64
	enough int64 // when so much has come, nobody wants more; 0: no limit
	headed bool  // the header of what comes has come
	err    error // why the stream ended before its time
	owner  streamOwner
}

// A streamOwner is what stands behind a stream.
type streamOwner interface {
	// gone says that the stream has ended: whole, or with err.
	gone(err error)
}

func (s *stream) init(c *conn, id uint32, owner streamOwner) {
	s.c, s.id, s.owner, s.length = c, id, owner, -1
	s.send.out, s.send.id = &c.out, id
	s.send.urgency, s.send.window = defaultUrgency, sendWindow(c.peer.window)
	s.body.loop, s.body.chunks = c.loop, &c.common.chunks
	s.window = newRecvWindow(c.streamWindow)
	if c.streams == nil {
		c.streams = make(map[uint32]*stream)
	}
	c.streams[id] = s
}

// data takes the payload of a DATA frame; padding is how much came beside it.
func (s *stream) data(p []byte, padding int, end bool) error {
	s.got += int64(len(p))
	short := end && s.got < s.length
	if s.length >= 0 && (s.got > s.length || short && !s.c.client) {
		s.c.consumed(len(p) + padding)
		return streamError(s.id, http2.ErrCodeProtocol, "the body is not as long as its content-length")
	}
	if padding > 0 {
		s.consumed(padding)
	}
	if s.body.err != nil { // nobody wants it
		s.c.consumed(len(p))
	} else if len(p) > 0 {
		s.body.add(p, end)
	}
	if short {
		s.body.end(io.ErrUnexpectedEOF)
	}
	if end {
		s.gotEnd()
	} else if s.enough > 0 && s.got > s.enough {
		s.reset(http2.ErrCodeNo, errUnwanted)
	}
	return nil
}

// errUnwanted is the end of a stream whose peer sends what nobody will read.
var errUnwanted = errors.New("asynchttp: what comes of a request is not wanted any more")

// gotEnd says that the peer has sent its END_STREAM.
func (s *stream) gotEnd() {
	s.state.gotEnd()
	s.body.end(io.EOF)
	s.settle()
}

// sentEnd says that this side has sent its END_STREAM.
func (s *stream) sentEnd() {
	s.state.sentEnd()
	s.settle()
}

// settle ends the stream when both sides have ended it.
func (s *stream) settle() {
	if s.state == closed {
		s.remove(nil)
	}
}

func (s *stream) remove(err error) {
	if s.c.streams[s.id] != s {
		return
	}
	if delete(s.c.streams, s.id); len(s.c.streams) == 0 {
		s.c.streams = nil
	}
	s.owner.gone(err)
	s.c.side.streamGone()
}

// consumed gives n bytes that have been read back to the windows.
func (s *stream) consumed(n int) {
	s.c.consumed(n)
	if s.state.canReceive() {
		if more := s.window.release(n); more > 0 {
			s.c.out.windowUpdate(s.id, more)
		}
	}
}

// discard forgets what has come and was not read.
func (s *stream) discard() { s.c.consumed(s.body.drop()) }

// fail ends the stream before its time: all who wait for it get err. What has
// come of a response can still be read before that; a handler has no use for it.
func (s *stream) fail(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	s.state.reset()
	s.send.fail(err)
	if !s.c.client {
		s.discard()
	}
	s.body.end(err)
	s.remove(err)
}

// reset ends the stream and tells the peer. Nothing more can be read.
func (s *stream) reset(code http2.ErrCode, err error) {
	if s.c.streams[s.id] == s {
		s.c.out.rstStream(s.id, code)
		s.c.forgotten.add(s.id)
	}
	s.fail(err)
	s.discard()
}

// A forgotten is the last streams that this side has reset: what was on its way
// then is no mistake of the peer's.
type forgotten struct {
	ids  []uint32
	next int
}

const maxForgotten = 64

func (f *forgotten) add(id uint32) {
	if len(f.ids) < maxForgotten {
		f.ids = append(f.ids, id)
		return
	}
	f.ids[f.next] = id
	f.next = (f.next + 1) % maxForgotten
}

func (f *forgotten) has(id uint32) bool {
	for _, x := range f.ids {
		if x == id {
			return true
		}
	}
	return false
}
