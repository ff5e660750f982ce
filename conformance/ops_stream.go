package conformance

import (
	"io"
	"strconv"

	"github.com/asyncio-go/asyncio"
)

func init() { kinds["stream"] = newStream }

// A stream is a StreamReader that the program feeds.
type stream struct {
	*asyncio.StreamReader
	eof bool // feed_eof came
}

func newStream(l *asyncio.Loop, o Object) any {
	return &stream{StreamReader: asyncio.NewStreamReader(l, o.Limit)}
}

// streamOps are the methods of a stream.
func streamOps() map[string]opDef {
	return map[string]opDef{
		"read":        on(count).waits(object(read)),
		"readexactly": on(count).waits(object(readExactly)),
		"readline":    on().waits(object(readLine)),
		"readuntil":   on(texts).waits(object(readUntil)),

		"feed":             on(text).does(object(feed)),
		"feed_eof":         on().does(object(feedEOF)),
		"stream_exception": on(text).does(object(streamException)),
		"at_eof":           on().does(object(atEOF)),
	}
}

// showStreamError writes the errors that only streams give.
func showStreamError(err error) (string, bool) {
	switch e := err.(type) {
	case *asyncio.IncompleteReadError:
		expected := "null" // a separator, of which nobody knows how far it is
		if e.Expected >= 0 {
			expected = strconv.Itoa(e.Expected)
		}
		return "IncompleteReadError(" + quote(e.Partial) + "," + expected + ")", true
	case *asyncio.LimitOverrunError:
		return "LimitOverrunError(" + strconv.Itoa(e.Consumed) + ")", true
	}
	return "", false
}

// read reads up to n bytes, or to the end.
func read(c *call, s *stream) (any, error) {
	n := c.count(1)
	if n < 0 {
		return s.ReadAll(c.ctx)
	}
	p := make([]byte, n)
	n, err := s.Read(p)
	return p[:n], endIsEmpty(err)
}

// endIsEmpty takes the end of a stream for no error, as Python does.
func endIsEmpty(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func readExactly(c *call, s *stream) (any, error) { return s.ReadExactly(c.ctx, c.count(1)) }

func readLine(c *call, s *stream) (any, error) {
	p, err := s.ReadLine(c.ctx)
	return p, endIsEmpty(err)
}

func readUntil(c *call, s *stream) (any, error) {
	var separators [][]byte
	for _, sep := range c.texts(1) {
		separators = append(separators, []byte(sep))
	}
	return s.ReadUntil(c.ctx, separators...)
}

func feed(c *call, s *stream) (any, error) {
	if s.eof {
		return "after eof", nil // a mistake that CPython only asserts against
	}
	s.FeedData([]byte(c.text(1)))
	return nil, nil
}

func feedEOF(_ *call, s *stream) (any, error) {
	s.eof = true
	s.FeedEOF()
	return nil, nil
}

func streamException(c *call, s *stream) (any, error) {
	s.SetError(&UserError{Name: c.text(1)})
	return nil, nil
}

func atEOF(_ *call, s *stream) (any, error) { return s.AtEOF(), nil }
