package heap_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio/internal/heap"
	"pgregory.net/rapid"
)

func TestHeapBehavesAsASortedList(t *testing.T) {
	type item struct{ when, seq int64 }
	rapid.Check(t, func(t *rapid.T) {
		var h heap.Heap[item]
		var want []*heap.Node[item]
		order := func(a, b *heap.Node[item]) int {
			return cmp.Or(cmp.Compare(a.Value.when, b.Value.when), cmp.Compare(a.Value.seq, b.Value.seq))
		}
		for seq := range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 5).Draw(t, "op"); {
			case op < 3:
				n := &heap.Node[item]{Value: item{rapid.Int64Range(0, 20).Draw(t, "when"), int64(seq)}}
				h.Push(n, n.Value.when)
				want = append(want, n)
				slices.SortFunc(want, order)
			case op == 3 && len(want) > 0:
				i := rapid.IntRange(0, len(want)-1).Draw(t, "which")
				if !h.Remove(want[i]) || h.Remove(want[i]) {
					t.Fatal("Remove must be true once")
				}
				want = slices.Delete(want, i, i+1)
			default:
				n := h.Pop()
				if len(want) == 0 {
					if n != nil {
						t.Fatal("Pop from an empty heap gave a node")
					}
					continue
				}
				if n != want[0] || n.Queued() {
					t.Fatalf("Pop gave %+v, want %+v", n, want[0])
				}
				want = want[1:]
			}
			if when, ok := h.First(); h.Len() != len(want) || ok != (len(want) > 0) || ok && when != want[0].Value.when {
				t.Fatalf("Len %d, First %d %v; want %d nodes", h.Len(), when, ok, len(want))
			}
		}
	})
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
