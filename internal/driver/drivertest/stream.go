package drivertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"

	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// echo sends a message there and back.
func echo(r *rig, client, server *end) {
	r.Helper()
	for _, message := range []string{"hello", "x", string(pattern(3000))} {
		client.write([]byte(message))
		p := make([]byte, len(message))
		server.readFull(p)
		server.write(p)
		clear(p)
		client.readFull(p)
		if string(p) != message {
			r.Fatalf("sent %q, got %q", message, p)
		}
	}
	r.must(client.Close())
	server.wantEOF()
}

func testEchoTCP(r *rig) {
	client, server := r.pair(loopback())
	if a, b := client.LocalAddr().String(), server.RemoteAddr().String(); a != b {
		r.Errorf("the client says it is %s, the server that it is %s", a, b)
	}
	if a, b := client.RemoteAddr().String(), server.LocalAddr().String(); a != b {
		r.Errorf("the client says the server is %s, the server that it is %s", a, b)
	}
	echo(r, client, server)
}

func testEchoIPv6(r *rig) {
	client, server := r.pair(r.loopback6())
	if ip := client.RemoteAddr().(*net.TCPAddr).IP; !ip.Equal(net.IPv6loopback) {
		r.Errorf("connected to %s", ip)
	}
	echo(r, client, server)
}

func testEchoUnix(r *rig) {
	client, server := r.pair(r.unixAddr())
	if a, b := client.RemoteAddr().String(), server.LocalAddr().String(); a != b {
		r.Errorf("the client says the server is %s, the server that it is %s", a, b)
	}
	echo(r, client, server)
}

// testGoPeer talks to Go's own net on other goroutines.
func testGoPeer(r *rig) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	r.must(err)
	defer func() { _ = ln.Close() }()
	served := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			err = errors.Join(err, c.Close())
		}
		served <- err
	}()
	client := r.dial(driver.DialSpec{Remote: ln.Addr()}).connected()
	sent := pattern(1 << 20)
	got := transfer(r, client, client, sent)
	if !bytes.Equal(got, sent) {
		r.Error("what came back is not what was sent")
	}
	r.must(client.CloseWrite())
	client.wantEOF()
	r.must(<-served)
}

// transfer writes all of p to one end and reads as much from another.
func transfer(r *rig, to, from *end, p []byte) []byte {
	r.Helper()
	var f flow
	f.begin(to, from, p)
	r.until("a transfer", func() bool { return f.step(r) })
	return f.got
}

// flow is a transfer under way.
type flow struct {
	to, from        *end
	left, got, buf  []byte
	total           int
	canWrite, canRd bool
	blocked         int // how often there was no room
}

func (f *flow) begin(to, from *end, p []byte) {
	*f = flow{to: to, from: from, left: p, total: len(p), canWrite: true, canRd: true, buf: make([]byte, 64<<10)}
}

// step does what can be done without waiting, asking only when there was an
// event, and reports whether all has arrived.
func (f *flow) step(r *rig) bool {
	r.Helper()
	f.canWrite = f.canWrite || f.to.seen&driver.Writable != 0
	f.to.seen &^= driver.Writable
	for f.canWrite && len(f.left) > 0 {
		n, err := f.to.Write(f.left)
		if err != nil && !errors.Is(err, driver.ErrWouldBlock) {
			r.Fatal(err)
		}
		f.canWrite = n == len(f.left)
		f.left = f.left[n:]
		if !f.canWrite {
			f.blocked++
		}
	}
	f.canRd = f.canRd || f.from.seen&driver.Readable != 0
	f.from.seen &^= driver.Readable
	for f.canRd && len(f.got) < f.total {
		n, err := f.from.Read(f.buf)
		if err != nil && !errors.Is(err, driver.ErrWouldBlock) {
			r.Fatal(err)
		}
		f.canRd = n == len(f.buf)
		f.got = append(f.got, f.buf[:n]...)
	}
	return len(f.got) == f.total
}

func testBigTransfers(r *rig) {
	a, b := r.pair(loopback())
	there, back := pattern(16<<20), pattern(16<<20+1)
	var f, g flow
	f.begin(a, b, there)
	g.begin(b, a, back)
	r.until("both transfers", func() bool {
		one, other := f.step(r), g.step(r)
		return one && other
	})
	if !bytes.Equal(f.got, there) || !bytes.Equal(g.got, back) {
		r.Error("what arrived is not what was sent")
	}
	if f.blocked == 0 || g.blocked == 0 {
		r.Error("writing 16 MiB never met with backpressure")
	}
}

