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

// allocatedBy returns how many bytes f allocates with a queue that before has used. It is
// the least of several times: the runtime may allocate meanwhile, for a thread of its own.
func allocatedBy(before, f func(q *ring.Queue[int])) uint64 {
	least := ^uint64(0)
	for range 5 {
		var q ring.Queue[int]
		before(&q)
		var first, last runtime.MemStats
		runtime.ReadMemStats(&first)
		f(&q)
		runtime.ReadMemStats(&last)
		least = min(least, last.TotalAlloc-first.TotalAlloc)
	}
	return least
}

// turns is a turn after another.
func turns(ns ...int) func(q *ring.Queue[int]) {
	return func(q *ring.Queue[int]) {
		for _, n := range ns {
			turn(q, n)
		}
	}
}

func TestARingKeepsItsSizeUntilLessThanAnEighthIsUsed(t *testing.T) {
	for _, c := range []struct {
		used    int
		shrinks bool
	}{{128, false}, {127, true}} {
		grown := allocatedBy(turns(1024, c.used), turns(1024))
		if (grown > 0) != c.shrinks {
			t.Errorf("after %d of 1024 were used, the next 1024 allocated %d bytes", c.used, grown)
		}
	}
}

func TestTheSmallestRingDoesNotShrink(t *testing.T) {
	if n := allocatedBy(turns(64, 1), turns(64)); n != 0 {
		t.Errorf("64 more allocated %d bytes", n)
	}
}

// Halves go one at a time, so that a queue which is filled now and then keeps what
// it needs.
func TestARingShrinksByHalf(t *testing.T) {
	if n := allocatedBy(turns(1024, 1), turns(512)); n != 0 {
		t.Errorf("half of it allocated %d bytes", n)
	}
}

func TestASecondBurstUsesTheRingThatWasPutAside(t *testing.T) {
	if n := allocatedBy(turns(3000), turns(2048)); n > 8*1024/2 { // the list of rings put aside, and no ring
		t.Errorf("the second burst allocated %d bytes", n)
	}
}
