package drivertest

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// batcher returns p as one that is read and written in batches, where it is that.
func (p *post) batcher() driver.PacketBatcher {
	p.r.Helper()
	b, ok := p.PacketConn.(driver.PacketBatcher)
	if !ok {
		p.r.Skip("datagrams are moved one by one here")
	}
	return b
}

// received is a datagram that has come.
type received struct{ data, from string }

// receiveBatches reads until there are n datagrams.
func (p *post) receiveBatches(n int) []received {
	p.r.Helper()
	var all []received
	for len(all) < n {
		p.seen = 0
		b, err := p.batcher().ReadBatch()
		if errors.Is(err, driver.ErrWouldBlock) {
			p.r.until("a batch", func() bool { return p.seen&driver.Readable != 0 })
			continue
		}
		p.r.must(err)
		if len(b.Datagrams) == 0 {
			p.r.Fatal("an empty batch")
		}
		for _, d := range b.Datagrams {
			all = append(all, received{string(d.Data), d.Addr.String()})
		}
		b.Release()
	}
	return all
}

// sendBatch writes all of them.
func (p *post) sendBatch(ds []driver.Datagram) {
	p.r.Helper()
	if n, err := p.batcher().WriteBatch(ds); n != len(ds) || err != nil {
		p.r.Fatalf("wrote %d of %d, %v", n, len(ds), err)
	}
}

// randomDatagrams returns some, often of one length or shorter by turns, with contents
// that differ.
func randomDatagrams(rnd *rand.Rand, to []net.Addr) []driver.Datagram {
	var ds []driver.Datagram
	size, addr := 64, to[0]
	for i := range 1 + rnd.IntN(40) {
		switch rnd.IntN(8) {
		case 0:
			size = []int{0, 1, 2, 64, 700, 1200, 4000}[rnd.IntN(7)]
		case 1:
			addr = to[rnd.IntN(len(to))]
		case 2:
			size = max(size-1, 0)
		}
		data := pattern(size)
		if size > 0 {
			data[size-1] = byte(i)
		}
		ds = append(ds, driver.Datagram{Data: data, Addr: addr})
	}
	return ds
}

// testPacketBatchOrder sends batches to two sockets, which get what is theirs, in order
// and in its bounds.
func testPacketBatchOrder(r *rig) {
	from := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	from.batcher()
	ends := []*post{r.openPacket(driver.PacketSpec{Local: udpLoopback()}), r.openPacket(driver.PacketSpec{Local: udpLoopback()})}
	to := []net.Addr{ends[0].LocalAddr(), ends[1].LocalAddr()}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		ds := randomDatagrams(rnd, to)
		if rnd.IntN(3) > 0 {
			from.sendBatch(ds)
		} else {
			for _, d := range ds {
				from.send(d.Data, d.Addr)
			}
		}
		for i, e := range ends {
			var want []received
			for _, d := range ds {
				if d.Addr == to[i] {
					want = append(want, received{string(d.Data), from.LocalAddr().String()})
				}
			}
			if got := e.receiveBatches(len(want)); !slices.Equal(got, want) {
				r.Fatalf("%d datagrams came, and not the %d in their order", len(got), len(want))
			}
		}
	}
	for _, e := range ends {
		if _, err := e.batcher().ReadBatch(); !errors.Is(err, driver.ErrWouldBlock) {
			r.Errorf("after the last one, reading gave %v", err)
		}
	}
}

// testPacketBatchConnected is that for a connected pair, of IPv6 where that is.
func testPacketBatchConnected(r *rig) {
	local := &net.UDPAddr{IP: net.IPv6loopback}
	server, err := r.tryPacket(driver.PacketSpec{Local: local})
	if err != nil {
		server = r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	}
	server.batcher()
	c := r.openPacket(driver.PacketSpec{Remote: server.LocalAddr()})
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		ds := randomDatagrams(rnd, []net.Addr{nil})
		c.sendBatch(ds)
		got := server.receiveBatches(len(ds))
		for i, d := range ds {
			if got[i].data != string(d.Data) || got[i].from != c.LocalAddr().String() {
				r.Fatalf("the datagram %d has %d bytes of %d, from %s", i, len(got[i].data), len(d.Data), got[i].from)
			}
			ds[i].Addr = c.LocalAddr()
		}
		server.sendBatch(ds)
		for i, g := range c.receiveBatches(len(ds)) {
			if g.data != string(ds[i].Data) || g.from != server.LocalAddr().String() {
				r.Fatalf("the answer %d has %d bytes of %d, from %s", i, len(g.data), len(ds[i].Data), g.from)
			}
		}
	}
	if _, err := c.batcher().WriteBatch([]driver.Datagram{{Addr: server.LocalAddr()}}); !errors.Is(err, syscall.EISCONN) {
		r.Errorf("sending elsewhere from a connected socket gave %v", err)
	}
}

