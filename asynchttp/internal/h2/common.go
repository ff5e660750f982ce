package h2

import (
	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/freelist"
	"github.com/asyncio-go/asyncio/asynchttp/internal/response"
)

const (
	// readSize is how much is read of a socket at once.
	readSize = 64 << 10

	// clientTLSRead is how much a client reads at once of TLS, a record, and
	// serverTLSRead a server, whose connections are many.
	clientTLSRead = 16 << 10
	serverTLSRead = 4 << 10

	// frameSize is the largest payload of a frame that is taken, and the
	// largest of DATA that is sent. It is what a peer may send unasked.
	frameSize = 16 << 10

	frameHeaderSize = 9
)

// A common is what all connections of a server, or of a client, share: buffers
// that each needs for a moment only. An idle connection has none.
type common struct {
	read   []byte // what a connection without TLS reads into: nothing suspends between the read and the parsing
	feed   feed
	framer *http2.Framer
	chunks freelist.List // of bodies, frameSize each
	parts  freelist.List // of frames that have come in part
	outs   freelist.List // of outboxes
	files  freelist.List // of what is read of files, fileAtOnce each
	names  nameCache

	responses *response.Shared // of a server
}

func (c *common) init(l *asyncio.Loop) {
	if c.framer != nil {
		return
	}
	c.read = make([]byte, readSize)
	c.framer = http2.NewFramer(nil, &c.feed)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(frameSize)
	// The order of frames is a connection's, and looked after by its block.
	c.framer.AllowIllegalReads = true
	c.chunks = freelist.List{Size: frameSize, Most: 64}
	c.parts = freelist.List{Size: frameHeaderSize + frameSize, Most: 16}
	c.files = freelist.List{Size: fileAtOnce, Most: 8}
	c.responses = response.NewShared(l)
	c.outs = freelist.List{Size: 4 << 10, Largest: 2 * outLimit, Most: 16}
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
