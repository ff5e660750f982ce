package portable

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/windows"
)

// canWait says that one can wait for something to read without a buffer.
const canWait = true

// readable reports whether a read would not block: between two looks the runtime
// reads no bytes, which ends when there are some.
func readable(_ uintptr, first bool) bool { return !first }

func discard(uintptr, []byte) {}

// writeOnly reports false: nobody tells before a write that a pipe has no reader.
func writeOnly(uintptr) bool { return false }

func readerGone(uintptr) bool { return true }

// setBacklog does nothing: Windows keeps the backlog of the first listen, which
// is the most it has.
func setBacklog(net.Listener, int) error { return nil }

// systemError makes an error of Windows known by the name that the other
// systems have for it, so that one test by [errors.Is] does everywhere.
func systemError(err error) error {
	if err == nil {
		return nil // what follows allocates, and most reads and writes succeed
	}
	var code syscall.Errno
	if !errors.As(err, &code) {
		return err
	}
	if also, ok := names[code]; ok {
		return &named{err, also}
	}
	return err
}

var names = map[syscall.Errno]syscall.Errno{
	windows.WSAECONNRESET:   syscall.ECONNRESET,
	windows.WSAECONNABORTED: syscall.ECONNABORTED,
	windows.WSAECONNREFUSED: syscall.ECONNREFUSED,
	windows.WSAEADDRINUSE:   syscall.EADDRINUSE,
	windows.WSAESHUTDOWN:    syscall.EPIPE,
	windows.WSAEMFILE:       syscall.EMFILE,
	windows.WSAETIMEDOUT:    syscall.ETIMEDOUT,
	windows.WSAENETUNREACH:  syscall.ENETUNREACH,
	windows.WSAEHOSTUNREACH: syscall.EHOSTUNREACH,
}

// named is an error with a second name.
type named struct {
	err  error
	also syscall.Errno
}

func (e *named) Error() string        { return e.err.Error() }
func (e *named) Unwrap() error        { return e.err }
func (e *named) Is(target error) bool { return target == e.also }
