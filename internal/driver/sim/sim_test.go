package sim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/drivertest"
	"github.com/asyncio-go/asyncio/internal/driver/sim"
	"github.com/asyncio-go/asyncio/internal/simdisk"
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

// disk is the world as a disk sees it.
type disk struct{ *world }

func (d disk) Now() time.Time                                  { return time.Unix(0, 0) }
func (d disk) Trace(op simdisk.Op, name string, digest uint64) {}

// newAlone returns a driver of a world of one machine.
func newAlone(seed uint64) alone {
	w := &world{}
	if seed > 0 {
		w.rand = rand.New(rand.NewPCG(seed, 0))
	}
	n := sim.NewNetwork(w)
	m := n.Machine("one")
	m.Disk = simdisk.New(disk{w})
	return alone{m.Boot(), n}
}

// alone is a driver that moves the time itself, when there is nothing to tell.
type alone struct {
	*sim.Driver
	net *sim.Network
}

func (d alone) Park(until time.Duration, pending func() bool) error {
	if pending() {
		return d.Poll()
	}
	if next := min(until, d.net.Next()); d.Pending() {
		// That comes first.
	} else if next < driver.Forever {
		d.net.Reach(min(next, d.net.Now()+time.Hour))
	} else {
		runtime.Gosched() // who is to wake it may need the processor
	}
	return d.Poll()
}

func (d alone) Poll() error {
	d.net.Reach(d.net.Now())
	return d.Driver.Poll()
}

// lacks are what no world has.
var lacks = map[drivertest.Need]string{
	drivertest.Descriptors: "a simulated socket is in memory: the system knows nothing of it, has no number for it and copies no files to it",
	drivertest.Foreigners:  "nothing leads into a world or out of it: a replay would not have it",
	drivertest.Goroutines:  "nobody sleeps: one goroutine has the time of a world, which does not go on by itself",
}

func TestDriver(t *testing.T) {
	for _, seed := range []uint64{0, 1, 2} {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			drivertest.Run(t, func() (driver.Driver, error) { return newAlone(seed), nil }, lacks)
		})
	}
}

var _ drivertest.Machine = alone{}

// Pipe implements [drivertest.Machine].
func (d alone) Pipe() (in, out driver.Conn, err error) {
	in, out = sim.NewPipe(d.Driver, d.Driver)
	return in, out, nil
}

// Nodes implements [drivertest.Machine].
func (d alone) Nodes() drivertest.Nodes { return d.Machine().Disk }

// Occupy implements [drivertest.Machine]: another program listens, and is killed.
func (d alone) Occupy(addr *net.UnixAddr) (leave func() error, err error) {
	other := d.Machine().Start()
	if addr.Net == "unixgram" {
		_, err = other.OpenPacket(driver.PacketSpec{Local: addr}, deaf{})
	} else {
		_, err = other.Listen(driver.ListenSpec{Addr: addr}, deaf{})
	}
	return func() error { other.Exit(); return nil }, err
}

// HasIPv6 implements [drivertest.Machine].
func (d alone) HasIPv6() error { return nil }

// OpenDescriptors implements [drivertest.Machine].
func (d alone) OpenDescriptors() (int, error) { return d.Driver.OpenDescriptors(), nil }

// LimitDescriptors implements [drivertest.Machine].
func (d alone) LimitDescriptors() (undo func() error, err error) {
	d.Descriptors = d.Driver.OpenDescriptors()
	return func() error { d.Descriptors = 0; return nil }, nil
}

// Settle implements [drivertest.Machine].
func (d alone) Settle() {
	for d.net.Next() != driver.Forever {
		d.net.Reach(d.net.Next())
	}
}

// deaf is a handler of what is never told.
type deaf struct{}

func (deaf) Ready(driver.Event) {}
