package portable

import (
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// failingPackets is a datagram socket of others that fails in both directions.
type failingPackets struct {
	net.PacketConn
	read, write error
}

func (f failingPackets) ReadFrom([]byte) (int, net.Addr, error) {
	return 3, &net.UDPAddr{}, &net.OpError{Op: "read", Err: f.read}
}

func (f failingPackets) WriteTo([]byte, net.Addr) (int, error) {
	return 0, &net.OpError{Op: "write", Err: f.write}
}

// seen is a handler that takes note.
type seen struct{ what driver.Event }

func (s *seen) Ready(e driver.Event) { s.what |= e }

// await parks until the handler was told of what, and returns all that it was told.
func (s *seen) await(t *testing.T, d *Driver, what driver.Event) (all driver.Event) {
	t.Helper()
	for limit := d.Now() + 20*time.Second; s.what&what == 0; {
		if err := d.Park(limit, func() bool { return false }); err != nil || d.Now() > limit {
			t.Fatal("waited in vain", err)
		}
	}
	all, s.what = s.what, 0
	return all
}

func TestTheErrorsOfDatagramsAreTheSystemsAndNothingComesWithThem(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reading, writing := errors.New("reading"), errors.New("writing")
	s := &seen{}
	p, err := d.FromPacket(failingPackets{pc, reading, writing}, s)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b := make([]byte, 10)
	for range 2 {
		s.await(t, d, driver.Readable)
		if n, from, err := p.ReadFrom(b); n != 0 || from != nil || err != reading {
			t.Errorf("read %d from %v, %v", n, from, err)
		}
		if n, from, err := p.ReadFrom(b); n != 0 || from != nil || err != driver.ErrWouldBlock {
			t.Errorf("then read %d from %v, %v", n, from, err)
		}
	}
	s.await(t, d, driver.Readable)
	if n, err := p.WriteTo([]byte("x"), pc.LocalAddr()); n != 1 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	s.await(t, d, driver.Readable)
	if n, from, err := p.ReadFrom(b); n != 0 || from != nil || err != writing {
		t.Errorf("of writing it told %d from %v, %v", n, from, err)
	}
	if n, from, err := p.ReadFrom(b); n != 0 || from != nil || err != reading {
		t.Errorf("and then %d from %v, %v", n, from, err)
	}
}

// What has come is waited for without a buffer, and the buffer is let go of.
func TestADatagramSocketHoldsABufferOnlyForWhatHasCome(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, network := range []string{"udp", "unixgram"} {
		if network == "unixgram" && runtime.GOOS != "linux" {
			continue
		}
		var local net.Addr = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
		long := 60 << 10
		if network == "unixgram" {
			local = &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: network}
			long = 100 << 10
		}
		s := &seen{}
		opened, err := d.OpenPacket(driver.PacketSpec{Local: local}, s)
		if err != nil {
			t.Fatal(err)
		}
		p := opened.(*packet)
		if p.network != network || p.in.raw == nil || p.remote != nil {
			t.Errorf("%s: it is of %q, its descriptor is known: %v, connected with %v", network, p.network, p.in.raw != nil, p.remote)
		}
		peer, err := net.Dial(network, p.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, long} {
			if _, err := peer.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			s.await(t, d, driver.Readable)
			if !p.in.asked {
				t.Errorf("%s: it has not waited", network)
			}
			n, from, err := p.ReadFrom(make([]byte, 200<<10))
			if n != size || err != nil || (from == nil) != (network == "unixgram") { // which has no name
				t.Errorf("%s: read %d of %d from %v, %v", network, n, size, from, err)
			}
			if g := p.in.got; g.buf != nil || g.from != nil || g.err != nil {
				t.Errorf("%s: it holds %d bytes from %v, %v", network, len(g.buf), g.from, g.err)
			}
			if _, _, err := p.ReadFrom(nil); err != driver.ErrWouldBlock {
				t.Errorf("%s: and then %v", network, err)
			}
		}
		peer.Close()
		p.Close()
	}
}

func TestOnlyASocketOfDatagramsIsTakenOverAsOne(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	stream, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.FromPacket(stream.(*net.UnixConn), nobody{})
	if p != nil || !errors.Is(err, errors.ErrUnsupported) || !strings.HasPrefix(err.Error(), "take over a datagram socket of unix: ") {
		t.Errorf("a stream: %v, %v", p, err)
	}
	if _, err := stream.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it is open: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := d.FromPacket(datagrams, nobody{}); err != nil {
		t.Errorf("datagrams: %v", err)
	} else {
		p.Close()
	}
}

func TestAnAddressWithoutANameIsNone(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		none bool
	}{
		{(*net.UnixAddr)(nil), true}, {&net.UnixAddr{Net: "unixgram"}, true}, {nil, true},
		{&net.UnixAddr{Name: "x", Net: "unixgram"}, false}, {&net.UDPAddr{}, false},
	} {
		got := withName(c.addr)
		if (got == nil) != c.none || !c.none && got != c.addr {
			t.Errorf("%#v became %#v", c.addr, got)
		}
	}
}
