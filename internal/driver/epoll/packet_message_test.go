//go:build linux

package epoll

import (
	"errors"
	"net"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// datagramsOf returns datagrams of these lengths, each in memory of its own.
func datagramsOf(to net.Addr, lengths ...int) (ds []driver.Datagram) {
	for _, n := range lengths {
		ds = append(ds, driver.Datagram{Data: make([]byte, n), Addr: to})
	}
	return ds
}

func TestDatagramsOfOneLengthAndReceiverAreOneMessage(t *testing.T) {
	a, b := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2}
	like := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 1}
	zone := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1, Zone: "z"}
	other := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: 1}
	to := func(last net.Addr) []driver.Datagram {
		return append(datagramsOf(a, 10, 10), datagramsOf(last, 10)...)
	}
	for _, c := range []struct {
		name     string
		joinable int
		ds       []driver.Datagram
		want     int
	}{
		{"one", maxUDP, datagramsOf(a, 10), 1},
		{"equal ones", maxUDP, datagramsOf(a, 10, 10, 10), 3},
		{"the last is shorter", maxUDP, datagramsOf(a, 10, 10, 9), 3},
		{"one in the midst is shorter", maxUDP, datagramsOf(a, 10, 9, 9, 10), 2},
		{"a longer one", maxUDP, datagramsOf(a, 10, 10, 11), 2},
		{"a longer one at once", maxUDP, datagramsOf(a, 10, 11), 1},
		{"an empty one", maxUDP, datagramsOf(a, 10, 10, 0, 10), 2},
		{"empty ones", maxUDP, datagramsOf(a, 0, 0), 1},
		{"as long as may be cut", 10, datagramsOf(a, 10, 10), 2},
		{"longer than may be cut", 9, datagramsOf(a, 10, 10), 1},
		{"none may be cut", unjoined, datagramsOf(a, 1, 1), 1},
		{"as much as fits", maxUDP, datagramsOf(a, maxUDP-10, 10), 2},
		{"more than fits", maxUDP, datagramsOf(a, maxUDP-10, 11), 1},
		{"the third does not fit", maxUDP, datagramsOf(a, 30000, 30000, 30000), 2},
		{"the same receiver", maxUDP, to(like), 3},
		{"another port", maxUDP, to(b), 2},
		{"another zone", maxUDP, to(zone), 2},
		{"another host", maxUDP, to(other), 2},
		{"an address of another kind", maxUDP, to(&net.UnixAddr{Name: "x"}), 2},
		{"no receiver", maxUDP, datagramsOf(nil, 10, 10), 2},
	} {
		p := &batchPacket{joinable: c.joinable}
		if got := p.joined(c.ds); got != c.want {
			t.Errorf("%s: %d are one message, and not %d", c.name, got, c.want)
		}
	}
}

