package h2

// A state is what may still happen on a stream: RFC 9113, 5.1, without the
// states of a stream that does not exist. Its methods are all the changes that
// there are.
//
//	          open
//	 sentEnd /    \ gotEnd
//	        /      \
//	half closed   half closed
//	  (local)       (remote)
//	 gotEnd \      / sentEnd
//	         \    /
//	         closed  <- reset, from anywhere
type state uint8

const (
	open state = iota
	halfClosedLocal
	halfClosedRemote
	closed
)

// sentEnd says that this side has sent its END_STREAM.
func (s *state) sentEnd() {
	switch *s {
	case open:
		*s = halfClosedLocal
	case halfClosedRemote:
		*s = closed
	}
}

// gotEnd says that the peer has sent its END_STREAM.
func (s *state) gotEnd() {
	switch *s {
	case open:
		*s = halfClosedRemote
	case halfClosedLocal:
		*s = closed
	}
}

// reset says that one side has given the stream up.
func (s *state) reset() { *s = closed }

// canSend reports whether this side may send DATA and HEADERS.
func (s state) canSend() bool { return s == open || s == halfClosedRemote }

// canReceive reports whether the peer may.
func (s state) canReceive() bool { return s == open || s == halfClosedLocal }
