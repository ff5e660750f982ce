//go:build unix

package browsertest

import (
	"os/exec"
	"syscall"
)

// startOfGroup lets a browser and its many processes end together.
func startOfGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func endGroup(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
