package cli

import (
	"os"

	"golang.org/x/sys/windows"
)

// allowEscapes makes a console take the escapes that move its cursor, and
// reports whether it does.
func allowEscapes(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
