package sim

import "os"

// ignored reports whether a signal does nothing by default.
func ignored(os.Signal) bool { return false }
