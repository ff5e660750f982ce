package ring_test

import (
	"runtime"
	"testing"

	"github.com/asyncio-go/asyncio/internal/ring"
)

// turn pushes n and pops them all.
func turn(q *ring.Queue[int], n int) {
	for i := range n {
		q.Push(i)
	}
	for range n {
		q.Pop()
	}
}

func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestARingKeepsItsSizeUntilLessThanAnEighthIsUsed(t *testing.T) {
	for _, c := range []struct {
		used    int
		shrinks bool
	}{{128, false}, {127, true}} {
		var q ring.Queue[int]
		turn(&q, 1024)
		turn(&q, c.used)
		grown := allocatedBy(func() { turn(&q, 1024) })
		if (grown > 0) != c.shrinks {
			t.Errorf("after %d of 1024 were used, the next 1024 allocated %d bytes", c.used, grown)
		}
	}
}

func TestTheSmallestRingDoesNotShrink(t *testing.T) {
	var q ring.Queue[int]
	turn(&q, 64)
	turn(&q, 1)
	if n := allocatedBy(func() { turn(&q, 64) }); n != 0 {
		t.Errorf("64 more allocated %d bytes", n)
	}
}

// Halves go one at a time, so that a queue which is filled now and then keeps what
// it needs.
func TestARingShrinksByHalf(t *testing.T) {
	var q ring.Queue[int]
	turn(&q, 1024)
	turn(&q, 1)
	if n := allocatedBy(func() { turn(&q, 512) }); n != 0 {
		t.Errorf("half of it allocated %d bytes", n)
	}
}

func TestASecondBurstUsesTheRingThatWasPutAside(t *testing.T) {
	var q ring.Queue[int]
	turn(&q, 3000)
	if n := allocatedBy(func() { turn(&q, 2048) }); n > 8*1024/2 { // the list of rings put aside, and no ring
		t.Errorf("the second burst allocated %d bytes", n)
	}
}