// fill writes until there is no room and the driver does not find any more.
func fill(r *rig, e *end) (taken []byte) {
	r.Helper()
	p := pattern(256 << 10)
	const most = 64 << 20
	for len(taken) < most {
		e.seen &^= driver.Writable
		n, err := e.Write(p)
		taken = append(taken, p[:n]...)
		if err == nil {
			continue
		}
		if !errors.Is(err, driver.ErrWouldBlock) {
			r.Fatal(err)
		}
		return taken
	}
	r.Fatalf("a connection that nobody reads took %d bytes", len(taken))
	return nil
}

func testBackpressureBounds(r *rig) {
	a, b := r.pair(loopback())
	var all []byte
	for range 20 { // a driver may go on for a while until the system is full
		all = append(all, fill(r, a)...)
		r.must(r.d.Poll())
	}
	r.must(a.Close())
	got, err := b.readAll()
	r.must(err)
	if !bytes.Equal(got, all) {
		r.Errorf("%d bytes were taken, %d arrived, or others", len(all), len(got))
	}
}

func testWritev(r *rig) {
	a, b := r.pair(loopback())
	sent := pattern(5000)
	var parts [][]byte
	for i := 0; i < len(sent); i += 2 {
		parts = append(parts, sent[i:i+2], nil)
	}
	first := parts[0]
	for len(parts) > 0 {
		a.seen &^= driver.Writable
		n, err := a.Writev(parts)
		if errors.Is(err, driver.ErrWouldBlock) {
			a.await(driver.Writable)
			continue
		}
		r.must(err)
		for len(parts) > 0 && n >= len(parts[0]) {
			n -= len(parts[0])
			parts = parts[1:]
		}
		if n > 0 {
			a.write(parts[0][n:])
			parts = parts[1:]
		}
	}
	if &first[0] != &sent[0] || len(first) != 2 {
		r.Error("the slices were changed")
	}
	got := make([]byte, len(sent))
	b.readFull(got)
	if !bytes.Equal(got, sent) {
		r.Error("what arrived is not what was sent")
	}
}

func testEmpty(r *rig) {
	a, _ := r.pair(loopback())
	if n, err := a.Read(nil); n != 0 || err != nil {
		r.Errorf("an empty read gave %d, %v", n, err)
	}
	if n, err := a.Write(nil); n != 0 || err != nil {
		r.Errorf("an empty write gave %d, %v", n, err)
	}
	if n, err := a.Writev(nil); n != 0 || err != nil {
		r.Errorf("an empty writev gave %d, %v", n, err)
	}
}

func testHalfClose(r *rig) {
	a, b := r.pair(loopback())
	a.write([]byte("question"))
	r.must(a.CloseWrite())
	got, err := b.readAll()
	r.must(err)
	if string(got) != "question" {
		r.Errorf("got %q", got)
	}
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		r.Errorf("after EOF, read gave %d, %v", n, err)
	}
	answer := pattern(1 << 20)
	if got := transfer(r, b, a, answer); !bytes.Equal(got, answer) {
		r.Error("the answer is not what was sent")
	}
	b.seen = 0
	r.must(b.CloseWrite())
	a.seen = 0
	if n, err := a.Read(make([]byte, 1)); n != 0 || err == nil {
		r.Errorf("read gave %d, %v", n, err)
	} else if err != io.EOF {
		a.await(driver.Hangup)
		a.wantEOF()
	}
}

func testCloseWriteTwice(r *rig) {
	a, b := r.pair(loopback())
	r.must(a.CloseWrite())
	r.must(a.CloseWrite())
	b.wantEOF()
	r.must(b.CloseWrite())
	a.wantEOF() // now both halves have ended
	r.must(a.CloseWrite())
	r.must(b.CloseWrite())
}

func testWriteAfterCloseWrite(r *rig) {
	a, _ := r.pair(loopback())
	r.must(a.CloseWrite())
	if n, err := a.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
		r.Errorf("gave %d, %v", n, err)
	}
}

func testEOFAfterData(r *rig) {
	a, b := r.pair(loopback())
	a.write([]byte("last words"))
	r.must(a.Close())
	got, err := b.readAll()
	r.must(err)
	if string(got) != "last words" {
		r.Errorf("got %q", got)
	}
}

func testCloseFlushes(r *rig) {
	for _, addr := range []net.Addr{loopback(), r.unixAddr()} {
		a, b := r.pair(addr)
		taken := fill(r, a)
		r.must(a.Close())
		got, err := b.readAll()
		r.must(err)
		if !bytes.Equal(got, taken) {
			r.Errorf("%s: %d bytes were taken, %d arrived, or others", addr.Network(), len(taken), len(got))
		}
	}
}