// testPacketBatchErrors writes batches of which some datagrams cannot be sent.
func testPacketBatchErrors(r *rig) {
	server := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	c := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	to := server.LocalAddr()
	ds := []driver.Datagram{
		{Data: []byte("one"), Addr: to}, {Data: []byte("two"), Addr: to},
		{Data: []byte("bad"), Addr: loopback()}, {Data: []byte("bad"), Addr: &net.UDPAddr{IP: net.IPv6loopback, Port: 1}},
		{Data: make([]byte, 70_000), Addr: to}, {Data: []byte("bad"), Addr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}},
		{Data: []byte("six"), Addr: to}, {Addr: nil}, {Data: []byte("seven"), Addr: to},
	}
	var failed []int
	for done := 0; done < len(ds); {
		n, err := c.batcher().WriteBatch(ds[done:])
		if done += n; err != nil {
			failed = append(failed, done)
			switch done {
			case 2, 3:
				if !errors.As(err, new(*net.AddrError)) {
					r.Errorf("a wrong address gave %v", err)
				}
			case 4:
				if !errors.Is(err, syscall.EMSGSIZE) {
					r.Errorf("a datagram too long gave %v", err)
				}
			}
			done++
		}
	}
	if !slices.Equal(failed, []int{2, 3, 4, 5, 7}) {
		r.Errorf("these failed: %v", failed)
	}
	for i, g := range server.receiveBatches(4) {
		if want := []string{"one", "two", "six", "seven"}[i]; g.data != want {
			r.Errorf("%q came in the place of %q", g.data, want)
		}
	}
}

// testPacketBatchRefused sends to where nobody is: the error is that of one datagram.
func testPacketBatchRefused(r *rig) {
	server := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	addr := server.LocalAddr()
	c := r.openPacket(driver.PacketSpec{Remote: addr}) // later it could have the server's port
	c.batcher()
	r.must(server.Close())
	c.seen = 0
	c.send([]byte("x"), nil)
	r.until("the refusal", func() bool { return c.seen&driver.Readable != 0 })
	ds := make([]driver.Datagram, 5)
	for i := range ds {
		ds[i].Data = []byte{byte(i)}
	}
	if n, err := c.batcher().WriteBatch(ds); n != 0 || !errors.Is(err, syscall.ECONNREFUSED) {
		r.Fatalf("after one for nobody %d were written, %v", n, err)
	}
	server = r.openPacket(driver.PacketSpec{Local: addr})
	c.sendBatch(ds[1:])
	for i, g := range server.receiveBatches(4) {
		if g.data != string(ds[i+1].Data) {
			r.Errorf("%q came in the place of %q", g.data, ds[i+1].Data)
		}
	}
}

// testPacketBatchEvents looks whether news are told after a batch that was the last.
func testPacketBatchEvents(r *rig) {
	server := r.openPacket(driver.PacketSpec{Local: udpLoopback()})
	server.batcher()
	c := r.openPacket(driver.PacketSpec{Remote: server.LocalAddr()})
	for n := range 40 {
		for i := range n {
			c.send([]byte{byte(i)}, nil)
		}
		for got := 0; got < n; {
			server.seen = 0
			b, err := server.batcher().ReadBatch()
			drained := err != nil
			if err == nil {
				got += len(b.Datagrams)
				drained = b.Drained
				b.Release()
			} else if !errors.Is(err, driver.ErrWouldBlock) {
				r.Fatal(err)
			}
			if drained && got < n {
				r.until("the next datagram", func() bool { return server.seen&driver.Readable != 0 })
			}
		}
	}
	c.send([]byte("pending"), nil)
	r.must(server.Close())
	if _, err := server.batcher().ReadBatch(); !errors.Is(err, net.ErrClosed) {
		r.Errorf("reading gave %v", err)
	}
	if n, err := server.batcher().WriteBatch([]driver.Datagram{{Addr: c.LocalAddr()}}); n != 0 || !errors.Is(err, net.ErrClosed) {
		r.Errorf("sending gave %d, %v", n, err)
	}
}
