package asynchttp

// wire collects what is to be written in one piece.
type wire []byte

func (w *wire) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func (w *wire) add(parts ...string) {
	for _, s := range parts {
		*w = append(*w, s...)
	}
}

// maxSpareWire is the largest buffer that is kept for another message.
const maxSpareWire = 64 << 10

// wires is a free list of buffers. There are as many as messages are written
// at the same time, not one a connection.
type wires struct{ free []*wire }

func (f *wires) get() *wire {
	if n := len(f.free); n > 0 {
		w := f.free[n-1]
		f.free[n-1] = nil
		f.free = f.free[:n-1]
		return w
	}
	w := make(wire, 0, 4096)
	return &w
}

func (f *wires) put(w *wire) {
	if cap(*w) <= maxSpareWire && len(f.free) < 64 {
		*w = (*w)[:0]
		f.free = append(f.free, w)
	}
}
