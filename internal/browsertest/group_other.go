//go:build !unix

package browsertest

import "os/exec"

func startOfGroup(*exec.Cmd) {}

func endGroup(c *exec.Cmd) { _ = c.Process.Kill() }
