package asyncio

import (
	"context"
	"io"
)

// ReadAll reads until the end. It is not bounded: use it on streams that are.
// Python: read(-1).
func (r *StreamReader) ReadAll(ctx context.Context) ([]byte, error) {
	var all []byte
	p := make([]byte, min(512, int(r.limit))) // as in Python, never more than the limit at once
	for {
		n, err := r.ReadContext(ctx, p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if n == 0 { // another task took what had come; as in Python, that is taken for the end
			return all, nil
		}
		if n == len(p) && len(p) < int(r.limit) {
			p = make([]byte, min(2*len(p), int(r.limit)))
		}
	}
}

// fetchAll reads to the end, into the buffer.
func (r *StreamReader) fetchAll(ctx context.Context) error {
	t, level, err := r.begin(ctx)
	for err == nil && !r.eof {
		err = r.fill(t, level, 0)
	}
	return err
}

func (r *StreamReader) takeAll() []byte {
	if r == nil {
		return nil
	}
	if r.buffered() == 0 {
		return []byte{}
	}
	return r.takeCopy(r.buffered())
}
