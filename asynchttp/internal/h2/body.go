package h2

import (
	"fmt"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/freelist"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// A body is what has come of a stream's DATA and was not read. It is never more
// than the stream's window.
//
// A task that waits in Read leaves its slice there, and DATA goes straight into
// that; what comes while nobody waits lies in chunks.
type body struct {
	loop   *asyncio.Loop
	chunks *freelist.List
	parts  [][]byte // what has come; the first from off
	off    int
	size   int
	some   asyncio.Event // something has come, or err is set
	want   []byte        // of the task that waits
	got    int           // how much of want is filled
	busy   bool          // a task reads
	lent   []byte        // the chunk that next has returned, until forget
	err    error         // what is returned after the data; io.EOF at the end
}

// add takes the payload of a DATA frame, which is copied. last says that it is
// the last one.
func (b *body) add(p []byte, last bool) {
	if b.err != nil {
		return
	}
	if b.want != nil {
		n := copy(b.want[b.got:], p)
		b.got += n
		p = p[n:]
		b.some.Set()
	}
	if len(p) == 0 {
		return
	}
	b.size += len(p)
	if n := len(b.parts); n > 0 {
		part := b.parts[n-1]
		n2 := copy(part[len(part):cap(part)], p)
		b.parts[n-1] = part[:len(part)+n2]
		p = p[n2:]
	}
	if len(p) > 0 {
		b.parts = append(b.parts, append(b.chunk(len(p), last), p...))
	}
	b.some.Set()
}

// chunk returns room for n bytes at least: a frame's worth for those who send
// much, and no more than is needed for those who send little.
func (b *body) chunk(n int, last bool) []byte {
	switch {
	case n >= frameSize/4:
		return b.chunks.Get()
	case last:
		return make([]byte, 0, n)
	case len(b.parts) > 0:
		return make([]byte, 0, frameSize/4)
	}
	return make([]byte, 0, max(n, 512))
}

// end says that nothing more comes, and why: io.EOF, or an error, which is
// returned after what has come, if that is not dropped.
func (b *body) end(err error) {
	if b.err == nil {
		b.err = err
		b.some.Set()
	}
}

// drop forgets what has come, and returns how much it was.
func (b *body) drop() int {
	n := b.size
	parts := b.parts
	if b.lent != nil && len(parts) > 0 {
		parts = parts[1:] // somebody still uses it
	}
	for _, p := range parts {
		b.chunks.Put(p)
	}
	b.parts, b.off, b.size = nil, 0, 0
	return n
}

// begin is the door of every read.
func (b *body) begin() error {
	switch {
	case !coro.OnMarkedGoroutine():
		return fmt.Errorf("asynchttp: read body: %w", asyncio.ErrWrongGoroutine)
	case b.busy:
		return ErrConcurrentRead
	case b.size == 0:
		return b.err
	}
	return nil
}

// read reads what there is, at least one byte, and suspends the running task
// until there is. The caller gives what was read back to the windows.
func (b *body) read(p []byte) (int, error) {
	if err := b.begin(); err != nil || len(p) == 0 {
		return 0, err
	}
	if b.size > 0 {
		return b.take(p), nil
	}
	b.busy, b.want, b.got = true, p, 0
	err := b.wait()
	n := b.got
	b.busy, b.want = false, nil
	switch {
	case n > 0:
		return n, nil
	case err != nil:
		return 0, err
	}
	return 0, b.err
}

// wait suspends the running task until something has come, or the end has.
func (b *body) wait() error {
	b.some.Clear()
	return wait(b.loop, &b.some)
}

// take copies what there is to p.
func (b *body) take(p []byte) int {
	total := 0
	for total < len(p) && b.size > 0 {
		n := copy(p[total:], b.parts[0][b.off:])
		total += n
		b.forget(n)
	}
	return total
}

// next returns what there is where it lies, and suspends the running task until
// there is something. It is the caller's until returned is called.
func (b *body) next() ([]byte, error) {
	if err := b.begin(); err != nil {
		return nil, err
	}
	b.busy = true
	if b.size == 0 {
		if err := b.wait(); err != nil || b.size == 0 {
			b.busy = false
			if err == nil {
				err = b.err
			}
			return nil, err
		}
	}
	b.lent = b.parts[0][b.off:]
	return b.lent, nil
}

// returned takes back what next has returned, of which n bytes were used. It
// returns how many of them were still there to be used.
func (b *body) returned(n int) int {
	b.busy, b.lent = false, nil
	if b.size == 0 { // it was dropped meanwhile
		return 0
	}
	b.forget(n)
	return n
}

// forget drops n bytes of the first part.
func (b *body) forget(n int) {
	b.off += n
	b.size -= n
	if b.off == len(b.parts[0]) {
		b.chunks.Put(b.parts[0])
		b.parts[0] = nil
		b.parts = b.parts[1:]
		b.off = 0
		if len(b.parts) == 0 {
			b.parts = nil
		}
	}
}

// wait suspends the running task until e is set.
func wait(l *asyncio.Loop, e *asyncio.Event) error {
	t := l.CurrentTask()
	if t == nil {
		return fmt.Errorf("asynchttp: wait: %w", asyncio.ErrNotInTask)
	}
	return e.Wait(t.Context())
}
