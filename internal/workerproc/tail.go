package workerproc

import (
	"io"
	"sync"
)

// tailWriter passes on what is written, and remembers the last of it.
type tailWriter struct {
	to   io.Writer // or nil
	mu   sync.Mutex
	tail []byte
}

const maxTail = 4 << 10

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tail = append(t.tail, p[max(0, len(p)-maxTail):]...)
	if extra := len(t.tail) - maxTail; extra > 0 {
		t.tail = append(t.tail[:0], t.tail[extra:]...)
	}
	if t.to != nil {
		_, _ = t.to.Write(p) // that nobody takes it is no reason to stop the worker
	}
	return len(p), nil
}

func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.tail)
}
