package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/asyncio-go/asyncio"
)

// feed hands the schedule its jobs, in order, as they are read.
type feed struct {
	plan   *schedule
	stdin  io.Reader
	pool   *asyncio.ThreadPoolExecutor // for what may block without end
	number int
}

// maxURL is the longest line of a list that is taken for a URL.
const maxURL = 64 << 10

// run adds a job for each URL of the targets. A list that cannot be read is an
// error; what it held until then is fetched.
func (f *feed) run(ctx context.Context, targets []Target) error {
	var errs []error
	for _, t := range targets {
		if t.List == "" {
			if err := f.add(ctx, t.URL, t.Output); err != nil {
				return err
			}
			continue
		}
		if err := f.list(ctx, t); err != nil {
			if asyncio.IsCancelled(err) || errors.Is(err, errStopped) {
				return err
			}
			errs = append(errs, &Error{Code: ReadFailed, Err: fmt.Errorf("list %s: %w", t.List, err)})
		}
	}
	return errors.Join(errs...)
}

// errStopped ends the feed when the schedule takes no more.
var errStopped = errors.New("stopped")

// list reads a list on another goroutine: it may be a terminal, or a pipe whose
// writer takes its time. URLs are fetched as they come.
func (f *feed) list(ctx context.Context, t Target) error {
	in := f.stdin
	if t.List != "-" {
		file, err := os.Open(t.List)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	var lines lineSplitter
	buf := make([]byte, 64<<10)
	for {
		n, err := blocking(ctx, f.plan.loop, f.pool, func() (int, error) { return in.Read(buf) })
		for line, lineErr := range lines.feed(buf[:n], err == io.EOF) {
			if lineErr != nil {
				return lineErr
			}
			if err := f.add(ctx, line, t.Output); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// add hands the schedule one job, and waits while the schedule is full.
func (f *feed) add(ctx context.Context, raw string, out Output) error {
	j := &job{number: f.number, raw: raw, out: out}
	j.url, j.bad = parseURL(raw)
	f.number++
	for f.plan.full() && !f.plan.stopped {
		f.plan.room = asyncio.NewFuture[struct{}](f.plan.loop)
		_, err := f.plan.room.Await(ctx)
		f.plan.room = nil
		if err != nil {
			return err
		}
	}
	if f.plan.stopped {
		return errStopped
	}
	f.plan.add(j)
	return nil
}

// byteOrderMark is what some editors begin a file with.
const byteOrderMark = "\xef\xbb\xbf"

// lineSplitter makes lines of blocks.
type lineSplitter struct {
	rest  []byte
	begun bool
}

// feed yields the URLs of the lines that are whole: without the space around
// them, empty lines, and those that begin with #. last means that p is the end.
func (s *lineSplitter) feed(p []byte, last bool) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		s.rest = append(s.rest, p...)
		if !s.begun {
			if len(s.rest) < len(byteOrderMark) && !last {
				return // not enough to know how the list begins
			}
			s.begun = true
			s.rest = bytes.TrimPrefix(s.rest, []byte(byteOrderMark))
		}
		rest := s.rest
		for {
			line, after, found := bytes.Cut(rest, []byte{'\n'})
			if !found && !last {
				break
			}
			rest = after
			if len(line) > maxURL {
				yield("", fmt.Errorf("a line of %d bytes is too long for a URL", len(line)))
				return
			}
			if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
				if !yield(string(line), nil) {
					return
				}
			}
			if !found {
				break
			}
		}
		if len(rest) > maxURL {
			yield("", fmt.Errorf("a line of more than %d bytes is too long for a URL", maxURL))
			return
		}
		s.rest = append(s.rest[:0], rest...)
	}
}

// parseURL reads a URL as curl does: without a scheme it is http.
func parseURL(raw string) (*url.URL, error) {
	text := raw
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fail(BadURL, "the URL is malformed: %w", parseReason(err))
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r == ' ' || !isPlain(r) }); i >= 0 {
		return nil, fail(BadURL, "the URL is malformed: it has a space or a control character")
	}
	if strings.Contains(u.Path, "/.") {
		u = new(url.URL).ResolveReference(u) // takes "." and ".." out of the path
	}
	u.Scheme = strings.ToLower(u.Scheme)
	return u, checkURL(u)
}

// parseReason takes the URL off an error of parsing it: whoever prints the error adds it.
func parseReason(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// checkURL returns the reason why u cannot be fetched, or nil.
func checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fail(UnsupportedProtocol, "protocol %q is not supported", u.Scheme)
	}
	if u.Hostname() == "" {
		return fail(BadURL, "the URL has no host")
	}
	if p := u.Port(); p != "" {
		if _, err := net.LookupPort("tcp", p); err != nil || len(p) > 5 {
			return fail(BadURL, "the URL has a bad port %q", p)
		}
	}
	if strings.ContainsAny(u.Hostname(), " \t\r\n\"<>\\^`{|}") {
		return fail(BadURL, "the URL has a bad host %q", u.Hostname())
	}
	return nil
}

// hostPort returns the host and the port of u; the scheme's own port where u names none.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		if port = "80"; u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// blocking runs fn, which may block without end, on a goroutine of e. When the
// wait for it is cancelled fn runs on, and nobody waits for it any more: so
// the executor must not be the loop's own, whose jobs are awaited at the end.
func blocking[T any](ctx context.Context, l *asyncio.Loop, e *asyncio.ThreadPoolExecutor, fn func() (T, error)) (T, error) {
	return asyncio.RunInExecutor(l, e, func(context.Context) (T, error) { return fn() }).Await(ctx)
}