// testDiscard closes with something unread, which the system would answer with a
// reset.
func testDiscard(r *rig) {
	a, b := r.pair(loopback())
	r.must(b.tryWrite(pattern(1000)))
	a.await(driver.Readable)
	r.machine.Settle()
	taken := fill(r, a)
	a.Discard(make([]byte, 64))
	r.must(a.Close())
	got, err := b.readAll()
	r.must(err)
	if !bytes.Equal(got, taken) {
		r.Errorf("%d bytes were taken, %d arrived, or others", len(taken), len(got))
	}
}

func testReset(r *rig) {
	a, b := r.pair(loopback())
	a.Reset()
	r.must(a.Close())
	if n, err := b.read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		r.Errorf("read gave %d, %v", n, err)
	}
	if err := b.tryWrite(pattern(100)); err == nil {
		err = b.tryWrite(pattern(100))
		for err == nil { // a write that is under way fails later
			b.await(driver.Writable)
			err = b.tryWrite(pattern(1 << 20))
		}
	}
}

func testResetWhileWriting(r *rig) {
	a, b := r.pair(loopback())
	fill(r, b)
	a.Reset()
	r.must(a.Close())
	b.await(driver.Writable | driver.Hangup)
	var err error
	r.until("the reset to surface", func() bool {
		_, err = b.Write([]byte("x"))
		return err != nil && !errors.Is(err, driver.ErrWouldBlock)
	})
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		r.Errorf("write gave %v", err)
	}
	if n, err := b.read(make([]byte, 1)); n != 0 || err == nil {
		r.Errorf("read gave %d, %v", n, err)
	}
}

func testShortRead(r *rig) {
	a, b := r.pair(loopback())
	p := make([]byte, 100)
	for i := range 200 {
		a.write(p[:1+i%50])
		n, err := b.read(p)
		r.must(err)
		if n == len(p) {
			r.Fatal("that was no short read")
		}
		// From here on b does not ask, but waits to be told.
		for left := 1 + i%50 - n; left > 0; left -= n {
			b.await(driver.Readable)
			n, err = b.read(p)
			r.must(err)
		}
		b.seen = 0
	}
	a.write(p[:1])
	b.await(driver.Readable) // this may still be about what was read, while the byte is on its way
	n, err := b.read(p)
	if n != 1 || err != nil {
		r.Fatalf("read gave %d, %v", n, err)
	}
	b.seen = 0
	r.must(a.Close())
	b.await(driver.Readable | driver.Hangup)
	b.wantEOF()
}

func testConnectedEvent(r *rig) {
	for _, addr := range []net.Addr{loopback(), r.unixAddr()} {
		h := r.listen(driver.ListenSpec{Addr: addr})
		c := r.dial(driver.DialSpec{Remote: h.Addr()})
		c.connected()
		r.must(c.ConnectError())
		c.write([]byte("x"))
		h.accept().readFull(make([]byte, 1))
	}
}

// testRandomTransfers compares a connection with two slices of bytes.
func testRandomTransfers(r *rig) {
	rapid.Check(r.TB, func(t *rapid.T) {
		addr := rapid.SampledFrom([]net.Addr{loopback(), r.unixAddr()}).Draw(t, "addr")
		ends := [2]*end{}
		ends[0], ends[1] = r.pair(addr)
		var flight [2][]byte // sent by that end, not yet read
		var shut [2]bool
		who := rapid.IntRange(0, 1)
		size := rapid.OneOf(rapid.IntRange(1, 100), rapid.IntRange(1, 200<<10))
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			i := who.Draw(t, "end")
			n := size.Draw(t, "size")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				if shut[i] {
					continue
				}
				p := pattern(n)
				n, err := ends[i].Write(p)
				if err != nil && !errors.Is(err, driver.ErrWouldBlock) {
					t.Fatal(err)
				}
				flight[i] = append(flight[i], p[:n]...)
			case 2, 3:
				if len(flight[1-i]) == 0 {
					continue
				}
				p := make([]byte, n)
				n, err := ends[i].read(p)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.HasPrefix(flight[1-i], p[:n]) {
					t.Fatalf("read %d bytes that were not sent", n)
				}
				flight[1-i] = flight[1-i][n:]
			case 4:
				if shut[i] {
					continue
				}
				if err := ends[i].CloseWrite(); err != nil {
					t.Fatal(err)
				}
				shut[i] = true
			}
		}
		for i, e := range ends {
			if !shut[i] {
				if err := e.CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			got, err := ends[1-i].readAll()
			if err != nil || !bytes.Equal(got, flight[i]) {
				t.Fatalf("at the end %d bytes came and %d were missing: %v", len(got), len(flight[i]), err)
			}
		}
		for _, e := range ends {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
