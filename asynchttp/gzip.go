package asynchttp

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// unzipResponse unpacks the body of a response on the way, if it is packed with
// gzip.
func unzipResponse(t *Transport, resp *http.Response) {
	if !asciiEqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return
	}
	resp.Body = &gzipBody{t: t, src: gzipSource{body: resp.Body}}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Uncompressed = true
}

// A gzipBody unpacks a body. A Read finds the gzip header, so that a body nobody
// reads costs nothing.
type gzipBody struct {
	t       *Transport
	src     gzipSource
	buf     *bufio.Reader
	z       *gzip.Reader
	reading bool
	closed  atomic.Bool // on any goroutine
	err     error       // what every further Read returns
}

// A gzipSource is what is unpacked. It remembers its error, which gzip may tell in
// words of its own.
type gzipSource struct {
	body io.ReadCloser
	err  error
}

func (s *gzipSource) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Read implements [io.Reader]. It suspends the running task.
func (g *gzipBody) Read(p []byte) (int, error) {
	switch {
	case !coro.OnMarkedGoroutine():
		return 0, fmt.Errorf("asynchttp: read response body: %w", asyncio.ErrWrongGoroutine)
	case g.reading:
		return 0, ErrConcurrentRead
	case g.err != nil:
		return 0, g.err
	case g.closed.Load():
		return 0, ErrBodyClosed
	}
	g.reading = true
	n, err := g.read(p)
	g.reading = false
	if err != nil {
		g.err = g.end(err)
	}
	return n, g.err
}

func (g *gzipBody) read(p []byte) (int, error) {
	if g.z == nil {
		if err := g.open(); err != nil {
			return 0, err
		}
	}
	return g.z.Read(p)
}

// open reads the gzip header.
func (g *gzipBody) open() (err error) {
	t := g.t
	if g.buf == nil {
		// The source is given to gzip behind a buffer of its own, or gzip would
		// make one.
		g.buf = bufio.NewReaderSize(&g.src, 4096)
	}
	if n := len(t.unzippers); n > 0 {
		g.z = t.unzippers[n-1]
		t.unzippers[n-1] = nil
		t.unzippers = t.unzippers[:n-1]
		return g.z.Reset(g.buf)
	}
	g.z, err = gzip.NewReader(g.buf)
	return err
}

// end lets go of what the body was read with, and returns what its end means to
// the user.
func (g *gzipBody) end(err error) error {
	switch {
	case g.src.err != nil:
		err = g.src.err // the connection's error, or Close
	case err == io.EOF && g.z != nil:
		if len(g.t.unzippers) < 16 {
			g.t.unzippers = append(g.t.unzippers, g.z)
		}
	case err == io.EOF: // no body where gzip was announced
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("asynchttp: gzip response body ended early: %w", err)
	default:
		err = &MalformedResponseError{fmt.Errorf("gzip: %w", err)}
	}
	g.z = nil
	if err != io.EOF {
		_ = g.src.body.Close() // it fails on no goroutine
	}
	return err
}

// Close implements [io.Closer].
func (g *gzipBody) Close() error {
	g.closed.Store(true)
	return g.src.body.Close()
}
