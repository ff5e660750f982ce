package asynchttp

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// unzipResponse unpacks the body of a response on the way.
func unzipResponse(t *Transport, resp *http.Response) {
	resp.Body = &unzippedBody{t: t, src: resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Uncompressed = true
}

// An unzippedBody unpacks the body of a response of HTTP/2. A Read finds the
// gzip header, so that a body nobody reads costs nothing.
type unzippedBody struct {
	t       *Transport
	src     io.ReadCloser
	z       *gzip.Reader
	reading bool
	err     error
}

func (b *unzippedBody) Read(p []byte) (int, error) {
	switch {
	case b.reading:
		return 0, ErrConcurrentRead
	case b.err != nil:
		return 0, b.err
	}
	b.reading = true
	n, err := b.read(p)
	b.reading = false
	if err != nil {
		b.end(err)
		err = b.err
	}
	return n, err
}

func (b *unzippedBody) read(p []byte) (int, error) {
	if b.z == nil {
		if n := len(b.t.unzippers); n > 0 {
			z := b.t.unzippers[n-1]
			b.t.unzippers = b.t.unzippers[:n-1]
			if err := z.Reset(b.src); err != nil {
				return 0, err
			}
			b.z = z
		} else {
			z, err := gzip.NewReader(b.src)
			if err != nil {
				return 0, err
			}
			b.z = z
		}
	}
	return b.z.Read(p)
}

// end notes how the body has ended.
func (b *unzippedBody) end(err error) {
	if b.err != nil {
		return // it was closed meanwhile
	}
	switch {
	case err == io.EOF:
		if b.z != nil && len(b.t.unzippers) < 16 {
			b.t.unzippers = append(b.t.unzippers, b.z)
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("asynchttp: gzip response body ended early: %w", err)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		err = &MalformedResponseError{fmt.Errorf("gzip: %w", err)}
	}
	b.z, b.err = nil, err
	if err != io.EOF {
		_ = b.src.Close()
	}
}

// Close implements [io.Closer].
func (b *unzippedBody) Close() error {
	if b.err == nil {
		b.err = ErrBodyClosed
	}
	return b.src.Close()
}
