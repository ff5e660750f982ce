package fetch

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxEncodings bounds how often a body may be packed, as in curl.
	maxEncodings = 5
	// maxZstdWindow is the memory that unpacking zstd may take: what RFC 9659
	// allows on the web.
	maxZstdWindow = 8 << 20
)

// decoded unpacks a body by its Content-Encoding. close must be called. The
// readers are all driven by the one who reads: none starts a goroutine.
func decoded(body io.Reader, encoding string) (r io.Reader, close func(), err error) {
	close = func() {}
	names := strings.Split(encoding, ",")
	n := 0
	for i := len(names) - 1; i >= 0; i-- {
		name := strings.ToLower(strings.TrimSpace(names[i]))
		if name == "" || name == "identity" {
			continue
		}
		if n++; n > maxEncodings {
			return nil, close, fail(BadEncoding, "the body is encoded more than %d times", maxEncodings)
		}
		switch name {
		case "gzip", "x-gzip":
			body = &lazyReader{from: body, open: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }}
		case "deflate":
			body = &lazyReader{from: body, open: inflate}
		case "zstd":
			d, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
			if err != nil {
				return nil, close, fail(BadEncoding, "zstd: %w", err)
			}
			before := close
			close = func() { d.Close(); before() }
			body = d
		default:
			return nil, close, fail(BadEncoding, "content encoding %q is not known; deflate, gzip and zstd are", name)
		}
	}
	return body, close, nil
}

// inflate unpacks "deflate", which some servers send with a zlib header, as
// they should, and some without.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	if len(head) == 0 {
		return nil, err
	}
	return flate.NewReader(b), nil
}

// lazyReader opens its reader when it is first read: doing that reads a header
// from the body. A body of no bytes stays one, as a HEAD request has it.
type lazyReader struct {
	from io.Reader
	open func(io.Reader) (io.Reader, error)
	r    io.Reader
	err  error
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if l.r == nil {
		if l.r, l.err = l.begin(); l.err != nil {
			return 0, l.err
		}
	}
	return l.r.Read(p)
}

func (l *lazyReader) begin() (io.Reader, error) {
	var first [1]byte
	if _, err := io.ReadFull(l.from, first[:]); err != nil {
		return nil, err // io.EOF for an empty body
	}
	r, err := l.open(io.MultiReader(bytes.NewReader(first[:]), l.from))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return r, err
}
