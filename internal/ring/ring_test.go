package ring_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/asyncio-go/asyncio/internal/ring"
	"pgregory.net/rapid"
)

func TestQueueBehavesAsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q ring.Queue[int]
		var want []int
		for i := range rapid.IntRange(0, 400).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "push") > 0 {
				for range rapid.SampledFrom([]int{1, 5, 40, 1000, 3000}).Draw(t, "burst") {
					q.Push(i)
					want = append(want, i)
				}
			} else {
				for range rapid.IntRange(0, len(want)).Draw(t, "pops") {
					if first, got := q.First(), q.Pop(); first != want[0] || got != want[0] {
						t.Fatalf("First gave %d, Pop %d, want %d", first, got, want[0])
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

func TestBurstLeavesLittleMemory(t *testing.T) {
	var q ring.Queue[[64]byte]
	before := heap()
	for range 100_000 {
		q.Push([64]byte{})
	}
	for q.Len() > 0 {
		q.Pop()
	}
	if held := heap() - before; held > 2048*64+64<<10 {
		t.Errorf("an empty queue holds %d bytes after a burst", held)
	}
	for range 10 { // times when there is little to do
		q.Push([64]byte{})
		q.Pop()
	}
	if held := heap() - before; held > 64<<10 {
		t.Errorf("it holds %d bytes later", held)
	}
	runtime.KeepAlive(&q)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestWhatIsPoppedIsLetGo(t *testing.T) {
	const n = 4000 // some rings are put aside
	var q ring.Queue[*[64]byte]
	var pointers []weak.Pointer[[64]byte]
	for range n {
		p := new([64]byte)
		pointers = append(pointers, weak.Make(p))
		q.Push(p)
	}
	for popped := range n {
		if popped%400 == 0 || popped == n-1 {
			runtime.GC()
			for i, p := range pointers {
				if held := p.Value() != nil; held != (i >= popped) {
					t.Fatalf("after %d pops, element %d is held: %v", popped, i, held)
				}
			}
		}
		q.Pop()
	}
	runtime.KeepAlive(&q)
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

func BenchmarkBurst(b *testing.B) {
	var q ring.Queue[any]
	const size = 10_000
	for i := 0; i < b.N; i += size {
		for range size {
			q.Push(nil)
		}
		for range size {
			q.Pop()
		}
	}
}

func BenchmarkPushPop(b *testing.B) {
	var q ring.Queue[int]
	for b.Loop() {
		q.Push(1)
		q.Pop()
	}
}

// After a burst that one ring could hold, a queue that is used little goes back
// to little memory, and one that is used much keeps what it needs.
func TestRingShrinksWhenItIsUsedLittleAndNotWhenItIsUsedMuch(t *testing.T) {
	cycle := func(q *ring.Queue[[1024]byte], n int) {
		for range n {
			q.Push([1024]byte{})
		}
		for range n {
			q.Pop()
		}
	}
	var q ring.Queue[[1024]byte]
	before := heap()
	cycle(&q, 1000)
	if held := heap() - before; held < 1000*1024 {
		t.Fatalf("%d bytes are held after the burst, and no ring", held)
	}
	for range 10 {
		cycle(&q, 10)
	}
	if held := heap() - before; held > 100*1024 {
		t.Errorf("%d bytes are held for ten elements", held)
	}
	cycle(&q, 300)
	if n := testing.AllocsPerRun(10, func() { cycle(&q, 300) }); n != 0 {
		t.Errorf("%v allocations to fill it again", n)
	}
	runtime.KeepAlive(&q)
}
