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
	// MakeSocket makes the node of a unix socket, and returns what tells it from all
	// others, also under another name. Its errors are those of bind(2).
	MakeSocket(name string) (node any, err error)
	// FindSocket returns the node of a unix socket by its name. Its errors are those of
	// connect(2).
	FindSocket(name string) (node any, err error)
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
