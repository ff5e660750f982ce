package drivertest

import (
	"net"
	"testing"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// Bench runs the benchmarks of a driver.
func Bench(b *testing.B, newDriver New) {
	benchmarks := []struct {
		name string
		run  func(*testing.B, *rig)
	}{
		{"PollNothing", benchPoll},
		{"WakeRoundTrip", benchWake},
		{"PingPong/Bytes=64", benchPingPong(64)},
		{"PingPong/Bytes=65536", benchPingPong(64 << 10)},
		{"Connect", benchConnect},
	}
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			d, err := newDriver()
			if err != nil {
				b.Fatal(err)
			}
			r := newRig(b, d)
			b.Cleanup(r.close)
			b.ReportAllocs()
			bench.run(b, r)
		})
	}
}

func benchPoll(b *testing.B, r *rig) {
	for b.Loop() {
		_ = r.d.Poll()
	}
}

// benchWake sends news to another goroutine, which sends them back.
func benchWake(b *testing.B, r *rig) {
	there, back := make(chan struct{}, 1), make(chan struct{}, 1)
	defer close(there)
	go func() {
		for range there {
			back <- struct{}{}
			r.d.Wake()
		}
	}()
	pending := func() bool { return len(back) > 0 }
	for b.Loop() {
		there <- struct{}{}
		for !pending() {
			_ = r.d.Park(driver.Forever, pending)
		}
		<-back
	}
}

// benchPingPong sends a message to a peer outside of the driver, and waits for
// it to come back.
func benchPingPong(size int) func(*testing.B, *rig) {
	return func(b *testing.B, r *rig) {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		r.must(err)
		defer func() { _ = ln.Close() }()
		go func() {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			p := make([]byte, 64<<10)
			for {
				n, err := c.Read(p)
				if err != nil {
					return
				}
				if _, err := c.Write(p[:n]); err != nil {
					return
				}
			}
		}()
		c := r.dial(driver.DialSpec{Remote: ln.Addr()}).connected()
		p := make([]byte, size)
		b.SetBytes(int64(size))
		for b.Loop() {
			c.write(p)
			c.readFull(p)
		}
	}
}

func benchConnect(b *testing.B, r *rig) {
	h := r.listen(driver.ListenSpec{Addr: loopback()})
	for b.Loop() {
		c := r.dial(driver.DialSpec{Remote: h.Addr()})
		s := h.accept()
		c.connected()
		c.Reset()
		_ = c.Close()
		_ = s.Close()
		r.ends = r.ends[:1]
	}
}
