//go:build !linux

package spawn

import "os"

func blockingPipe() (r, w *os.File, err error) { return os.Pipe() }
