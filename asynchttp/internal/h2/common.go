package h2

import (
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

const (
	// readSize is how much is read of a socket at once.
	readSize = 64 << 10

	// frameSize is the largest payload of a frame that is taken, and the
	// largest of DATA that is sent. It is what a peer may send unasked.
	frameSize = 16 << 10

	frameHeaderSize = 9
)

// A common is what all connections of a server, or of a client, share: buffers
// that each needs for a moment only. An idle connection has none.
type common struct {
	read   []byte // what a connection reads into: nothing suspends between the read and the parsing
	feed   feed
	framer *http2.Framer
	chunks freeList // of bodies, frameSize each
	parts  freeList // of frames that have come in part
	outs   freeList // of outboxes
	held   freeList // of responses that are held back
	names  nameCache
	date   dateText
}

func (c *common) init() {
	if c.framer != nil {
		return
	}
	c.read = make([]byte, readSize)
	c.framer = http2.NewFramer(nil, &c.feed)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(frameSize)
	// The order of frames is a connection's, and looked after by its block.
	c.framer.AllowIllegalReads = true
	c.chunks = freeList{size: frameSize, most: 64}
	c.parts = freeList{size: frameHeaderSize + frameSize, most: 16}
	c.outs = freeList{size: 4 << 10, largest: 2 * outLimit, most: 16}
	c.held = freeList{size: holdBack, most: 64}
}

// feed gives one frame to the Framer.
type feed struct{ rest []byte }

func (f *feed) Read(p []byte) (int, error) {
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	if n == 0 && len(p) > 0 {
		return 0, errFeedEmpty
	}
	return n, nil
}

var errFeedEmpty = connError(http2.ErrCodeFrameSize, "a frame is shorter than what it says it holds")

// frame parses one frame, which is whole. It is valid until the next.
func (c *common) frame(p []byte) (http2.Frame, error) {
	c.feed.rest = p
	h, err := c.framer.ReadFrameHeader()
	if err != nil {
		return nil, err
	}
	return c.framer.ReadFrameForHeader(h)
}

// A freeList keeps buffers for the next who needs one. There are as many as are
// used at the same time, up to a number.
type freeList struct {
	free    [][]byte
	size    int // of a new one
	largest int // that is kept; 0: size
	most    int
}

func (f *freeList) get() []byte {
	if n := len(f.free); n > 0 {
		b := f.free[n-1]
		f.free[n-1] = nil
		f.free = f.free[:n-1]
		return b
	}
	return make([]byte, 0, f.size)
}

func (f *freeList) put(b []byte) {
	if cap(b) >= f.size && cap(b) <= max(f.size, f.largest) && len(f.free) < f.most {
		f.free = append(f.free, b[:0])
	}
}

// dateText is the value of a Date header, made once a second.
type dateText struct {
	second int64
	text   string
}

func (d *dateText) now() string {
	now := time.Now()
	if s := now.Unix(); s != d.second {
		d.second = s
		d.text = now.UTC().Format(http.TimeFormat)
	}
	return d.text
}
