//go:build linux || freebsd

package asyncio

import "syscall"

func setDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) error {
	attr.Pdeathsig = sig
	return nil
}

// diesWithParent says whether the process ends with the thread that starts it.
func diesWithParent(attr *syscall.SysProcAttr) bool { return attr.Pdeathsig != 0 }
