package asyncfile

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// lockPause is how long a task waits before it asks again for a lock that another has: at
// first, and at most. Nobody tells when a lock is let go of, and a thread that waits for
// one cannot be called back.
const lockPause, longestLockPause = time.Millisecond, 50 * time.Millisecond

// Lock takes an advisory lock of the whole file for this open file alone, and waits while
// others, of this process or another, have one: flock(2), and LockFileEx on Windows. It
// ends with Unlock, or when the file is closed. Where the system has none it returns
// [errors.ErrUnsupported]. Python: fcntl.flock.
func (f *File) Lock(ctx context.Context) error { return f.lock(ctx, true) }

// RLock is Lock for a lock that several can have together, while nobody has that of Lock.
func (f *File) RLock(ctx context.Context) error { return f.lock(ctx, false) }

// TryLock is Lock without a wait for others. It reports whether it has the lock.
func (f *File) TryLock(ctx context.Context) (bool, error) { return f.tryLock(ctx, true) }

// TryRLock is RLock without a wait for others. It reports whether it has the lock.
func (f *File) TryRLock(ctx context.Context) (bool, error) { return f.tryLock(ctx, false) }

// Unlock lets go of the lock, also where the wait is cut off or ctx has ended.
func (f *File) Unlock(ctx context.Context) error {
	return always(ctx, func() error { return f.lockError("unlock", f.unlockNow()) })
}

func (f *File) lock(ctx context.Context, exclusive bool) error {
	for pause := lockPause; ; pause = min(2*pause, longestLockPause) {
		ok, err := f.tryLock(ctx, exclusive)
		if ok || err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (f *File) tryLock(ctx context.Context, exclusive bool) (bool, error) {
	return callOn(ctx, f, func() (bool, error) {
		ok, err := f.lockNow(exclusive)
		return ok, f.lockError("lock", err)
	}, func(ok bool) {
		if ok {
			_ = f.unlockNow()
		}
	})
}

// lockNow takes the lock, or reports that it cannot.
func (f *File) lockNow(exclusive bool) (ok bool, err error) {
	if l, own := f.file.(driver.LockedFile); own {
		return l.TryLock(exclusive)
	}
	err = f.withFd(func(fd uintptr) (err error) {
		ok, err = lockFd(fd, exclusive)
		return err
	})
	return ok, err
}

func (f *File) unlockNow() error {
	if l, own := f.file.(driver.LockedFile); own {
		return l.Unlock()
	}
	return f.withFd(unlockFd)
}

func (f *File) lockError(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", op, f.Name(), err)
}

// withFd calls do with the file's descriptor, while it cannot be closed.
func (f *File) withFd(do func(fd uintptr) error) error {
	o, ok := f.file.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	c, err := o.SyscallConn()
	if err != nil {
		return err
	}
	var doErr error
	if err := c.Control(func(fd uintptr) { doErr = do(fd) }); err != nil {
		return err
	}
	return doErr
}
