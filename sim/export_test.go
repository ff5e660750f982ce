package sim

import "io"

// Complaints sets where the watchdog writes.
func Complaints(w io.Writer) Option { return option(func(c *config) { c.complaints = w }) }
