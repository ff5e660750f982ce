//go:build !unix

package main

import (
	"errors"
	"os/exec"
	"time"
)

var errMemory = errors.New("it took too much memory")

func runGroup(c *exec.Cmd) error {
	c.WaitDelay = 2 * time.Second
	return c.Run()
}
