//go:build unix

package main

import (
	"runtime"
	"syscall"
)

// peakMemory returns the most memory that this process has had, in bytes.
func peakMemory() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(r.Maxrss) // bytes there, kilobytes elsewhere
	}
	return int64(r.Maxrss) << 10
}
