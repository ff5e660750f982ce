package asyncio

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal: this side's end of it takes the place of
// the pipe for standard output, and the process's is the result.
func (s *started) openTerminal(columns, rows int) (*os.File, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	s.pipes[1] = master
	raw, err := master.SyscallConn()
	if err != nil {
		return nil, err
	}
	number := 0
	cerr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err != nil {
			return
		}
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	})
	if cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, os.NewSyscallError("ioctl", err)
	}
	if err := setTerminalSize(raw, columns, rows); err != nil {
		return nil, err
	}
	return os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
}

func setTerminalSize(raw syscall.RawConn, columns, rows int) error {
	if columns < 0 || columns > math.MaxUint16 || rows < 0 || rows > math.MaxUint16 {
		return fmt.Errorf("%d columns and %d rows: %w", columns, rows, fs.ErrInvalid)
	}
	var err error
	cerr := raw.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	})
	if cerr != nil {
		return cerr
	}
	return os.NewSyscallError("ioctl", err)
}
