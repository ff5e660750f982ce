//go:build linux || freebsd

package spawn

import "syscall"

func setDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) error {
	attr.Pdeathsig = sig
	return nil
}

func diesWithThread(attr *syscall.SysProcAttr) bool { return attr.Pdeathsig != 0 }
