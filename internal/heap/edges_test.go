package heap_test

import (
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio/internal/heap"
)

// allocatedBy returns how many bytes f has allocated.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// filled returns a heap with n nodes, and room for more by doubling.
func filled(n int) (*heap.Heap[int], []heap.Node[int]) {
	nodes := make([]heap.Node[int], n)
	h := new(heap.Heap[int])
	for i := range nodes {
		h.Push(&nodes[i], int64(i))
	}
	return h, nodes
}

func TestTrimKeepsTheRoomUntilLessThanAnEighthIsUsed(t *testing.T) {
	const room = 1 << 14 // a power of two times the least room
	h, nodes := filled(room)
	for i := range nodes[room/8:] {
		h.Remove(&nodes[room/8+i])
	}
	if n := allocatedBy(h.Trim); n != 0 {
		t.Errorf("an eighth is used, and Trim allocated %d bytes", n)
	}
	h.Pop()
	if n := allocatedBy(h.Trim); n == 0 {
		t.Error("less than an eighth is used, and Trim did nothing")
	}
	if n := allocatedBy(h.Trim); n != 0 {
		t.Errorf("a second Trim allocated %d bytes", n)
	}
}

func TestTrimLeavesASmallHeapAlone(t *testing.T) {
	h, nodes := filled(1024)
	for i := range nodes {
		h.Remove(&nodes[i])
	}
	if n := allocatedBy(h.Trim); n != 0 {
		t.Errorf("Trim allocated %d bytes", n)
	}
}

// Those that take the place of a node which is removed are its own children, and
// not the first child of the node beside it.
func TestWhatTakesThePlaceOfANodeIsOneOfItsChildren(t *testing.T) {
	const n = 90 // four rows, the last begins with 85
	below := func(i, top int) bool {
		for ; i > 0; i = (i - 1) / 4 {
			if i == top {
				return true
			}
		}
		return false
	}
	for _, removed := range []int{4, 20} {
		var h heap.Heap[int]
		nodes := make([]heap.Node[int], n)
		for i := range nodes {
			when := int64(i) // no parent is later than its child: all stay where they are
			if below(i, 4) {
				when += 1000
			}
			if i == n-1 {
				when = 5000
			}
			h.Push(&nodes[i], when)
		}
		h.Remove(&nodes[removed])
		last := int64(math.MinInt64)
		for h.Len() > 0 {
			when, _ := h.First()
			h.Pop()
			if when < last {
				t.Fatalf("without node %d, %d comes after %d", removed, when, last)
			}
			last = when
		}
	}
}

func TestEqualTimesComeInTheOrderInWhichTheyWerePushedAfterRemovals(t *testing.T) {
	var h heap.Heap[int]
	nodes := make([]heap.Node[int], 200)
	for i := range nodes {
		nodes[i].Value = i
		h.Push(&nodes[i], 1)
	}
	var want []int
	for i := range nodes {
		if i%3 == 1 {
			h.Remove(&nodes[i])
		} else {
			want = append(want, i)
		}
	}
	var got []int
	for n := h.Pop(); n != nil; n = h.Pop() {
		got = append(got, n.Value)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the order is %v", got)
	}
}
