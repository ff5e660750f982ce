//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var errMemory = errors.New("it took too much memory")

// runGroup runs a command in a process group of its own, and ends the whole group
// with it: a mutant may leave children. One that takes too much memory is killed;
// where that cannot be told, nothing is.
func runGroup(c *exec.Cmd) error {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 2 * time.Second
	if err := c.Start(); err != nil {
		return err
	}
	defer syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	done, watched := make(chan struct{}), make(chan bool)
	go func() {
		greedy := false
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				watched <- greedy
				return
			case <-tick.C:
				if int64(memory(c.Process.Pid)) > mostBytes && !greedy {
					greedy = true
					syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
				}
			}
		}
	}()
	err := c.Wait()
	close(done)
	if <-watched {
		return errMemory
	}
	return err
}

// memory returns how many bytes a process has in memory, as Linux tells.
func memory(pid int) int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	if f := strings.Fields(string(b)); len(f) > 1 {
		n, _ := strconv.Atoi(f[1])
		return n * os.Getpagesize()
	}
	return 0
}
