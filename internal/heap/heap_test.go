package heap_test

import (
	"cmp"
	"runtime"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio/internal/heap"
	"pgregory.net/rapid"
)

func TestHeapBehavesAsASortedList(t *testing.T) {
	type item struct{ when, seq int64 }
	type node = heap.Node[item]
	rapid.Check(t, func(t *rapid.T) {
		var h heap.Heap[item]
		var want, out []*node // in the heap, in order; and those that were
		order := func(a, b *node) int {
			return cmp.Or(cmp.Compare(a.Value.when, b.Value.when), cmp.Compare(a.Value.seq, b.Value.seq))
		}
		times := []int64{20, 1 << 40}[rapid.IntRange(0, 1).Draw(t, "times")] // few: many are equal
		seq := int64(0)
		push := func(n *node, when int64) {
			seq++
			n.Value = item{when, seq}
			h.Push(n, when)
			i, _ := slices.BinarySearchFunc(want, n, order)
			want = slices.Insert(want, i, n)
		}
		check := func() {
			if when, ok := h.First(); h.Len() != len(want) || ok != (len(want) > 0) || ok && when != want[0].Value.when {
				t.Fatalf("Len %d, First %d %v; want %d nodes", h.Len(), when, ok, len(want))
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			burst := rapid.SampledFrom([]int{1, 1, 1, 1, 10, 100, 1000}).Draw(t, "burst")
			switch op := rapid.IntRange(0, 7).Draw(t, "op"); {
			case op < 3:
				when := rapid.Int64Range(0, times).Draw(t, "when")
				for i := range int64(burst) {
					push(new(node), (when+i*7919)%times)
				}
			case op == 3 && len(out) > 0: // once more
				push(out[0], rapid.Int64Range(0, times).Draw(t, "when"))
				out = out[1:]
			case op < 6 && len(want) > 0:
				i := rapid.IntRange(0, len(want)-1).Draw(t, "which")
				for range min(burst, len(want)) {
					i = (i + 31) % len(want)
					n := want[i]
					if when, ok := h.When(n); !ok || when != n.Value.when {
						t.Fatalf("When is %d %v, want %d", when, ok, n.Value.when)
					}
					if !h.Remove(n) || h.Remove(n) {
						t.Fatal("Remove must be true once")
					}
					if _, ok := h.When(n); ok || n.Queued() {
						t.Fatal("the node was removed and is queued")
					}
					want = slices.Delete(want, i, i+1)
					out = append(out, n)
					check()
				}
			default:
				for range burst {
					n := h.Pop()
					if len(want) == 0 {
						if n != nil {
							t.Fatal("Pop from an empty heap gave a node")
						}
						break
					}
					if n != want[0] || n.Queued() {
						t.Fatalf("Pop gave %+v, want %+v", n, want[0])
					}
					want = want[1:]
					out = append(out, n)
					check()
				}
			}
			check()
		}
		h.Trim()
		for _, n := range want {
			if got := h.Pop(); got != n {
				t.Fatalf("in the end Pop gave %+v, want %+v", got, n)
			}
		}
	})
}

func TestPushOfAQueuedNodePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	var h heap.Heap[int]
	var n heap.Node[int]
	h.Push(&n, 1)
	h.Push(&n, 2)
}

// A heap that grows by doubling has allocated at most four times what it holds;
// by the quarter that append adds to big slices, at least five times.
func TestGrowingAllocatesAtMostFourTimesWhatIsHeld(t *testing.T) {
	const entry = 24 // bytes
	nodes := make([]heap.Node[int], 100_000)
	var h heap.Heap[int]
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range nodes {
		h.Push(&nodes[i], int64(i))
	}
	runtime.ReadMemStats(&after)
	if bytes := (after.TotalAlloc - before.TotalAlloc) / uint64(len(nodes)); bytes > 4*entry {
		t.Errorf("it allocated %d bytes for each node", bytes)
	}
}

func TestTrimGivesMemoryBackAfterABurst(t *testing.T) {
	nodes := make([]heap.Node[int], 100_000)
	var h heap.Heap[int]
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	push := func() {
		for i := range nodes {
			h.Push(&nodes[i], int64(i))
		}
	}
	push()
	h.Trim()
	const left = 2000
	for i := range nodes[left:] {
		h.Remove(&nodes[left+i])
	}
	if n := allocated(h.Trim); n == 0 || n > 200_000 {
		t.Errorf("for %d nodes Trim allocated %d bytes", left, n)
	}
	if n := allocated(h.Trim); n != 0 {
		t.Errorf("a second Trim allocated %d bytes", n)
	}
	for i := range nodes[:left] {
		if h.Pop() != &nodes[i] {
			t.Fatal("the order is lost")
		}
	}
	if n := allocated(push); n < 1_000_000 {
		t.Errorf("the next burst allocated %d bytes, so memory was held for it", n)
	}
}

func BenchmarkPushPopAmongTenThousand(b *testing.B) {
	var h heap.Heap[int]
	nodes := make([]heap.Node[int], 10_000)
	for i := range nodes {
		h.Push(&nodes[i], int64(i*7919%10_007))
	}
	for i := int64(0); b.Loop(); i++ {
		h.Push(h.Pop(), i*7919%10_007)
	}
}

// BenchmarkResetAmongTenThousand is connections that put their deadlines off:
// one is removed from anywhere, and comes last.
func BenchmarkResetAmongTenThousand(b *testing.B) {
	var h heap.Heap[int]
	nodes := make([]heap.Node[int], 10_000)
	now := int64(0)
	for i := range nodes {
		now++
		h.Push(&nodes[i], now)
	}
	for i := 0; b.Loop(); i++ {
		n := &nodes[i*7919%len(nodes)]
		h.Remove(n)
		now++
		h.Push(n, now)
	}
}

// BenchmarkPushThenRemoveAll is very many timers that are set and then cancelled,
// in the order in which they were set.
func BenchmarkPushThenRemoveAll(b *testing.B) {
	const n = 1_000_000
	for _, c := range []struct {
		name string
		when func(i int64) int64
	}{
		{"spread", func(i int64) int64 { return i*7919%10_007*10_000 + i }},
		{"increasing", func(i int64) int64 { return i }},
		{"equal", func(int64) int64 { return 0 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				var h heap.Heap[int]
				nodes := make([]*heap.Node[int], n)
				for i := range nodes {
					nodes[i] = new(heap.Node[int])
					h.Push(nodes[i], c.when(int64(i)))
				}
				for _, n := range nodes {
					h.Remove(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/timer")
		})
	}
}