func TestMessagesAreFilledUpToTheirBounds(t *testing.T) {
	a := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	many := func(n, size int) []driver.Datagram { return datagramsOf(a, slices.Repeat([]int{size}, n)...) }
	differ := make([]int, 40) // no two are one message
	for i := range differ {
		differ[i] = i + 1
	}
	same := make([]byte, 40)
	behind := []driver.Datagram{{Data: same[:10:10], Addr: a}, {Data: same[10:20:20], Addr: a}, {Data: same[25:35], Addr: a}}
	for _, c := range []struct {
		name   string
		remote net.Addr
		ds     []driver.Datagram
		single bool
		counts []int // datagrams of each message
		pieces int
	}{
		{"more than one message has", nil, many(150, 10), false, []int{64, 64}, 128},
		{"as many as one has", nil, many(64, 10), false, []int{64}, 64},
		{"of a socket that is connected", a, datagramsOf(nil, 1, 2, 3), false, []int{1}, 1},
		{"alone", nil, many(3, 10), true, []int{1}, 1},
		{"of different lengths", nil, datagramsOf(a, differ...), false, slices.Repeat([]int{1}, 32), 32},
		{"one behind the other", nil, behind, false, []int{3}, 2},
		{"up to a wrong address", nil, append(many(2, 10), datagramsOf(nil, 5)...), false, []int{2}, 2},
	} {
		p := &batchPacket{packet: packet{family: unix.AF_INET, remote: c.remote}, joinable: maxUDP}
		out := new(outbound)
		for range 2 { // what was there before is forgotten
			if err := out.fill(p, c.ds, c.single); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if !slices.Equal(out.counts[:out.n], c.counts) || out.pieces != c.pieces {
			t.Errorf("%s: messages of %v in %d pieces, and not of %v in %d", c.name, out.counts[:out.n], out.pieces, c.counts, c.pieces)
		}
		i := 0
		for m := range out.n {
			length, pieces := 0, int(out.msgs[m].Iovlen)
			for _, v := range out.iovs[i : i+pieces] {
				length += int(v.Len)
			}
			i += pieces
			want, cut := 0, c.ds[:out.counts[m]]
			for _, d := range cut {
				want += len(d.Data)
			}
			if length != want || (out.msgs[m].Control != nil) != (len(cut) > 1) || len(cut) > 1 && int(out.controls[m].size) != len(cut[0].Data) {
				t.Errorf("%s: message %d has %d bytes, and not %d, or is cut where it is not to be", c.name, m, length, want)
			}
			if named := out.msgs[m].Namelen > 0; named != (c.remote == nil) {
				t.Errorf("%s: message %d has a receiver: %v", c.name, m, named)
			}
			c.ds = c.ds[len(cut):]
		}
	}
	p := &batchPacket{packet: packet{family: unix.AF_INET}, joinable: maxUDP}
	if err := new(outbound).fill(p, datagramsOf(nil, 5), false); err != errNoReceiver {
		t.Errorf("without a receiver: %v", err)
	}
}

func TestHowManyMessagesAreReadFollowsWhatHasCome(t *testing.T) {
	for _, c := range []struct {
		n, datagrams int
		full         bool
		before, want int
	}{
		{3, 3, true, 3, 16},
		{2, 2, false, 16, 3},
		{3, 3, false, 16, 3},
		{4, 4, false, 16, 16},
		{1, 64, false, 3, 2},
		{1, 40, false, 3, 2},
		{1, 10, false, 3, 6},
		{2, 3, false, 3, 16},
		{2, 32, true, 3, 4},
	} {
		p := &batchPacket{messages: c.before, askGRO: -1}
		p.pace(c.n, c.datagrams, c.full)
		if p.messages != c.want || p.askGRO != -1 {
			t.Errorf("after %d messages of %d datagrams, full %v: %d are read, and not %d", c.n, c.datagrams, c.full, p.messages, c.want)
		}
	}
	p := &batchPacket{packet: packet{fd: -1}, messages: maxRead, askGRO: 2}
	for i, n := range []int{maxRead - 1, maxRead, 1, maxRead, maxRead} {
		p.pace(n, n, n == maxRead)
		if want := []int{2, 1, 1, 0, -1}[i]; p.askGRO != want || p.joins {
			t.Errorf("after %d messages it is asked for after %d more, and not %d", n, p.askGRO, want)
		}
	}
}

// A datagram that is too long is the first that fails: those before it are sent, and
// the error names the call.
func TestADatagramThatIsTooLongIsAnErrorOfTheSystemCall(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c, err := d.OpenPacket(driver.PacketSpec{Local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}}, noHandler{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, err := c.(*batchPacket).WriteBatch(datagramsOf(c.LocalAddr(), 10, maxUDP+1))
	var call *os.SyscallError
	if n != 1 || !errors.Is(err, unix.EMSGSIZE) || !errors.As(err, &call) {
		t.Errorf("%d were sent, %v", n, err)
	}
}

type noHandler struct{}

func (noHandler) Ready(driver.Event) {}
