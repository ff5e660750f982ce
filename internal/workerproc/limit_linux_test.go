package workerproc_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// A worker for which there are not enough descriptors is not started, and none is left.
func TestAWorkerThatRunsOutOfDescriptorsLeavesNothingOpen(t *testing.T) {
	if r, w, err := os.Pipe(); err == nil { // Go's poller must be there before
		_, _ = r.Close(), w.Close()
	}
	count := func() int { return len(must(os.ReadDir("/proc/self/fd"))) }
	var all syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &all); err != nil {
		t.Fatal(err)
	}
	before, refused := count(), 0
	for few := all; ; few.Cur++ {
		if few == all {
			few.Cur = 3
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		p, err := workerproc.Start(t.Context(), &workerproc.Config{MaxMessage: most, Env: []string{stranger + "=some long words of its own"}})
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &all); err != nil {
			t.Fatal(err)
		}
		if errors.Is(err, workerproc.ErrNoMain) { // there were enough
			break
		}
		if refused++; p != nil || err == nil {
			t.Fatal(p, err)
		}
		if after := count(); after > before {
			t.Fatalf("with %d: %d descriptors before, %d after: %v", few.Cur, before, after, err)
		}
	}
	if refused < 4 {
		t.Errorf("it was refused %d times", refused)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
