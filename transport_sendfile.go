package asyncio

import (
	"context"
	"fmt"
	"os"
)

// Sendfile sends count bytes of the file f from offset on, or up to its end
// when there are fewer or count is negative, and returns how many it has sent. It
// suspends the running task until the kernel has them all. The file's own
// position is neither used nor moved.
//
// On Linux the kernel copies the file to a plain connection; over TLS, and on
// the portable driver, it is read in the executor and written. What was written
// before comes first. What others write meanwhile comes after the file, or,
// where it is read and written, between pieces of it. When the wait is
// interrupted, a part was sent. Python: loop.sendfile.
func (l *Loop) Sendfile(ctx context.Context, t Transport, f *os.File, offset, count int64) (int64, error) {
	task, level, err := l.enter(ctx)
	if err != nil {
		return 0, err
	}
	tr, err := transportOf(l, t)
	if err != nil {
		return 0, fmt.Errorf("sendfile: %w", err)
	}
	return tr.sock.sendfile(task, level, tr, tr.tls != nil, f, offset, count)
}
