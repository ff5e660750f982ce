package asyncio_test

import (
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A loop keeps some buffers of one size for its readers, and no others.
func TestALoopKeepsSomeBuffersForItsReaders(t *testing.T) {
	const size, most = 4 << 10, 64
	s := &asyncio.BufferStore{}
	for _, n := range []int{0, 1, size - 1, size + 1, 2 * size} {
		s.GiveBack(make([]byte, 0, n))
	}
	if kept, _ := s.Kept(); kept != 0 {
		t.Errorf("%d of another size are kept", kept)
	}
	mine := map[*byte]bool{}
	for range most + 10 {
		b := s.Borrow()
		if len(b) != 0 || cap(b) != size || mine[&b[:1][0]] {
			t.Fatalf("it has lent %d of %d bytes, or some that it had lent", len(b), cap(b))
		}
		mine[&b[:1][0]] = true
		defer s.GiveBack(b) // nobody else has it meanwhile
	}
	for n := range most + 2 {
		s.GiveBack(make([]byte, 10, size))
		if kept, _ := s.Kept(); kept != min(n+1, most) {
			t.Fatalf("of %d it keeps %d", n+1, kept)
		}
	}
	for n := range most {
		if b := s.Borrow(); len(b) != 0 || cap(b) != size {
			t.Errorf("it has lent %d of %d bytes", len(b), cap(b))
		}
		if kept, left := s.Kept(); kept != most-n-1 || left != 0 {
			t.Errorf("it keeps %d, and holds %d that it has lent", kept, left)
		}
	}
}
