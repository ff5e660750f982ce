package sim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/drivertest"
	"github.com/asyncio-go/asyncio/internal/driver/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOut = errors.New("out of the world")

// world is one without loops: what is parked for comes at once.
type world struct {
	rand  *rand.Rand // nil: all choices are tame
	lines []string
}

func (w *world) Pick(n int) int {
	if w.rand == nil {
		return 0
	}
	return w.rand.IntN(n)
}

func (w *world) Chance(p float64) bool { return w.rand != nil && w.rand.Float64() < p }

func (w *world) Trace(k sim.Kind, host uint8, a, b uint64) {
	w.lines = append(w.lines, fmt.Sprint(k, " ", host, " ", a, " ", b))
}

func (w *world) Escape(what string) error { return fmt.Errorf("%w: %s", errOut, what) }

func (w *world) Lookup(*sim.Machine, string, string) ([]netip.Addr, time.Duration, error) {
	return nil, 0, errOut
}

func (w *world) Submit(*sim.Driver, context.Context, func(context.Context)) error { return errOut }

func (w *world) StartProcess(*sim.Driver, *driver.ProcessSpec) (driver.Process, error) {
	return nil, errOut
}

func (w *world) RunWorker(*sim.Driver, any, int, func(), func(bool)) {}

// alone is a driver that moves the time itself, when there is nothing to tell.
type alone struct {
	*sim.Driver
	net *sim.Network
}

func (d alone) Park(until time.Duration, pending func() bool) error {
	if pending() {
		return d.Poll()
	}
	if !d.Pending() {
		d.net.Reach(min(until, d.net.Next(), d.net.Now()+time.Hour))
	}
	return d.Poll()
}

func (d alone) Poll() error {
	d.net.Reach(d.net.Now())
	return d.Driver.Poll()
}

// foreign are the tests of what a network in memory has not: peers outside of it,
// descriptors, nodes in the file system, and other goroutines.
var foreign = []string{
	"EchoWithGoPeer", "ConnectUnixRefused", "ControlIsCalled", "SyscallConn", "AcceptAtDescriptorLimit",
	"UnixNodeIsRemoved", "DeadUnixNodeIsReplaced", "ExistingConnsAndListenersAreTakenOver", "SendFile",
	"Pipe", "PipeCloseSendsWhatWriteHasTaken", "PipeCloseWriteEndsIt", "PipeWithoutReaderBreaks",
	"PipeWriterLearnsOfItsReadersEnd", "PipeIsClosedWhileReading", "RegularFileIsRefused",
	"PacketsOverUnix", "PacketsWaitForRoom", "PacketUnixNodeIsReplacedAndRemoved", "PacketControlIsCalled",
	"PacketSocketIsTakenOver",
	"WatchReportsWhileItLasts", "WatchTwoDirections", "WatchRefusesWhatItCannot", "WatchOfAReusedNumber",
	"NoWakeIsLost", "WakesAndEventsTogether",
	"ConnectFromLocalAddress", // it finds a free port on the real machine
}

func TestDriver(t *testing.T) {
	for _, seed := range []uint64{0, 1, 2} {
		except := foreign
		if seed > 0 { // a write may come in pieces, of which one is under way when the rest is discarded
			except = append(slices.Clone(foreign), "CloseAfterDiscardSendsWhatWriteHasTaken")
		}
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			drivertest.Run(t, func() (driver.Driver, error) {
				w := &world{}
				if seed > 0 {
					w.rand = rand.New(rand.NewPCG(seed, 0))
				}
				n := sim.NewNetwork(w)
				return alone{n.Machine("one").Boot(), n}, nil
			}, except...)
		})
	}
}
