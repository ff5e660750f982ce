package ring_test

import (
	"testing"

	"github.com/asyncio-go/asyncio/internal/ring"
	"pgregory.net/rapid"
)

func TestQueueBehavesAsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q ring.Queue[int]
		var want []int
		for i := range rapid.IntRange(0, 400).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "push") > 0 {
				for range rapid.IntRange(1, 40).Draw(t, "burst") {
					q.Push(i)
					want = append(want, i)
				}
			} else {
				for range rapid.IntRange(0, len(want)).Draw(t, "pops") {
					if got := q.Pop(); got != want[0] {
						t.Fatalf("Pop gave %d, want %d", got, want[0])
					}
					want = want[1:]
				}
			}
			if q.Len() != len(want) {
				t.Fatalf("Len is %d, want %d", q.Len(), len(want))
			}
		}
	})
}

func TestPopFromAnEmptyQueuePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	var q ring.Queue[int]
	q.Pop()
}

func BenchmarkPushPop(b *testing.B) {
	var q ring.Queue[int]
	for b.Loop() {
		q.Push(1)
		q.Pop()
	}
}
