package asyncfile

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

// memoryMost is how much is read from memory on the loop, at a time: what copying it
// takes, the loop can spare.
const memoryMost = 64 << 10

// A memory is the part of a file that the system has in memory.
type memory struct {
	raw     syscall.RawConn // nil: not a file of the system
	refused atomic.Bool     // the system does not tell what is in memory of this file
}

// of makes m that of a file.
func (m *memory) of(f diskFile) {
	if f, ok := f.(*os.File); ok && f != nil {
		m.raw, _ = f.SyscallConn() // of a file that is closed a job says so
	}
}

// readMemory reads into p from an offset or atPosition, if all that it takes is to copy.
// Where it has not done it, a job has to, also to say what is wrong: but where the system
// has begun to read from the disk, the job has less to wait for.
func (f *File) readMemory(ctx context.Context, p []byte, off int64) (n int, done bool, err error) {
	if f.memory.raw == nil || f.memory.refused.Load() || len(p) == 0 || len(p) > memoryMost ||
		givenExecutor(ctx) != nil || filerOf(ctx) != nil {
		return 0, false, nil
	}
	// Others have their turn, however often something is in memory.
	if err := asyncio.Sleep(ctx, 0); err != nil {
		return 0, true, err
	}
	if off == atPosition {
		if !f.position.TryLock() {
			return 0, false, nil
		}
		defer f.position.Unlock()
	}
	closed := f.memory.raw.Control(func(fd uintptr) {
		n, err = retried(func() (int, error) { return unix.Preadv2(int(fd), [][]byte{p}, off, unix.RWF_NOWAIT) })
	})
	switch {
	case closed != nil:
	case err == nil && n > 0:
		return n, true, nil
	case err == nil:
		return 0, true, io.EOF
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		f.memory.refused.Store(true)
	}
	return 0, false, nil
}
