package drivertest

import (
	"errors"
	"net"

	"github.com/asyncio-go/asyncio/internal/driver"
)

func testUseAfterClose(r *rig) {
	a, _ := r.pair(loopback())
	r.must(a.Close())
	c := a.Conn
	check := func(what string, err error) {
		r.Helper()
		if !errors.Is(err, net.ErrClosed) {
			r.Errorf("%s after Close gave %v", what, err)
		}
	}
	p := make([]byte, 1)
	for what, do := range map[string]func() (int, error){
		"Read": func() (int, error) { return c.Read(p) }, "Write": func() (int, error) { return c.Write(p) },
		"Writev": func() (int, error) { return c.Writev([][]byte{p}) },
	} {
		n, err := do()
		check(what, err)
		if n != 0 {
			r.Errorf("%s after Close did %d bytes", what, n)
		}
	}
	check("CloseWrite", c.CloseWrite())
	check("Close", c.Close())
	check("ConnectError", c.ConnectError())
	_, err := c.SyscallConn()
	check("SyscallConn", err)
	c.Reset()
	if c.LocalAddr() == nil || c.RemoteAddr() == nil {
		r.Error("the addresses are gone")
	}

	h := r.listen(driver.ListenSpec{Addr: loopback()})
	r.must(h.Close())
	_, err = h.Listener.Accept()
	check("Accept", err)
	check("Close", h.Listener.Close())
	_, err = h.Listener.SyscallConn()
	check("SyscallConn", err)
	if h.Listener.Addr() == nil {
		r.Error("the address is gone")
	}
}

// testCloseWhilePending closes handles that something has happened to, of which
// the driver has not told yet. The notes complain of events after Close.
func testCloseWhilePending(r *rig) {
	const n = 40
	var near, far [n]*end
	for i := range n {
		near[i], far[i] = r.pair(loopback())
		if _, err := near[i].Read(make([]byte, 1)); !errors.Is(err, driver.ErrWouldBlock) {
			r.Fatalf("read gave %v", err)
		}
	}
	for i := range n {
		far[i].write([]byte("x"))
	}
	for i := range n {
		if i%2 == 0 {
			near[i].Reset()
			r.must(near[i].Close())
		}
		near[i].seen = 0
	}
	for i := range n {
		if i%2 == 1 {
			if got, err := near[i].read(make([]byte, 2)); got != 1 || err != nil {
				r.Errorf("one that was not closed read %d, %v", got, err)
			}
		}
	}
}

// testReuse closes a connection with events pending and makes another, which
// will have its descriptor.
func testReuse(r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	for range 50 {
		old := r.dial(driver.DialSpec{Remote: h.Addr()})
		peer := h.accept()
		old.connected()
		if _, err := old.Read(make([]byte, 1)); !errors.Is(err, driver.ErrWouldBlock) {
			r.Fatalf("read gave %v", err)
		}
		peer.write([]byte("for the old one"))
		r.must(old.Close())

		fresh := r.dial(driver.DialSpec{Remote: h.Addr()})
		peer2 := h.accept()
		fresh.connected()
		if fresh.seen&(driver.Readable|driver.Hangup) != 0 {
			r.Fatalf("the new connection got the event %b", fresh.seen)
		}
		if n, err := fresh.Read(make([]byte, 1)); !errors.Is(err, driver.ErrWouldBlock) {
			r.Fatalf("the new connection read %d, %v", n, err)
		}
		peer2.write([]byte("x"))
		fresh.readFull(make([]byte, 1))
		r.must(fresh.Close())
		r.must(peer.Close())
		r.must(peer2.Close())
	}
}

func testNoLeak(r *rig) {
	before := r.openDescriptors() // with those of the driver
	for range 3 {
		h := r.listen(driver.ListenSpec{Addr: loopback()})
		ignored := r.listen(driver.ListenSpec{Addr: loopback()})
		for i := range 50 {
			c := r.dial(driver.DialSpec{Remote: h.Addr()})
			s := h.accept()
			c.connected()
			switch i % 4 {
			case 0:
				c.write([]byte("x"))
			case 1:
				fill(r, c)
				c.Reset()
			case 2:
				r.must(c.CloseWrite())
				s.wantEOF()
			case 3:
				r.must(r.dial(driver.DialSpec{Remote: ignored.Addr()}).Close())
			}
			r.must(c.Close())
			r.must(s.Close())
		}
		for _, e := range r.ends {
			r.must(e.Close())
		}
		r.ends = nil
	}
	r.close()
	if after := r.openDescriptors(); after > before {
		r.Errorf("there were %d descriptors before, there are %d", before, after)
	}
}
