// Package drivertest has the tests that every driver must pass. Both ends of
// most connections are on the driver under test, and on one goroutine, so that
// nothing is left to chance but what the system does.
package drivertest

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// New makes the driver under test.
type New = func() (driver.Driver, error)

// A Need is what a test needs that not every driver's machine has.
type Need string

// What tests may need.
const (
	Descriptors Need = "descriptors"      // sockets have descriptors of the system
	Foreigners  Need = "foreign sockets"  // package net's sockets reach the driver's, and can become its own
	Goroutines  Need = "other goroutines" // the clock goes on while other goroutines get ready to wake the driver
)

// Run runs all tests. Those that need something of which lacks has a reason why it is not
// there are skipped with that.
func Run(t *testing.T, newDriver New, lacks map[Need]string) { run(t, newDriver, "", lacks) }

// RunPackets runs the tests of datagrams.
func RunPackets(t *testing.T, newDriver New) { run(t, newDriver, "Packet", nil) }

// run runs the tests whose names begin so.
func run(t *testing.T, newDriver New, prefix string, lacks map[Need]string) {
	tests := []struct {
		name  string
		test  func(*rig)
		needs Need
	}{
		{"EchoOverTCP", testEchoTCP, ""},
		{"EchoOverIPv6", testEchoIPv6, ""},
		{"EchoOverUnix", testEchoUnix, ""},
		{"EchoWithGoPeer", testGoPeer, Foreigners},
		{"BigTransfersBothWaysWithBackpressure", testBigTransfers, ""},
		{"WriterStopsWhenNobodyReads", testBackpressureBounds, ""},
		{"WritevKeepsOrder", testWritev, ""},
		{"EmptyReadAndWriteDoNothing", testEmpty, ""},
		{"HalfClose", testHalfClose, ""},
		{"CloseWriteTwiceDoesNothing", testCloseWriteTwice, ""},
		{"WriteAfterCloseWriteFails", testWriteAfterCloseWrite, ""},
		{"EOFComesAfterData", testEOFAfterData, ""},
		{"CloseSendsWhatWriteHasTaken", testCloseFlushes, ""},
		{"CloseAfterDiscardSendsWhatWriteHasTaken", testDiscard, ""},
		{"ResetReachesPeer", testReset, ""},
		{"ResetWhileWriting", testResetWhileWriting, ""},
		{"EventAfterShortRead", testShortRead, ""},
		{"EventAfterConnectedIsWritable", testConnectedEvent, ""},
		{"RandomTransfersKeepBytes", testRandomTransfers, ""},

		{"ConnectRefused", testRefused, ""},
		{"ConnectUnixRefused", testUnixRefused, ""},
		{"ConnectFromLocalAddress", testLocalAddress, ""},
		{"ConnectToAllAddresses", testConnectToAll, ""},
		{"ConnectBadAddress", testBadAddress, ""},
		{"CloseWhileConnecting", testCloseConnecting, ""},
		{"ControlIsCalled", testControl, ""},
		{"ControlErrorIsReported", testControlError, ""},
		{"SyscallConn", testSyscallConn, Descriptors},

		{"AcceptMany", testAcceptMany, ""},
		{"PeerOfAcceptedIsKnownWhenItHasGone", testPeerAddress, ""},
		{"AcceptAtDescriptorLimit", testAcceptAtLimit, ""},
		{"ListenOnUsedAddress", testUsedAddress, ""},
		{"ListenV6Only", testV6Only, ""},
		{"ListenReusePort", testReusePort, ""},
		{"ListenWithBacklog", testBacklog, ""},
		{"UnixNodeIsRemoved", testUnixNode, ""},
		{"DeadUnixNodeIsReplaced", testDeadUnixNode, ""},
		{"CloseListenerRefusesPeers", testCloseListener, ""},

		{"ExistingConnsAndListenersAreTakenOver", testTakeOver, Foreigners},
		{"SendFile", testSendFile, Descriptors},

		{"Pipe", testPipe, ""},
		{"PipeCloseSendsWhatWriteHasTaken", testPipeCloseFlushes, ""},
		{"PipeCloseWriteEndsIt", testPipeCloseWrite, ""},
		{"PipeWithoutReaderBreaks", testPipeWithoutReader, ""},
		{"PipeWriterLearnsOfItsReadersEnd", testPipeReaderGone, ""},
		{"PipeIsClosedWhileReading", testClosePipeWhileReading, ""},
		{"RegularFileIsRefused", testRegularFile, ""},

		{"PacketsOverUDP", testPacketUDP, ""},
		{"PacketsOverIPv6", testPacketUDP6, ""},
		{"PacketsOverUnix", testPacketUnix, ""},
		{"PacketsOfBothFamilies", testPacketBothFamilies, ""},
		{"PacketIsCutToTheBuffer", testPacketIsCut, ""},
		{"PacketTooLongIsAnError", testPacketTooLong, ""},
		{"PacketToNobodyIsRefused", testPacketRefused, ""},
		{"PacketsWaitForRoom", testPacketNoRoom, ""},
		{"PacketBroadcast", testPacketBroadcast, ""},
		{"PacketSocketsShareAnAddress", testPacketReuse, ""},
		{"PacketUnixNodeIsReplacedAndRemoved", testPacketUnixNode, ""},
		{"PacketUnixErrors", testPacketUnixErrors, ""},
		{"PacketBadAddress", testPacketBadAddress, ""},
		{"PacketControlIsCalled", testPacketControl, ""},
		{"PacketSocketIsTakenOver", testPacketTakeOver, Foreigners},
		{"PacketSocketIsClosed", testPacketClose, ""},
		{"PacketBatchesKeepOrderAndBounds", testPacketBatchOrder, ""},
		{"PacketBatchesOfAConnectedPair", testPacketBatchConnected, ""},
		{"PacketBatchErrorIsThatOfOne", testPacketBatchErrors, ""},
		{"PacketBatchToNobodyIsRefused", testPacketBatchRefused, ""},
		{"PacketBatchIsFollowedByEvents", testPacketBatchEvents, ""},

		{"WatchReportsWhileItLasts", testWatch, Descriptors},
		{"WatchTwoDirections", testWatchTwoDirections, Descriptors},
		{"WatchRefusesWhatItCannot", testWatchRefuses, Descriptors},
		{"WatchOfAReusedNumber", testWatchReuse, Descriptors},

		{"UseAfterCloseFails", testUseAfterClose, ""},
		{"NoEventAfterCloseWhilePending", testCloseWhilePending, ""},
		{"DescriptorReuseGetsNoOldEvents", testReuse, ""},
		{"NoDescriptorIsLeaked", testNoLeak, ""},

		{"ClockNeverGoesBack", testClock, ""},
		{"ParkEndsAtDeadline", testParkDeadline, ""},
		{"ParkAsksPending", testParkPending, ""},
		{"WakeEndsPark", testWake, ""},
		{"NoWakeIsLost", testWakesNotLost, Goroutines},
		{"WakesAndEventsTogether", testWakesAndEvents, Goroutines},
		{"WakeAfterClose", testWakeAfterClose, ""},
	}
	for _, test := range tests {
		if !strings.HasPrefix(test.name, prefix) {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			if reason, lacking := lacks[test.needs]; lacking {
				t.Skipf("%s: %s", test.needs, reason)
			}
			d, err := newDriver()
			if err != nil {
				t.Fatal(err)
			}
			r := newRig(t, d)
			r.lacks = lacks
			t.Cleanup(r.close)
			test.test(r)
		})
	}
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// rig is a driver under test, and the handles to close after it.
type rig struct {
	testing.TB
	d       driver.Driver
	machine Machine
	lacks   map[Need]string
	ends    []io.Closer
	ended   bool
}

