package sim

import (
	"os"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A signalHandle is a signal that a program handles.
type signalHandle struct {
	handle
	sig os.Signal
}

var _ driver.Signaler = (*Driver)(nil)

// NotifySignal implements [driver.Signaler].
func (d *Driver) NotifySignal(sig os.Signal, h driver.Handler) {
	if old := d.signals[sig]; old != nil {
		_ = old.Close() // it is open
	}
	if h == nil {
		return
	}
	if d.signals == nil {
		d.signals = make(map[os.Signal]*signalHandle)
	}
	s := &signalHandle{sig: sig}
	d.signals[sig] = s
	d.add(&s.handle, s, h)
}

// Close ends the handling.
func (s *signalHandle) Close() error {
	if err := s.shut(); err != nil {
		return err
	}
	delete(s.d.signals, s.sig)
	return nil
}

// Signal sends the program a signal, and reports whether it handles that. Several that
// come before it does are one.
func (d *Driver) Signal(sig os.Signal) bool {
	s := d.signals[sig]
	if s == nil {
		return false
	}
	s.tell(driver.Readable)
	return true
}
