//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpu returns what the process has used up.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
