package portable_test

import (
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
)

// packets opens two sockets for datagrams, of which the second is connected to the
// first.
func packets(t *testing.T, d *portable.Driver, network string) (server, client driver.PacketConn, n *notes) {
	t.Helper()
	var at, from net.Addr = &net.UDPAddr{IP: loopback4.IP}, nil
	if network == "unixgram" {
		if runtime.GOOS == "windows" {
			t.Skip("no datagrams on unix sockets here")
		}
		dir := t.TempDir()
		at, from = &net.UnixAddr{Name: filepath.Join(dir, "a"), Net: network}, &net.UnixAddr{Name: filepath.Join(dir, "b"), Net: network}
	}
	n = &notes{}
	server, err := d.OpenPacket(driver.PacketSpec{Local: at}, n)
	if err != nil {
		t.Fatal(err)
	}
	client, err = d.OpenPacket(driver.PacketSpec{Local: from, Remote: server.LocalAddr()}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client, n
}

func TestADatagramToAWrongAddressIsNotTaken(t *testing.T) {
	d := newDriver(t)
	for _, network := range []string{"udp", "unixgram"} {
		server, client, _ := packets(t, d, network)
		wrong := []net.Addr{loopback4, &net.UnixAddr{Name: "x", Net: "unixgram"}}
		if network == "unixgram" {
			wrong[1] = &net.UDPAddr{IP: loopback4.IP, Port: 9}
		}
		for _, to := range wrong {
			var bad *net.AddrError
			if n, err := server.WriteTo([]byte("x"), to); n != 0 || !errors.As(err, &bad) {
				t.Errorf("%s to %T: %d, %v", network, to, n, err)
			}
		}
		if n, err := server.WriteTo([]byte("x"), nil); n != 0 || !errors.Is(err, syscall.EDESTADDRREQ) {
			t.Errorf("%s to nobody: %d, %v", network, n, err)
		}
		if n, err := client.WriteTo([]byte("x"), server.LocalAddr()); n != 0 || !errors.Is(err, syscall.EISCONN) {
			t.Errorf("%s of a connected one: %d, %v", network, n, err)
		}
		if a := client.RemoteAddr(); a == nil || a.String() != server.LocalAddr().String() || server.RemoteAddr() != nil {
			t.Errorf("%s: the peers are %v and %v", network, a, server.RemoteAddr())
		}
		server.Close()
		if n, err := server.WriteTo([]byte("x"), client.LocalAddr()); n != 0 || err != net.ErrClosed {
			t.Errorf("%s of a closed one: %d, %v", network, n, err)
		}
		if n, from, err := server.ReadFrom(make([]byte, 1)); n != 0 || from != nil || err != net.ErrClosed {
			t.Errorf("%s of a closed one: read %d, %v, %v", network, n, from, err)
		}
	}
}

// slowPacket is a datagram socket of others that waits before it sends.
type slowPacket struct {
	net.PacketConn
	sends, proceed chan struct{}
	sent           chan int
}

func (s *slowPacket) WriteTo(p []byte, _ net.Addr) (int, error) {
	s.sends <- struct{}{}
	<-s.proceed
	s.sent <- len(p)
	return len(p), nil
}

func TestDatagramsAreTakenWhileThereIsRoomForThem(t *testing.T) {
	for _, c := range []struct{ size, most int }{
		{0, 64}, {1, 64}, {1 << 10, 64}, {10 << 10, 6}, {32 << 10, 2}, {32<<10 + 1, 1}, {100 << 10, 1},
	} {
		d := newDriver(t)
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &slowPacket{pc, make(chan struct{}, 200), make(chan struct{}), make(chan int, 200)}
		var n notes
		p, err := d.FromPacket(s, &n)
		if err != nil {
			t.Fatal(err)
		}
		to := &net.UDPAddr{IP: loopback4.IP, Port: 9}
		if k, err := p.WriteTo([]byte("first"), to); k != 5 || err != nil {
			t.Fatal(k, err)
		}
		<-s.sends // it is being sent, and not among what is pending
		data := make([]byte, c.size)
		taken := 0
		for {
			k, err := p.WriteTo(data, to)
			if err != nil {
				if k != 0 || err != driver.ErrWouldBlock {
					t.Errorf("%d, %v", k, err)
				}
				break
			}
			if taken++; k != c.size || taken > 100 {
				t.Fatal(k, taken)
			}
		}
		if taken != c.most {
			t.Errorf("%d of %d bytes were taken", taken, c.size)
		}
		n.seen = 0
		close(s.proceed)
		until(t, d, func() bool { return n.seen&driver.Writable != 0 })
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if len(s.sent) != taken+1 {
			t.Errorf("%d were taken, %d were sent", taken+1, len(s.sent))
		}
		if _, err := pc.WriteTo(nil, to); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the socket is not closed: %v", err)
		}
	}
}

