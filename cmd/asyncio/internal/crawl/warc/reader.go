package warc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// MaxBlock is the longest block that a [Reader] takes.
const MaxBlock = 1 << 30

// A Reader reads the records of a file, each of which is a gzip member.
type Reader struct {
	counted counter
	in      *bufio.Reader
	gz      *gzip.Reader
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// NewReader returns a reader of a file.
func NewReader(r io.Reader) *Reader {
	n := &Reader{counted: counter{r: r}}
	n.in = bufio.NewReader(&n.counted)
	return n
}

// Offset is where in the file the next record begins.
func (r *Reader) Offset() int64 { return r.counted.n - int64(r.in.Buffered()) }

// Next returns the next record, and io.EOF after the last. A record that is cut
// off is io.ErrUnexpectedEOF.
func (r *Reader) Next() (*Record, error) {
	if _, err := r.in.Peek(1); err == io.EOF {
		return nil, io.EOF
	}
	var err error
	if r.gz == nil {
		r.gz, err = gzip.NewReader(r.in)
	} else {
		err = r.gz.Reset(r.in)
	}
	if err != nil {
		return nil, unexpected(err)
	}
	r.gz.Multistream(false)
	all, err := io.ReadAll(io.LimitReader(r.gz, MaxBlock+1<<20))
	if err != nil {
		return nil, unexpected(err)
	}
	rest, ok := bytes.CutPrefix(all, []byte(version))
	if !ok {
		return nil, errors.New("warc: the record does not begin with WARC/1.1")
	}
	head, block, ok := bytes.Cut(rest, []byte("\r\n\r\n"))
	if !ok {
		return nil, errors.New("warc: the header of a record does not end")
	}
	fields, length, err := parseFields(head)
	if err != nil {
		return nil, err
	}
	if int64(len(block)) != length+4 || !bytes.HasSuffix(block, []byte("\r\n\r\n")) {
		return nil, fmt.Errorf("warc: a block of %d bytes is said to have %d", len(block)-4, length)
	}
	return &Record{fields, block[:length]}, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
