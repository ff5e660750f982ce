package asyncfile

import "golang.org/x/sys/windows"

func lockFd(fd uintptr, exclusive bool) (bool, error) {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(fd), flags, 0, ^uint32(0), ^uint32(0), new(windows.Overlapped))
	if err == windows.ERROR_LOCK_VIOLATION {
		return false, nil
	}
	return err == nil, err
}

func unlockFd(fd uintptr) error {
	return windows.UnlockFileEx(windows.Handle(fd), 0, ^uint32(0), ^uint32(0), new(windows.Overlapped))
}