func TestDatagramsComeWithTheirSendersAndTheirErrors(t *testing.T) {
	d := newDriver(t)
	for _, network := range []string{"udp", "unixgram"} {
		server, client, n := packets(t, d, network)
		for i := range 3 {
			if _, err := client.WriteTo(make([]byte, i), nil); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 10)
			for {
				k, from, err := server.ReadFrom(b)
				if err == driver.ErrWouldBlock {
					n.seen = 0
					until(t, d, func() bool { return n.seen&driver.Readable != 0 })
					continue
				}
				if k != i || err != nil || from == nil || from.String() != client.LocalAddr().String() {
					t.Errorf("%s: %d bytes from %v, %v", network, k, from, err)
				}
				break
			}
			if k, from, err := server.ReadFrom(b); k != 0 || from != nil || err != driver.ErrWouldBlock {
				t.Errorf("%s: then %d from %v, %v", network, k, from, err)
			}
		}
	}
}

// keeping is a datagram socket of others that keeps what it is given to send.
type keeping struct {
	net.PacketConn
	proceed chan struct{}
	sent    chan string
}

func (k *keeping) WriteTo(p []byte, _ net.Addr) (int, error) {
	<-k.proceed
	k.sent <- string(p)
	return len(p), nil
}

func TestADatagramIsTakenAsItIsThen(t *testing.T) {
	d := newDriver(t)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &keeping{pc, make(chan struct{}), make(chan string, 10)}
	p, err := d.FromPacket(k, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b := []byte("one")
	for _, text := range []string{"one", "two"} {
		copy(b, text)
		if n, err := p.WriteTo(b, &net.UDPAddr{IP: loopback4.IP, Port: 9}); n != 3 || err != nil {
			t.Fatal(n, err)
		}
	}
	copy(b, "xxx")
	close(k.proceed)
	if first, second := <-k.sent, <-k.sent; first != "one" || second != "two" {
		t.Errorf("%q and %q were sent", first, second)
	}
}

// readDeadlines is a slowPacket that notes them.
type readDeadlines struct {
	*slowPacket
	read []time.Time
}

func (p *readDeadlines) SetDeadline(time.Time) error       { return nil }
func (p *readDeadlines) SetReadDeadline(t time.Time) error { p.read = append(p.read, t); return nil }

func TestAClosedDatagramSocketThatStillSendsReadsNoMore(t *testing.T) {
	d := newDriver(t)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &readDeadlines{slowPacket: &slowPacket{pc, make(chan struct{}, 10), make(chan struct{}), make(chan int, 10)}}
	p, err := d.FromPacket(s, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.WriteTo([]byte("x"), pc.LocalAddr()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if len(s.read) != 1 || !s.read[0].Before(time.Now()) {
		t.Errorf("the deadlines of reading are %v", s.read)
	}
	close(s.proceed)
}

// stuckPacket is a datagram socket of others whose sending ends with it alone.
type stuckPacket struct {
	net.PacketConn
	closed chan struct{}
	once   sync.Once
}

func (p *stuckPacket) WriteTo([]byte, net.Addr) (int, error) { <-p.closed; return 0, net.ErrClosed }

func (p *stuckPacket) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.PacketConn.Close()
}

func TestADatagramThatIsNotSentInTimeIsGivenUp(t *testing.T) {
	d := newDriver(t)
	d.Linger = time.Millisecond
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.FromPacket(&stuckPacket{PacketConn: pc, closed: make(chan struct{})}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.WriteTo([]byte("x"), pc.LocalAddr()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil { // which waits for it
		t.Error(err)
	}
}
