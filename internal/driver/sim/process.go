package sim

import (
	"context"

	"github.com/asyncio-go/asyncio/internal/driver"
)

var (
	_ driver.Starter    = (*Driver)(nil)
	_ driver.WorkerHost = (*Driver)(nil)
)

// StartProcess implements [driver.Starter].
func (d *Driver) StartProcess(s *driver.ProcessSpec) (driver.Process, error) {
	return d.net.world.StartProcess(d, s)
}

// RunWorker implements [driver.WorkerHost].
func (d *Driver) RunWorker(_ context.Context, pool any, most int, call func(), end func(died bool)) {
	d.net.world.RunWorker(d, pool, most, call, end)
}

// A Notice tells a program of one thing.
type Notice struct{ handle }

// NewNotice returns a notice that tells h.
func (d *Driver) NewNotice(h driver.Handler) *Notice {
	n := new(Notice)
	d.add(&n.handle, n, h)
	return n
}

// Tell tells it, by a Readable event.
func (n *Notice) Tell() { n.tell(driver.Readable) }

// Close ends the notice.
func (n *Notice) Close() error { return n.shut() }
