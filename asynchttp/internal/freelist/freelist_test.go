package freelist_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/asynchttp/internal/freelist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBuffersComeBackEmpty(t *testing.T) {
	l := freelist.List{Size: 8, Largest: 16, Most: 2}
	b := append(l.Get(), "some"...)
	first := &b[:1][0]
	l.Put(b)
	if b = l.Get(); len(b) != 0 || cap(b) != 8 || &b[:1][0] != first {
		t.Errorf("a buffer of %d bytes came back with room for %d", len(b), cap(b))
	}
}

// What is too small or too large, and what is one too many, is not kept.
func TestOnlyWhatIsWorthItIsKept(t *testing.T) {
	l := freelist.List{Size: 8, Largest: 16, Most: 2}
	for _, b := range [][]byte{nil, make([]byte, 0, 7), make([]byte, 0, 17)} {
		l.Put(b)
	}
	if b := l.Get(); cap(b) != 8 {
		t.Errorf("a buffer with room for %d was kept", cap(b))
	}
	for range 3 {
		l.Put(make([]byte, 0, 16))
	}
	for i, want := range []int{16, 16, 8} {
		if b := l.Get(); cap(b) != want {
			t.Errorf("buffer %d has room for %d, want %d", i, cap(b), want)
		}
	}
}

func TestBuffersToCopyWithAreKept(t *testing.T) {
	var c freelist.Copies
	b := c.Get()
	if len(b) != 32<<10 {
		t.Fatalf("it has %d bytes", len(b))
	}
	c.Put(b)
	if again := c.Get(); &again[0] != &b[0] {
		t.Error("it is another one")
	}
	for range 40 {
		c.Put(make([]byte, 32<<10))
	}
}
