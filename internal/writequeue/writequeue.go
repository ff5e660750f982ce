// Package writequeue holds what was written to a descriptor and the system has
// not taken yet: one queue for sockets, pipes and TLS alike. It knows nothing of
// loops; when to flush, and what a full queue means, is its owner's affair.
package writequeue

import "github.com/asyncio-go/asyncio/internal/driver"

// A Queue is what was written and the system has not taken yet, in order. The
// zero value is empty. It belongs to one goroutine.
type Queue struct {
	chunks [][]byte // the first one from off; all are the queue's own memory
	off    int
	size   int
}

const (
	firstChunk  = 1 << 10  // what the first small writes are gathered in: often there are no more
	queueChunk  = 16 << 10 // and those of a queue that has grown
	flushAtOnce = 64       // chunks given to one writev
)

// Size returns the number of bytes in the queue.
func (q *Queue) Size() int { return q.size }

// Push copies p to the end.
func (q *Queue) Push(p []byte) {
	q.size += len(p)
	if n := len(q.chunks); n > 0 {
		last := q.chunks[n-1]
		take := min(len(p), cap(last)-len(last))
		q.chunks[n-1] = append(last, p[:take]...)
		p = p[take:]
	}
	if len(p) > 0 {
		q.chunks = append(q.chunks, append(make([]byte, 0, max(min(max(firstChunk, 4*(q.size-len(p))), queueChunk), len(p))), p...))
	}
}

// Flush writes what c takes. It returns nil when the queue is empty after that,
// [driver.ErrWouldBlock] when c is full, or why writing failed.
func (q *Queue) Flush(c driver.Conn) error {
	for q.size > 0 {
		n, err := q.writeSome(c)
		q.drop(n)
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) writeSome(c driver.Conn) (int, error) {
	if len(q.chunks) == 1 {
		return c.Write(q.chunks[0][q.off:])
	}
	var vector [flushAtOnce][]byte
	n := copy(vector[:], q.chunks)
	vector[0] = vector[0][q.off:]
	return c.Writev(vector[:n])
}

// drop forgets the first n bytes, which were written.
func (q *Queue) drop(n int) {
	q.size -= n
	for n > 0 {
		left := len(q.chunks[0]) - q.off
		if n < left {
			q.off += n
			return
		}
		n -= left
		q.off = 0
		q.chunks[0] = nil
		q.chunks = q.chunks[1:]
	}
	if len(q.chunks) == 0 {
		q.chunks = nil
	}
}

// Append moves what is in p to the end.
func (q *Queue) Append(p *Queue) {
	if p.off > 0 {
		p.chunks[0] = p.chunks[0][p.off:]
	}
	q.chunks = append(q.chunks, p.chunks...)
	q.size += p.size
	p.Clear()
}

// Clear forgets all.
func (q *Queue) Clear() { *q = Queue{} }
