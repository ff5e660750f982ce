// Package freelist keeps buffers for the next who needs one.
package freelist

// A List keeps buffers for the next who needs one. There are as many as are used
// at the same time, up to a number. It belongs to the loop's goroutine.
type List struct {
	Size    int // of a new buffer, its capacity
	Largest int // that is kept; 0: Size
	Most    int // that are kept

	free [][]byte
}

// Get returns an empty buffer.
func (l *List) Get() []byte {
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free[n-1] = nil
		l.free = l.free[:n-1]
		return b
	}
	return make([]byte, 0, l.Size)
}

// Put takes a buffer back, if it is worth it; nil will do, too.
func (l *List) Put(b []byte) {
	if cap(b) >= max(1, l.Size) && cap(b) <= max(l.Size, l.Largest) && len(l.free) < l.Most {
		l.free = append(l.free, b[:0])
	}
}
