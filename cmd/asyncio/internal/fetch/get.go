package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A Request asks a [Client] for one response, into memory. A redirect is a
// response like others, unless the options follow redirects.
type Request struct {
	URL *url.URL
	// Limit is how many unpacked bytes the body may have; 0: no bound.
	Limit int64
	// Cut is whether the rest of a longer body is dropped. Without it such a
	// body is an error.
	Cut bool
	// Keep is whether the response keeps what went over the wire.
	Keep bool
}

// A Response is what came for a [Request].
type Response struct {
	Result
	Body []byte // unpacked; nil when there was an error

	// With Keep: the header of the request and of the response, as far as
	// net/http has kept it, and the body as the server sent it, still packed
	// but without chunks.
	RequestHead, ResponseHead, Raw []byte
}

// Get makes one attempt at a URL. What went wrong is the Err of the response;
// the error is that of a cancellation.
func (c *Client) Get(ctx context.Context, q *Request) (*Response, error) {
	r := &Response{Result: Result{URL: q.URL.String()}}
	g := &getter{q: q, r: r}
	x := c.transfer(q.URL, q.URL.Redacted(), &r.Result, g)
	err := x.do(ctx)
	if asyncio.IsCancelled(err) {
		return nil, err
	}
	if r.Err = x.explain(err); r.Err == nil {
		r.Body = g.body
	}
	if q.Keep && g.head != nil {
		r.RequestHead, r.ResponseHead = requestHead(g.head.Request), responseHead(g.head)
	}
	return r, nil
}

// JSON appends the response as one JSON object with curl's names, without the
// brace that ends it: the caller may add fields.
func (r *Response) JSON(b []byte) []byte {
	b = appendJSON(b, &r.Result)
	return b[:len(b)-1]
}

// getter is the receiver of one Get, and its sink.
type getter struct {
	q    *Request
	r    *Response
	head *http.Response
	body []byte
}

// errEnough ends a body of which no more is wanted.
var errEnough = errors.New("enough")

func (g *getter) tryAgain(*Result) (time.Duration, bool) { return 0, false }
func (g *getter) say(string, ...any)                     {}

func (g *getter) received(p []byte) {
	if g.q.Keep {
		g.r.Raw = append(g.r.Raw, p...)
	}
}

// maxAhead is how much memory is taken on a server's word.
const maxAhead = 256 << 10

func (g *getter) openSink(_ context.Context, resp *http.Response, _ *Result) (sink, error) {
	g.head = resp
	n, limit := resp.ContentLength, g.q.Limit
	if limit > 0 && n > limit && !g.q.Cut {
		return nil, fail(FileTooLarge, "maximum file size exceeded: it has %d bytes", n)
	}
	if n > 0 {
		g.body = make([]byte, 0, min(n, maxAhead))
	}
	return g, nil
}

func (g *getter) write(_ context.Context, p []byte) error {
	limit := g.q.Limit
	if limit <= 0 || int64(len(g.body)+len(p)) <= limit {
		g.body = append(g.body, p...)
		return nil
	}
	if !g.q.Cut {
		return fail(FileTooLarge, "maximum file size exceeded: more than %d bytes came", limit)
	}
	g.body = append(g.body, p[:limit-int64(len(g.body))]...)
	return errEnough
}

func (g *getter) commit(context.Context) error { return nil }
func (g *getter) discard()                     { g.body = nil }

// requestHead is the header of a request as it was sent, up to the order of
// its lines.
func requestHead(r *http.Request) []byte {
	if r == nil {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.Host)
	writeHeader(&b, r.Header)
	return []byte(b.String())
}

// responseHead is the header of a response as net/http has kept it. That of HTTP/2
// has the form of HTTP/1.1, which is what readers of it understand.
func responseHead(r *http.Response) []byte {
	var b strings.Builder
	proto := r.Proto
	if r.ProtoMajor == 2 {
		proto = "HTTP/1.1"
	}
	fmt.Fprintf(&b, "%s %s\r\n", proto, r.Status)
	writeHeader(&b, r.Header)
	return []byte(b.String())
}

func writeHeader(b *strings.Builder, h http.Header) {
	for _, line := range headerLines("", h) {
		b.WriteString(line)
		b.WriteString("\r\n")
	}
	b.WriteString("\r\n")
}
