//go:build !windows

package cli

import "os"

// allowEscapes reports whether a terminal takes the escapes that move its cursor.
func allowEscapes(*os.File) bool { return os.Getenv("TERM") != "dumb" }
