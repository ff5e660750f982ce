package fetch

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A transfer is one attempt at a job: its requests, redirects included, and
// the body that comes in the end.
type transfer struct {
	*engine
	job    *job
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
	rawBody error // what receiving the body has failed with
}

// attempt makes one attempt and gives what became of it.
func (e *engine) attempt(ctx context.Context, j *job, r *Result) (*transfer, error) {
	x := &transfer{engine: e, job: j, result: r, began: e.loop.Time(), expected: -1}
	if j.bad != nil {
		return x, j.bad
	}
	err := x.limited(ctx)
	// Handing a whole body on is not part of the transfer, and not limited.
	if err == nil && x.sink != nil {
		err = x.sink.commit(ctx)
	}
	if err != nil && x.sink != nil {
		x.sink.discard()
	}
	r.Times.Total = e.loop.Time() - x.began
	return x, err
}

// limited is exchange within the limits of time.
func (x *transfer) limited(ctx context.Context) error {
	o := x.opts
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

// abort ends the attempt for a reason of our own.
func (x *transfer) abort(why error) {
	if x.why == nil {
		x.why = why
		_ = x.scope.Reschedule(x.loop.Time()) // it fails when the attempt is over anyway
	}
}

// unwatch takes back all that could abort the attempt.
func (x *transfer) unwatch() {
	if x.connect != nil {
		x.connect.Cancel()
	}
	delete(x.watched, x)
}

// exchange makes requests until there is a response that is no redirect to be
// followed, and takes its body.
func (x *transfer) exchange(ctx context.Context) error {
	o, r := x.opts, x.result
	h := o.firstHop(x.job.url)
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

func (x *transfer) since() time.Duration { return x.loop.Time() - x.began }

// roundTrip makes one request.
func (x *transfer) roundTrip(ctx context.Context, h hop) (*http.Response, error) {
	r := x.result
	r.Effective, r.Method, r.Scheme = h.url.String(), h.method, h.url.Scheme
	req := x.opts.request(x.traced(ctx), h)
	x.sayRequest(req)
	x.rawBody = nil
	resp, err := x.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.ProtoMajor != 1 {
		_ = resp.Body.Close()
		return nil, fail(UnsupportedProtocol, "unsupported HTTP version in the response: %s", resp.Proto)
	}
	if h.body {
		r.Uploaded = int64(len(x.opts.Data))
	}
	x.note(req, resp)
	x.sayResponse(resp)
	return resp, nil
}

// maxSkip is how much of a body that nobody wants is read, so that the
// connection can be used again.
const maxSkip = 64 << 10

// skip passes over the body of a redirect.
func (x *transfer) skip(body io.ReadCloser) error {
	buf := x.buffers.get()
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
	x.buffers.put(buf)
	_ = body.Close()
	return nil
}

// receive takes the body of the last response.
func (x *transfer) receive(ctx context.Context, resp *http.Response) error {
	o, r := x.opts, x.result
	defer resp.Body.Close()
	if o.Fail && resp.StatusCode >= 400 {
		_ = x.skip(resp.Body) // its error is no news
		x.rawBody = nil
		return fail(HTTPStatus, "the requested URL returned error: %d", resp.StatusCode)
	}
	if again, yes := x.tryAgain(x.job, r); yes {
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
	if x.sink, err = x.openSink(ctx, x.job, r); err != nil {
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
	buf := x.buffers.get()
	total, yielded := int64(0), int64(0)
	for {
		if total-yielded >= maxBurst {
			yielded = total
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		n, err := body.Read(buf)
		if total += int64(n); x.opts.MaxFilesize > 0 && total > x.opts.MaxFilesize {
			return fail(FileTooLarge, "maximum file size exceeded: more than %d bytes came", x.opts.MaxFilesize)
		}
		if n > 0 {
			if e := x.sink.write(ctx, buf[:n]); e != nil {
				// The buffer is not used again: whoever wrote may still read it.
				return e
			}
		}
		if err == io.EOF {
			x.buffers.put(buf)
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
// unpacking can be told from one of receiving.
type countedBody struct {
	x    *transfer
	body io.Reader
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	c.x.received += int64(n)
	c.x.result.Downloaded += int64(n)
	c.x.stats.bytes += int64(n)
	if err != nil && err != io.EOF {
		c.x.rawBody = err
	}
	return n, err
}

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
