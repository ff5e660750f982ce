package fetch

import (
	"net/http"

	"github.com/asyncio-go/asyncio"
)

// A Client makes attempts at URLs, with the connections, the limits and the
// headers that its options ask for. It belongs to a loop, and all its methods
// are for that loop's goroutine.
type Client struct {
	opts      *Options
	loop      *asyncio.Loop
	transport http.RoundTripper
	close     func() error
	buffers   buffers

	tracing    bool // somebody wants to know more than the body
	watched    map[*transfer]struct{}
	speedTimer *asyncio.TimerHandle

	speaksHTTP2 map[string]bool // by host, for -v only: the connection itself does not tell
}

// NewClient returns a client for the loop. It must be closed.
func NewClient(l *asyncio.Loop, o *Options) (*Client, error) {
	t, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	c := newClient(l, o, t)
	c.close = t.Close
	return c, nil
}

func newClient(l *asyncio.Loop, o *Options, t http.RoundTripper) *Client {
	return &Client{
		opts: o, loop: l, transport: t, close: func() error { return nil },
		watched: make(map[*transfer]struct{}), speaksHTTP2: make(map[string]bool),
		tracing: o.Trace || o.NDJSON || o.WriteOut != "" || o.Verbose || o.ConnectTimeout > 0,
	}
}

// Close closes all connections.
func (c *Client) Close() error { return c.close() }

// buffers are read buffers for the next transfer.
type buffers struct{ free [][]byte }

// bufferSize is large enough that a system call for each is cheap, and small
// enough that hundreds of transfers may have one.
const bufferSize = 32 << 10

func (b *buffers) get() []byte {
	if n := len(b.free); n > 0 {
		p := b.free[n-1]
		b.free = b.free[:n-1]
		return p
	}
	return make([]byte, bufferSize)
}

func (b *buffers) put(p []byte) { b.free = append(b.free, p) }
