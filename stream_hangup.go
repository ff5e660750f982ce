package asyncio

import "github.com/asyncio-go/asyncio/internal/hangup"

// openHangup opens the door of package hangup.
func openHangup() {
	hangup.Notify = func(stream any, f func()) bool {
		s := stream.(*Stream).StreamWriter.sock
		if s.hungUp || s.closed {
			return true
		}
		s.withRare().hangup = f
		return false
	}
}
