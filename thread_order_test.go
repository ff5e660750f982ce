package asyncio_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// lockedBuilder is a writer for several goroutines.
type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// In whatever order jobs end, those that are left are shown, the oldest first.
func TestExecutorShowsTheJobsThatAreLeftInWhateverOrderTheyEnd(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		e := asyncio.NewThreadPoolExecutor(3)
		var gates [3]chan struct{}
		begun := make(chan struct{})
		for i := range gates {
			gate := make(chan struct{})
			gates[i] = gate
			if err := e.Submit(t.Context(), func(context.Context) { begun <- struct{}{}; <-gate }); err != nil {
				t.Fatal(err)
			}
			<-begun
		}
		left := []int{0, 1, 2}
		for _, i := range order {
			close(gates[i])
			left = slices.DeleteFunc(left, func(j int) bool { return j == i })
			s := e.Stats()
			for s.Running > len(left) {
				runtime.Gosched()
				s = e.Stats()
			}
			if len(s.Jobs) != len(left) {
				t.Fatalf("when %v end, %d jobs are shown of %d", order, len(s.Jobs), len(left))
			}
			for k := 1; k < len(s.Jobs); k++ {
				if s.Jobs[k].Running > s.Jobs[k-1].Running {
					t.Errorf("when %v end, a younger job comes before an older one", order)
				}
			}
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s.Done != 3 {
			t.Errorf("%d jobs are done", s.Done)
		}
	}
}
