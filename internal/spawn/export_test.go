package spawn

import "syscall"

// Attr returns what a starter asks of the system.
func Attr(s *Starter) *syscall.SysProcAttr { return s.attr }