func newRig(t testing.TB, d driver.Driver) *rig {
	r := &rig{TB: t, d: d, machine: thisMachine{d}}
	if own, ok := d.(Machine); ok {
		r.machine = own
	}
	return r
}

func (r *rig) close() {
	if r.ended {
		return
	}
	r.ended = true
	for _, e := range r.ends {
		_ = e.Close()
	}
	r.must(r.d.Close())
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func never() bool { return false }

// until parks until ok.
func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	for end := r.d.Now() + patience; !ok(); {
		if r.d.Now() > end {
			r.Fatalf("waited in vain for %s", what)
		}
		r.must(r.d.Park(end, never))
	}
}

// notes is a handler that takes note.
type notes struct {
	r      *rig
	seen   driver.Event
	closed bool
}

func (n *notes) Ready(e driver.Event) {
	if e == 0 {
		n.r.Error("an event that says nothing")
	}
	if n.closed {
		n.r.Errorf("event %b after Close", e)
	}
	n.seen |= e
}

// end is one end of a connection.
type end struct {
	notes
	driver.Conn
}

func (r *rig) newEnd() *end {
	e := &end{notes: notes{r: r}}
	r.ends = append(r.ends, e)
	return e
}

// Close implements [io.Closer]. Closing again does nothing.
func (e *end) Close() error {
	if e.closed || e.Conn == nil {
		return nil
	}
	e.closed = true
	return e.Conn.Close()
}

// await parks until one of the events has come.
func (e *end) await(what driver.Event) {
	e.r.Helper()
	e.r.until("an event of a connection", func() bool { return e.seen&what != 0 })
}

// read reads, and waits for an event when there is nothing.
func (e *end) read(p []byte) (int, error) {
	e.r.Helper()
	for {
		e.seen &^= driver.Readable | driver.Hangup
		n, err := e.Read(p)
		if n > 0 && err != nil {
			e.r.Fatalf("read %d bytes and the error %v", n, err)
		}
		if !errors.Is(err, driver.ErrWouldBlock) {
			return n, err
		}
		e.await(driver.Readable | driver.Hangup)
	}
}

