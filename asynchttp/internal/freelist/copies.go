package freelist

const (
	copySize = 32 << 10 // how much is copied at a time
	copyMost = 16
)

// Copies is a list of buffers to copy with, of 32 KiB. The zero value is ready for
// use. It belongs to the loop's goroutine.
type Copies struct{ free [][]byte }

// Get returns a buffer, all of which is to be used.
func (c *Copies) Get() []byte {
	n := len(c.free)
	if n == 0 {
		return make([]byte, copySize)
	}
	b := c.free[n-1]
	c.free[n-1] = nil
	c.free = c.free[:n-1]
	return b
}

// Put takes a buffer back.
func (c *Copies) Put(b []byte) {
	if len(c.free) < copyMost {
		c.free = append(c.free, b)
	}
}
