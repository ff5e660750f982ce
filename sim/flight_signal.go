package sim

import (
	"os"
	"os/signal"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// signalsAtOnce is how many signals of one kind may come while nobody takes them.
const signalsAtOnce = 64

// A flightSignal is a signal that the loop of a [flight] handles.
type flightSignal struct {
	told told
	sig  os.Signal
	come chan os.Signal // nil: it is played back
}

// NotifySignal implements [driver.Signaler].
func (d *flight) NotifySignal(sig os.Signal, h driver.Handler) {
	d.signals[sig].stop()
	delete(d.signals, sig)
	if h == nil {
		return // no entry: a loop that is closed does so in any order
	}
	s := &flightSignal{sig: sig}
	d.ids++
	s.told.begin(d, d.ids, h)
	if d.signals == nil {
		d.signals = make(map[os.Signal]*flightSignal)
	}
	d.signals[sig] = s
	d.do(opNotify, d.ids, signalNumber(sig), func(*entry) {
		s.come = make(chan os.Signal, signalsAtOnce)
		signal.Notify(s.come, sig)
		go s.forward()
	})
}

// forward lets the loop's goroutine know of each signal.
func (s *flightSignal) forward() {
	d := s.told.d
	for range s.come {
		d.arrive(func() {
			if d.signals[s.sig] == s {
				s.told.Ready(driver.Readable)
			}
		})
	}
}

// stop ends the handling.
func (s *flightSignal) stop() {
	if s == nil {
		return
	}
	s.told.end()
	if s.come != nil {
		signal.Stop(s.come)
		close(s.come) // nothing is sent after Stop
	}
}
