package fetch

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A transfer is one attempt at a URL: its requests, redirects included, and
// the body that comes in the end.
type transfer struct {
	client *Client
	to     receiver
	url    *url.URL
	shown  string // the URL as it is shown to the user
	result *Result
	began  time.Duration

	scope   *asyncio.TimeoutScope
	why     error                // what made the scope end, when that was not MaxTime
	connect *asyncio.TimerHandle // ends the attempt unless it is connected in time
	slow    slowness

	sink     sink
	received int64 // bytes of bodies, also of those that were passed over
	expected int64 // bytes of the body; -1: not announced

	retry   bool // the response asks for another attempt, so its body is nobody's
	again   time.Duration
	request *http.Request // that is being sent
	rawBody error         // what receiving the body has failed with
}

// A receiver is for whom a transfer is made.
type receiver interface {
	// tryAgain reports whether the response asks for another attempt, and after
	// how long. Its body is dropped then.
	tryAgain(r *Result) (time.Duration, bool)
	// openSink opens what takes the body of the response that is wanted.
	openSink(ctx context.Context, resp *http.Response, r *Result) (sink, error)
	// received counts bytes of the body, as they came.
	received(p []byte)
	// say prints what happens, for -v.
	say(format string, args ...any)
}

// transfer prepares an attempt; do makes it.
func (c *Client) transfer(u *url.URL, shown string, r *Result, to receiver) *transfer {
	return &transfer{client: c, to: to, url: u, shown: shown, result: r, began: c.loop.Time(), expected: -1}
}

// do makes the attempt.
func (x *transfer) do(ctx context.Context) error {
	err := x.limited(ctx)
	// Handing a whole body on is not part of the transfer, and not limited.
	if err == nil && x.sink != nil {
		err = x.sink.commit(ctx)
	}
	if err != nil && x.sink != nil {
		x.sink.discard()
	}
	x.result.Times.Total = x.since()
	return err
}

// limited is exchange within the limits of time.
func (x *transfer) limited(ctx context.Context) error {
	o := x.client.opts
	if o.MaxTime <= 0 && o.ConnectTimeout <= 0 && o.SpeedLimit <= 0 {
		return x.exchange(ctx)
	}
	limit := asyncio.NoTimeout
	if o.MaxTime > 0 {
		limit = o.MaxTime
	}
	x.scope = new(asyncio.TimeoutScope)
	return x.scope.Run(ctx, limit, func(context.Context) error {
		x.watchSpeed()
		defer x.unwatch()
		// The task's own context will do: the scope ends the await at which
		// the task stands, and the context of the scope would have to be
		// watched for each request.
		return x.exchange(ctx)
	})
}

// abort ends the attempt for a reason other than --max-time.
func (x *transfer) abort(why error) {
	if x.why == nil {
		x.why = why
		_ = x.scope.Reschedule(x.client.loop.Time()) // it fails when the attempt is over anyway
	}
}

// unwatch stops all that could abort the attempt.
func (x *transfer) unwatch() {
	if x.connect != nil {
		x.connect.Cancel()
	}
	delete(x.client.watched, x)
}

// exchange makes requests until there is a response that is not a redirect to be
// followed, and takes its body.
func (x *transfer) exchange(ctx context.Context) error {
	o, r := x.client.opts, x.result
	h := o.firstHop(x.url)
	for {
		resp, err := x.roundTrip(ctx, h)
		if err != nil {
			return err
		}
		location := resp.Header.Get("Location")
		if resp.StatusCode/100 != 3 || location == "" {
			return x.receive(ctx, resp)
		}
		next, err := o.follow(h, resp.StatusCode, location)
		if !o.Location {
			if next.url != h.url {
				r.RedirectURL = next.url.String()
			}
			return x.receive(ctx, resp)
		}
		if o.MaxRedirs >= 0 && r.Redirects >= o.MaxRedirs {
			_ = resp.Body.Close()
			return fail(TooManyRedirects, "maximum (%d) redirects followed", o.MaxRedirs)
		}
		if err != nil {
			_ = resp.Body.Close()
			return err
		}
		if err := x.skip(resp.Body); err != nil {
			return err
		}
		r.Redirects++
		r.Times.Redirect = x.since()
		h = next
	}
}

func (x *transfer) since() time.Duration { return x.client.loop.Time() - x.began }

