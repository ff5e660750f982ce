//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuOfSelf is the processor time of this process, cpuOfChildren that of the
// processes that it has waited for.
func cpuOfSelf() time.Duration     { return cpu(syscall.RUSAGE_SELF) }
func cpuOfChildren() time.Duration { return cpu(syscall.RUSAGE_CHILDREN) }

func cpu(who int) time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(who, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
