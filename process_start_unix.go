//go:build unix

package asyncio

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/unix"
)

// sysProcAttr gives the attributes to start with.
func (o *processOptions) sysProcAttr() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if o.sys != nil {
		*attr = *o.sys
	}
	if o.group {
		attr.Setpgid, attr.Pgid = true, o.groupID
	}
	if o.session {
		attr.Setsid = true
	}
	if o.controls {
		attr.Setsid, attr.Setctty, attr.Ctty = true, true, o.controlFD
	}
	if o.terminal.is {
		attr.Setsid, attr.Setctty, attr.Ctty = true, true, 0
	}
	if c := o.credential; c != nil {
		attr.Credential = &syscall.Credential{Uid: c.uid, Gid: c.gid, Groups: c.groups}
	}
	if o.deathSig != nil {
		sig, ok := o.deathSig.(syscall.Signal)
		if !ok {
			return nil, fmt.Errorf("%v is no signal of this system", o.deathSig)
		}
		if err := setDeathSignal(attr, sig); err != nil {
			return nil, err
		}
	}
	return attr, nil
}

func shellCommand(line string, _ *syscall.SysProcAttr) *exec.Cmd {
	return exec.Command("/bin/sh", "-c", line)
}

// exitCode gives what Python calls the return code: for a process that a
// signal has ended, the signal's number, negative.
func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return -int(w.Signal())
	}
	return s.ExitCode()
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// readerGone says whether nobody is left who could read from the pipe. An
// event alone does not say so for sure.
func readerGone(conn driver.Conn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return gone
}

func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