// readAll reads to the end of the stream, or to an error.
func (e *end) readAll() ([]byte, error) {
	e.r.Helper()
	var all []byte
	p := make([]byte, 32<<10)
	for {
		n, err := e.read(p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// readFull reads len(p) bytes.
func (e *end) readFull(p []byte) {
	e.r.Helper()
	for len(p) > 0 {
		n, err := e.read(p)
		e.r.must(err)
		p = p[n:]
	}
}

// write writes all of p, and waits for an event when there is no room.
func (e *end) write(p []byte) {
	e.r.Helper()
	e.r.must(e.tryWrite(p))
}

func (e *end) tryWrite(p []byte) error {
	e.r.Helper()
	for {
		e.seen &^= driver.Writable
		n, err := e.Write(p)
		if err != nil && !errors.Is(err, driver.ErrWouldBlock) {
			return err
		}
		p = p[n:]
		if len(p) == 0 {
			return nil
		}
		if err == nil && n == 0 {
			e.r.Fatal("wrote nothing, without an error")
		}
		e.await(driver.Writable)
	}
}

// shuts waits until the peer's half has ended, without data.
func (e *end) wantEOF() {
	e.r.Helper()
	if n, err := e.read(make([]byte, 1)); err != io.EOF {
		e.r.Fatalf("read %d bytes and %v, wanted EOF", n, err)
	}
}

// host is a listener.
type host struct {
	notes
	driver.Listener
}

// Close implements [io.Closer]. Closing again does nothing.
func (h *host) Close() error {
	if h.closed {
		return nil
	}
	h.closed = true
	return h.Listener.Close()
}

func (r *rig) listen(spec driver.ListenSpec) *host {
	r.Helper()
	h, err := r.tryListen(spec)
	r.must(err)
	return h
}

func (r *rig) tryListen(spec driver.ListenSpec) (*host, error) {
	h := &host{notes: notes{r: r}}
	ln, err := r.d.Listen(spec, h)
	if err != nil {
		return nil, err
	}
	h.Listener = ln
	r.ends = append(r.ends, h)
	return h, nil
}

// accept waits for a connection.
func (h *host) accept() *end {
	h.r.Helper()
	for {
		h.seen = 0
		c, err := h.Accept()
		if err == nil {
			e := h.r.newEnd()
			e.Conn = c
			h.r.must(c.Start(e))
			return e
		}
		if !errors.Is(err, driver.ErrWouldBlock) {
			h.r.Fatal(err)
		}
		h.r.until("a connection to accept", func() bool { return h.seen&driver.Readable != 0 })
	}
}

// dial begins to connect.
func (r *rig) dial(spec driver.DialSpec) *end {
	r.Helper()
	e := r.newEnd()
	c, err := r.d.Dial(spec, e)
	r.must(err)
	e.Conn = c
	return e
}

// connected waits until a connection is made.
func (e *end) connected() *end {
	e.r.Helper()
	e.r.must(e.connectError())
	return e
}

func (e *end) connectError() error {
	e.r.Helper()
	for {
		e.await(driver.Writable)
		err := e.ConnectError()
		if !errors.Is(err, driver.ErrWouldBlock) {
			return err
		}
		e.seen &^= driver.Writable
	}
}

// dialError returns the error of a connection that cannot be made. A driver may
// know of it at once.
func (r *rig) dialError(spec driver.DialSpec) error {
	r.Helper()
	e := r.newEnd()
	c, err := r.d.Dial(spec, e)
	if err != nil {
		return err
	}
	e.Conn = c
	return e.connectError()
}

// pair connects two ends at addr.
func (r *rig) pair(addr net.Addr) (client, server *end) {
	r.Helper()
	h := r.listen(driver.ListenSpec{Addr: addr})
	client = r.dial(driver.DialSpec{Remote: h.Addr()})
	server = h.accept()
	client.connected()
	r.must(h.Close())
	return client, server
}

// loopback is any port of this machine.
func loopback() *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// loopback6 is the same by IPv6.
func (r *rig) loopback6() *net.TCPAddr {
	r.Helper()
	if err := r.machine.HasIPv6(); err != nil {
		r.Skip("no IPv6 here: ", err)
	}
	return &net.TCPAddr{IP: net.IPv6loopback}
}

// unixAddr is a name for a unix socket that nobody has.
func (r *rig) unixAddr() *net.UnixAddr {
	r.Helper()
	nodes := r.machine.Nodes()
	dir, err := nodes.MkdirTemp("", "drv") // T's own may be too long a name
	r.must(err)
	r.Cleanup(func() { _ = nodes.RemoveAll(dir) })
	return &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "s")}
}

// openDescriptors counts them, where that can be done.
func (r *rig) openDescriptors() int {
	r.Helper()
	n, err := r.machine.OpenDescriptors()
	if err != nil {
		r.Skip(err)
	}
	return n
}

// pattern is n bytes that show when some are lost or out of order.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(n) | 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}
