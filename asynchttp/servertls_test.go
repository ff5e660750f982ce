package asynchttp

import (
	"testing"
	"time"
)

func TestAHandshakeFallsUnderTheShortestLimit(t *testing.T) {
	for _, x := range []struct{ header, read, write, want time.Duration }{
		{0, 0, 0, 0},
		{3, 0, 0, 3},
		{0, 2, 0, 2},
		{0, 0, 1, 1},
		{3, 2, 1, 1},
		{1, 2, 3, 1},
		{2, 1, 3, 1},
		{-1, 2, 0, 2},
	} {
		s := &Server{ReadHeaderTimeout: x.header, ReadTimeout: x.read, WriteTimeout: x.write}
		if got := s.handshakeLimit(); got != x.want {
			t.Errorf("%v: got %v", x, got)
		}
	}
}
