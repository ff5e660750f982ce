package portable

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

func TestABufferIsTheSmallestThatIsLargeEnough(t *testing.T) {
	var b buffers
	for range 2 { // new ones, and those that come again
		for n, want := range map[int]int{0: small, 1: small, small: small, small + 1: medium, medium: medium, medium + 1: large, large: large} {
			p := b.get(n)
			if len(p) != want || cap(p) != want {
				t.Errorf("for %d bytes it has %d of %d", n, len(p), cap(p))
			}
			b.put(p[:n/2])
		}
	}
	b.put(nil)
	b.put(make([]byte, small+1))
	if n := len(b.get(1)); n != small {
		t.Errorf("one of others came back, of %d bytes", n)
	}
}

func TestABufferIsUsedAgain(t *testing.T) {
	if raceEnabled {
		t.Skip("a pool of the race detector forgets on purpose")
	}
	for _, n := range []int{small, medium, large} {
		var b buffers
		again := false
		for range 20 { // another thread may take one
			p := b.get(n)
			b.put(p)
			again = again || &b.get(n)[0] == &p[0]
		}
		if !again {
			t.Errorf("one of %d bytes was not", n)
		}
	}
}

func TestTheNetworkOfAnAddressIsThatOfItsFamily(t *testing.T) {
	for _, c := range []struct {
		addr   net.Addr
		stream string
		only   string // of datagrams, for IPv6 alone
		both   string
	}{
		{&net.TCPAddr{}, "tcp", "", ""},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "tcp4", "", ""},
		{&net.TCPAddr{IP: net.IPv6loopback}, "tcp6", "", ""},
		{&net.UDPAddr{}, "", "udp", "udp"},
		{&net.UDPAddr{IP: net.IPv4zero}, "", "udp4", "udp4"},
		{&net.UDPAddr{IP: net.IPv6unspecified}, "", "udp6", "udp"},
		{&net.UDPAddr{IP: net.IPv6loopback}, "", "udp6", "udp6"},
		{&net.UnixAddr{}, "unix", "unixgram", "unixgram"},
		{&net.IPAddr{}, "", "", ""},
		{nil, "", "", ""},
	} {
		stream, err := networkOf(c.addr)
		if stream != c.stream || (err == nil) != (c.stream != "") {
			t.Errorf("%v: %q, %v", c.addr, stream, err)
		}
		only, err := packetNetworkOf(c.addr, true)
		if only != c.only || (err == nil) != (c.only != "") {
			t.Errorf("%v, IPv6 alone: %q, %v", c.addr, only, err)
		}
		if both, _ := packetNetworkOf(c.addr, false); both != c.both {
			t.Errorf("%v: %q", c.addr, both)
		}
	}
	var missing *net.AddrError
	if _, err := networkOf(nil); !errors.As(err, &missing) || missing.Err != "missing address" {
		t.Errorf("of none: %v", err)
	}
	if _, err := packetNetworkOf(nil, false); !errors.As(err, &missing) || missing.Err != "missing address" {
		t.Errorf("of none, of datagrams: %v", err)
	}
}

// nobody is a handler that is told nothing.
type nobody struct{}

func (nobody) Ready(driver.Event) {}

