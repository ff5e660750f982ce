//go:build unix

package spawn

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func (a *Attributes) sysProcAttr() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if a.Sys != nil {
		*attr = *a.Sys
	}
	if a.Group {
		attr.Setpgid, attr.Pgid = true, a.GroupID
	}
	if a.Session {
		attr.Setsid = true
	}
	if a.Controls {
		attr.Setsid, attr.Setctty, attr.Ctty = true, true, a.ControlFD
	}
	if a.Terminal != nil {
		attr.Setsid, attr.Setctty, attr.Ctty = true, true, 0
	}
	if c := a.Credential; c != nil {
		attr.Credential = &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups}
	}
	if a.DeathSignal != nil {
		sig, ok := a.DeathSignal.(syscall.Signal)
		if !ok {
			return nil, fmt.Errorf("%v is no signal of this system", a.DeathSignal)
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

// ExitCode returns what Python calls the return code: for a process that a
// signal has ended, the signal's number, negative.
func ExitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return -int(w.Signal())
	}
	return s.ExitCode()
}

// Terminate asks the process to end.
func Terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
