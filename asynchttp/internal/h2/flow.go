package h2

// maxWindow is the largest flow-control window there is. RFC 9113, 6.9.1.
const maxWindow = 1<<31 - 1

// defaultWindow is the window that a connection and its streams begin with.
const defaultWindow = 65535

// A sendWindow is how many bytes of DATA the peer takes now. It is negative
// after the peer has made its initial window smaller.
type sendWindow int64

// take counts n bytes that are sent.
func (w *sendWindow) take(n int) { *w -= sendWindow(n) }

// grow adds what a WINDOW_UPDATE allows, and reports whether the window is
// still a legal one.
func (w *sendWindow) grow(n uint32) bool {
	*w += sendWindow(n)
	return *w <= maxWindow
}

// shift applies a change of the initial window, and reports whether the window
// is still a legal one.
func (w *sendWindow) shift(delta int64) bool {
	*w += sendWindow(delta)
	return *w <= maxWindow
}

// A recvWindow is how many bytes of DATA the peer may send now, and how many it
// will be told of later: a WINDOW_UPDATE for each Read would cost more than
// many a body.
type recvWindow struct {
	size int64 // what the peer may send at most without being told
	left int64 // what it may send now
	owed int64 // what was used up, and the peer was not told of
}

func newRecvWindow(size int) recvWindow {
	return recvWindow{size: int64(size), left: int64(size)}
}

// receive counts n bytes that have come, and reports whether the peer was
// allowed to send them.
func (w *recvWindow) receive(n int) bool {
	w.left -= int64(n)
	return w.left >= 0
}

// release gives n bytes back that have been used up, and returns by how much
// the peer is to be told that the window grows: 0 while that is little.
func (w *recvWindow) release(n int) uint32 {
	w.owed += int64(n)
	if w.owed < w.size/4 {
		return 0
	}
	return w.settle()
}

// settle returns all that the peer was not told of.
func (w *recvWindow) settle() uint32 {
	n := w.owed
	w.left += n
	w.owed = 0
	return uint32(n)
}