// After very many handles the map of them is small again, and has all that are
// open.
func TestWhatIsOpenAfterVeryManyIsStillClosedWithTheDriver(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var far []net.Conn
	var near []driver.Conn
	for range 1200 {
		a, b := net.Pipe()
		c, err := d.FromConn(a)
		if err != nil {
			t.Fatal(err)
		}
		near, far = append(near, c), append(far, b)
	}
	if n := d.Handles(); n != 1200 || d.most != 1200 {
		t.Errorf("%d handles, %d at most", n, d.most)
	}
	for i, c := range near {
		if i%16 != 0 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if n := d.Handles(); n != 75 || d.most >= 1200 || d.most < 75 {
		t.Errorf("%d handles are left, %d at most since the map was made", n, d.most)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for i, c := range far {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left in the end", n)
	}
}

// A connection that keeps filling its buffers gets larger ones, and one that does
// not, smaller ones.
func TestTheBufferOfAConnectionFollowsWhatComes(t *testing.T) {
	c := &conn{source: source{d: &Driver{}}}
	r := &c.in
	for _, s := range []struct{ before, n, after int }{
		{small, small, medium}, {medium, medium, large}, {large, large, large},
		{large, large / 8, large}, {large, large/8 - 1, medium}, {medium, 1, small}, {small, 1, small},
		{medium, medium / 2, medium},
	} {
		r.size = s.before
		r.got.buf, r.got.n = make([]byte, s.before), s.n
		r.busy = true
		r.done.Store(true)
		if c.collect(); r.size != s.after || len(r.rest) != s.n || r.busy || r.done.Load() || r.got.buf != nil {
			t.Errorf("%d bytes in %d: the next has %d; %d are there", s.n, s.before, r.size, len(r.rest))
		}
		r.whole, r.rest = nil, nil
	}
}

// Nothing is taken before the goroutine is done.
func TestWhatIsBeingReadIsNotTaken(t *testing.T) {
	c := &conn{source: source{d: &Driver{}}}
	c.in.got.buf, c.in.got.n = make([]byte, small), 5
	for _, busy := range []bool{false, true} {
		c.in.busy = busy
		c.in.done.Store(!busy)
		if c.collect(); c.in.rest != nil {
			t.Errorf("busy %v: %d bytes were taken", busy, len(c.in.rest))
		}
	}
}

// Only what is net's own is waited for without a buffer, and closed without a
// goroutine.
func TestWhatIsNetsOwnIsKnown(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	own, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	ownToo, err := net.Dial("unix", local.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ownToo.Close()
	other, _ := net.Pipe()
	for _, nc := range []net.Conn{own, ownToo, other} {
		c := &conn{}
		c.adopt(nc)
		if is := nc != other; c.foreign == is || (c.in.raw != nil) != is || c.LocalAddr() != nc.LocalAddr() || c.RemoteAddr() != nc.RemoteAddr() {
			t.Errorf("%T: foreign %v, %v; from %v to %v", nc, c.foreign, c.in.raw, c.LocalAddr(), c.RemoteAddr())
		}
	}
}

// A connection that is made though nobody wants it any more is closed.
func TestAConnectionThatIsMadeInVainIsClosed(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, before := range []bool{false, true} {
		near, far := net.Pipe()
		cancelled := 0
		a := &dialing{cancel: func() { cancelled++ }}
		c := &conn{source: source{d: d}, dial: a}
		if before {
			a.abandon()
		}
		a.end(c, near, nil)
		if !before {
			a.abandon()
		}
		far.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := far.Read(make([]byte, 1)); err != io.EOF || cancelled != 1 {
			t.Errorf("given up before %v: the peer read %v; cancelled %d times", before, err, cancelled)
		}
		if told := d.queue.filled(); told == before {
			t.Errorf("given up before %v: an event is told: %v", before, told)
		}
		d.Poll()
	}
}

// noHandle is a handle that does nothing. It has a size, so that each is another one.
type noHandle struct{ _ int }

func (*noHandle) Close() error { return nil }

// The map of the handles is made anew when it has become far too large, and not before.
func TestTheMapOfHandlesIsMadeAnewAfterABurst(t *testing.T) {
	for _, c := range []struct{ opened, left, most int }{
		{1024, 0, 1024}, {1025, 128, 1025}, {1025, 127, 127}, {1025, 0, 127}, {2000, 250, 2000}, {2000, 249, 249}, {9000, 1124, 1124}, {9000, 0, 139},
	} {
		d := &Driver{open: make(map[io.Closer]struct{})}
		var all []io.Closer
		for range c.opened {
			h := &noHandle{}
			d.keep(h)
			all = append(all, h)
		}
		first := reflect.ValueOf(d.open).Pointer()
		for _, h := range all[c.left:] {
			d.forget(h)
		}
		if d.most != c.most || d.Handles() != c.left || (reflect.ValueOf(d.open).Pointer() != first) != (c.most != c.opened) {
			t.Errorf("%d of %d are left: %d handles, at most %d, and not %d", c.left, c.opened, d.Handles(), d.most, c.most)
		}
		for _, h := range all[:c.left] {
			if _, ok := d.open[h]; !ok {
				t.Fatal("one that is open was forgotten")
			}
		}
	}
}

// What was reported is not reported again, and its slice is used again.
func TestTheQueueIsEmptyAfterItWasTaken(t *testing.T) {
	var q queue
	for range 3 {
		a, b := &source{}, &source{}
		q.put(a)
		q.put(b)
		items := q.take()
		if len(items) != 2 || items[0] != a || items[1] != b || q.filled() {
			t.Errorf("taken: %v; there is more: %v", items, q.filled())
		}
		q.giveBack(items)
		if cap(q.spare) == 0 || len(q.spare) != 0 || q.spare[:1][0] != nil {
			t.Errorf("%d of %d are kept for the next", len(q.spare), cap(q.spare))
		}
	}
	q.spare = nil
	if q.giveBack(make([]*source, 2000)); q.spare != nil {
		t.Error("what a burst has made is kept")
	}
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := &source{d: d}
	s.post(driver.Readable)
	s.post(driver.Writable)
	if err := d.Poll(); err != nil || s.missed != driver.Readable|driver.Writable || cap(d.queue.spare) == 0 {
		t.Errorf("%v; missed %b, the slice has room for %d", err, s.missed, cap(d.queue.spare))
	}
	if d.Name() != "portable" {
		t.Errorf("it is %s", d.Name())
	}
}

// What was needed to connect is let go of when that has ended.
func TestNothingIsLeftOfConnectingAfterIt(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	near, far := net.Pipe()
	defer far.Close()
	cancelled := 0
	c := &conn{source: source{d: d, handler: nobody{}}, dial: &dialing{cancel: func() { cancelled++ }}}
	d.keep(c)
	if err := c.ConnectError(); err != driver.ErrWouldBlock || cancelled != 0 {
		t.Errorf("before: %v, cancelled %d times", err, cancelled)
	}
	c.dial.end(c, near, nil)
	if err := c.ConnectError(); err != nil || cancelled != 1 || c.dial != nil || c.nc != near {
		t.Errorf("%v, cancelled %d times, left %v", err, cancelled, c.dial)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A wait is as long as it is to be, whatever the time is.
func TestAWaitIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New()
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		for _, left := range []time.Duration{time.Second, 1, 0, -1, -time.Hour, 2 * time.Hour} {
			before := d.Now()
			if err := d.Park(before+left, func() bool { return false }); err != nil || d.Now() != before+max(left, 0) {
				t.Errorf("a wait of %v took %v, %v", left, d.Now()-before, err)
			}
		}
		// One that is ended before its time does not end the next one.
		before := d.Now()
		time.AfterFunc(time.Second, d.Wake)
		if err := d.Park(before+2*time.Second, func() bool { return false }); err != nil || d.Now() != before+time.Second {
			t.Errorf("a wait that is ended took %v, %v", d.Now()-before, err)
		}
		<-time.After(2 * time.Second)
		before = d.Now()
		if err := d.Park(before+3*time.Second, func() bool { return false }); err != nil || d.Now() != before+3*time.Second {
			t.Errorf("the wait after it took %v, %v", d.Now()-before, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}
