package sim

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A Disk is the files of a [Machine]. They outlive its crashes.
type Disk interface {
	driver.FileSystem
	// FileLatency is as that of driver.Filer.
	FileLatency() (before, after time.Duration)
}

var _ driver.Filer = (*Driver)(nil)

// Files implements [driver.Filer].
func (d *Driver) Files() driver.FileSystem {
	if d.machine.Disk == nil {
		return nil
	}
	return d.machine.Disk
}

// FileLatency implements [driver.Filer].
func (d *Driver) FileLatency() (before, after time.Duration) {
	if d.machine.Disk == nil {
		return 0, 0
	}
	return d.machine.Disk.FileLatency()
}