// roundTrip makes one request.
func (x *transfer) roundTrip(ctx context.Context, h hop) (*http.Response, error) {
	r := x.result
	r.Effective, r.Method, r.Scheme = h.url.String(), h.method, h.url.Scheme
	req := x.client.opts.request(x.traced(ctx), h)
	x.request = req
	x.rawBody = nil
	resp, err := x.client.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.ProtoMajor != 1 && resp.Proto != "HTTP/2.0" { // what a line of HTTP/1 says it is, it is not
		_ = resp.Body.Close()
		return nil, fail(UnsupportedProtocol, "unsupported HTTP version in the response: %s", resp.Proto)
	}
	if h.body {
		r.Uploaded = int64(len(x.client.opts.Data))
	}
	x.note(req, resp)
	x.sayResponse(resp)
	return resp, nil
}

// maxSkip is how much of a body that nobody wants is read, so that the
// connection can be used again.
const maxSkip = 64 << 10

// skip reads and drops the body of a redirect.
func (x *transfer) skip(body io.ReadCloser) error {
	buf := x.client.buffers.get()
	left := maxSkip
	for left > 0 {
		n, err := body.Read(buf)
		x.received += int64(n)
		left -= n
		if err == io.EOF {
			break
		}
		if err != nil {
			_ = body.Close()
			x.rawBody = err
			return err
		}
	}
	x.client.buffers.put(buf)
	_ = body.Close()
	return nil
}

// receive takes the body of the last response.
func (x *transfer) receive(ctx context.Context, resp *http.Response) error {
	o, r := x.client.opts, x.result
	defer resp.Body.Close()
	if o.Fail && resp.StatusCode >= 400 {
		_ = x.skip(resp.Body) // an error does not change the outcome
		x.rawBody = nil
		return fail(HTTPStatus, "the requested URL returned error: %d", resp.StatusCode)
	}
	if again, yes := x.to.tryAgain(r); yes {
		x.retry, x.again = true, again
		return x.skip(resp.Body)
	}
	raw := &countedBody{x: x, body: resp.Body}
	var body io.Reader = raw
	encoded := false
	if encoding := resp.Header.Get("Content-Encoding"); o.Compressed && encoding != "" && resp.Body != http.NoBody {
		decodedBody, done, err := decoded(raw, encoding)
		defer done()
		if err != nil {
			return err
		}
		encoded = decodedBody != io.Reader(raw)
		body = decodedBody
	}
	x.expected = resp.ContentLength
	if o.MaxFilesize > 0 && !encoded && resp.ContentLength > o.MaxFilesize {
		return fail(FileTooLarge, "maximum file size exceeded: it has %d bytes", resp.ContentLength)
	}
	var err error
	if x.sink, err = x.to.openSink(ctx, resp, r); err != nil {
		return err
	}
	return x.copy(ctx, body)
}

// maxBurst is how much of a body is moved before others have their turn. What
// is being unpacked, or comes faster than it can be written, never waits by
// itself.
const maxBurst = 1 << 20

// copy moves the body into the sink.
func (x *transfer) copy(ctx context.Context, body io.Reader) error {
	buf := x.client.buffers.get()
	total, yielded := int64(0), int64(0)
	for {
		if total-yielded >= maxBurst {
			yielded = total
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		n, err := body.Read(buf)
		if total += int64(n); x.client.opts.MaxFilesize > 0 && total > x.client.opts.MaxFilesize {
			return fail(FileTooLarge, "maximum file size exceeded: more than %d bytes came", x.client.opts.MaxFilesize)
		}
		if n > 0 {
			if e := x.sink.write(ctx, buf[:n]); e == errEnough {
				x.client.buffers.put(buf)
				return nil
			} else if e != nil {
				// The buffer is not used again: whoever wrote may still read it.
				return e
			}
		}
		if err == io.EOF {
			x.client.buffers.put(buf)
			return nil
		}
		if err != nil {
			if x.rawBody == nil && !asyncio.IsCancelled(err) {
				return fail(BadEncoding, "the body cannot be unpacked: %w", err)
			}
			return err
		}
	}
}

// countedBody counts what comes, and remembers its error: so that one of
// unpacking can be distinguished from one of receiving.
type countedBody struct {
	x    *transfer
	body io.Reader
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	c.x.received += int64(n)
	c.x.result.Downloaded += int64(n)
	c.x.to.received(p[:n])
	if err != nil && err != io.EOF {
		c.x.rawBody = err
	}
	return n, err
}
