package portable

import "sync"

// The sizes of buffers. A connection begins with the smallest and comes to the
// largest when it keeps filling them.
const (
	small  = 4 << 10
	medium = 16 << 10
	large  = 64 << 10
)

// buffers keeps buffers for the next connection that has something in them.
// The collector empties it.
type buffers struct{ small, medium, large sync.Pool }

// get returns a buffer of the least size that holds n bytes, at most large.
func (b *buffers) get(n int) []byte {
	switch {
	case n <= small:
		if p, ok := b.small.Get().(*[small]byte); ok {
			return p[:]
		}
		return make([]byte, small)
	case n <= medium:
		if p, ok := b.medium.Get().(*[medium]byte); ok {
			return p[:]
		}
		return make([]byte, medium)
	default:
		if p, ok := b.large.Get().(*[large]byte); ok {
			return p[:]
		}
		return make([]byte, large)
	}
}

// put takes back a buffer that get gave, however it was sliced at its end.
func (b *buffers) put(buf []byte) {
	switch buf = buf[:cap(buf)]; len(buf) {
	case small:
		b.small.Put((*[small]byte)(buf))
	case medium:
		b.medium.Put((*[medium]byte)(buf))
	case large:
		b.large.Put((*[large]byte)(buf))
	}
}
