package asyncio

import (
	"context"
	"fmt"
	"io"
	"io/fs"
)

// Peek returns the next n bytes without taking them, and waits until they have come: for
// code that must know what a peer begins with before it decides who reads it. The bytes are
// valid until the next read, and must not be changed. When the stream ends before, Peek
// returns what there is and [io.EOF], as [bufio.Reader.Peek] does. An n beyond the stream's
// limit is an error, since nobody else bounds what is held. When it is interrupted, nothing
// is lost. Python has no such method.
func (r *StreamReader) Peek(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || n > int(r.limit) {
		return nil, fmt.Errorf("asyncio: Peek of %d bytes: the number must be from 0 to the stream's limit of %d: %w", n, r.limit, fs.ErrInvalid)
	}
	t, level, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	for r.buffered() < n {
		if r.eof {
			p := r.unread()
			return p[:len(p):len(p)], io.EOF
		}
		if err := r.fill(t, level, n); err != nil {
			return nil, err
		}
	}
	return r.unread()[:n:n], nil
}
