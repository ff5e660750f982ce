//go:build linux

package epoll_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/drivertest"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
)

func TestDatagramsGoEachWayThatIsLeft(t *testing.T) {
	for _, off := range []string{"mmsg=0", "gso=0", "gro=0", "gso=0,gro=0"} {
		t.Run(off, func(t *testing.T) {
			t.Setenv(epoll.PathsVariable, off)
			drivertest.RunPackets(t, func() (driver.Driver, error) { return epoll.New() })
		})
	}
}

func TestAWayOfDatagramsThatIsNoneIsAnError(t *testing.T) {
	for _, asked := range []string{"mmsg=1", "gso=0,gor=0", "off"} {
		t.Setenv(epoll.PathsVariable, asked)
		if d, err := epoll.New(); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%s: %v, %v", asked, d, err)
		}
	}
}

// packetPair is a socket that is read, and one that sends to it.
func packetPair(t *testing.T, control driver.Control) (in, out driver.PacketBatcher) {
	t.Helper()
	d, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	open := func(spec driver.PacketSpec) driver.PacketBatcher {
		c, err := d.OpenPacket(spec, nobody{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.(driver.PacketBatcher)
	}
	in = open(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}})
	return in, open(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, Control: control})
}

// move sends n datagrams of a length together, and reads what comes.
func move(t *testing.T, in, out driver.PacketBatcher, n, size int) {
	t.Helper()
	ds := make([]driver.Datagram, n)
	for i := range ds {
		ds[i] = driver.Datagram{Data: make([]byte, size), Addr: in.LocalAddr()}
		ds[i].Data[0] = byte(i)
	}
	if sent, err := out.WriteBatch(ds); sent != n || err != nil {
		t.Fatalf("sent %d of %d, %v", sent, n, err)
	}
	for got := 0; got < n; {
		b := nextBatch(t, in)
		for _, d := range b.Datagrams {
			if len(d.Data) != size || d.Data[0] != byte(got) {
				t.Fatalf("the datagram %d of %d bytes came in the place of %d", d.Data[0], len(d.Data), got)
			}
			got++
		}
		b.Release()
	}
	if b, err := in.ReadBatch(); err != driver.ErrWouldBlock {
		t.Fatalf("more came: %v, %v", b, err)
	}
}

// nextBatch waits for datagrams.
func nextBatch(t *testing.T, in driver.PacketBatcher) *driver.Batch {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		b, err := in.ReadBatch()
		if err == nil {
			return b
		}
		if err != driver.ErrWouldBlock || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestTheKernelIsAskedToJoinWhatASocketThatIsBusyReceives(t *testing.T) {
	for _, c := range []struct {
		off           string
		batches, want int
	}{{"", 3, 0}, {"", 8, 1}, {"gro=0", 8, 0}} {
		t.Setenv(epoll.PathsVariable, c.off)
		in, out := packetPair(t, nil)
		for range c.batches {
			move(t, in, out, 16, 100)
		}
		for range 20 { // one by one, as they mostly come
			move(t, in, out, 1, 100)
		}
		got := option(t, in, unix.IPPROTO_UDP, unix.UDP_GRO)
		if got != c.want {
			t.Errorf("%q: after %d full batches the option is %d", c.off, c.batches, got)
		}
		move(t, in, out, 200, 64)
		move(t, in, out, 60, 1400)
	}
}

// A kernel that cuts datagrams for one socket may refuse it for another. A socket
// that makes no checksums is one that it refuses.
func TestDatagramsThatTheKernelDoesNotCutAreSentOneByOne(t *testing.T) {
	in, out := packetPair(t, func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) })
		return errors.Join(cerr, err)
	})
	for range 2 {
		move(t, in, out, 20, 100)
		move(t, in, out, 20, 1)
		move(t, in, out, 20, 1000)
	}
}

// Who has the kernel cut all that he sends means something else by one datagram.
func TestASocketThatCutsForItsUserIsLeftAlone(t *testing.T) {
	in, out := packetPair(t, func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 10) })
		return errors.Join(cerr, err)
	})
	ds := []driver.Datagram{{Data: make([]byte, 20), Addr: in.LocalAddr()}, {Data: make([]byte, 20), Addr: in.LocalAddr()}}
	if n, err := out.WriteBatch(ds); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	var got []int
	for len(got) < 4 {
		b := nextBatch(t, in)
		for _, d := range b.Datagrams {
			got = append(got, len(d.Data))
		}
		b.Release()
	}
	if !slices.Equal(got, []int{10, 10, 10, 10}) {
		t.Errorf("datagrams of %v bytes came", got)
	}
}

func TestASocketThatIsTakenOverIsNotMadeToJoin(t *testing.T) {
	d, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.FromPacket(pc, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, out := packetPair(t, nil)
	in := c.(driver.PacketBatcher)
	for range 8 {
		move(t, in, out, 16, 100)
	}
	if option(t, in, unix.IPPROTO_UDP, unix.UDP_GRO) != 0 {
		t.Error("the option is set on a socket that others may read")
	}
}

// A connected socket learns in the midst of a batch that nobody hears it, if the answer
// to one datagram is there before the next is sent. It often is, on one machine.
func TestARefusalInTheMidstOfABatchIsNotLost(t *testing.T) {
	d, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	gone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.OpenPacket(driver.PacketSpec{Remote: gone.LocalAddr()}, nobody{})
	_ = gone.Close() // later it could have had the same port
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ds := make([]driver.Datagram, 10)
	for i := range ds {
		ds[i].Data = make([]byte, 1+i) // which cannot be one message
	}
	oneByOne := false
	for range 50 {
		for _, d := range ds {
			_, err := c.WriteTo(d.Data, nil)
			oneByOne = oneByOne || errors.Is(err, syscall.ECONNREFUSED)
		}
		_, _, _ = c.ReadFrom(make([]byte, 1)) // what is still to be told
		if n, err := c.(driver.PacketBatcher).WriteBatch(ds); n > 0 && errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		_, _, _ = c.ReadFrom(make([]byte, 1))
	}
	if !oneByOne {
		t.Skip("no refusal came in time")
	}
	t.Error("no batch was told of a refusal")
}
