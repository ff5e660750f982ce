package drivertest

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// takeOver makes an end of a connection of Go's.
func (r *rig) takeOver(nc net.Conn) *end {
	r.Helper()
	e := r.newEnd()
	c, err := r.d.FromConn(nc)
	r.must(err)
	e.Conn = c
	r.must(c.Start(e))
	return e
}

func testTakeOver(r *rig) {
	before := r.openDescriptors()
	for _, addr := range []net.Addr{loopback(), r.unixAddr()} {
		ln, err := net.Listen(addr.Network(), addr.String())
		r.must(err)
		h := &host{notes: notes{r: r}}
		h.Listener, err = r.d.FromListener(ln, h)
		r.must(err)
		r.ends = append(r.ends, h)
		if h.Addr().String() != ln.Addr().String() {
			r.Errorf("the listener is at %v, and was at %v", h.Addr(), ln.Addr())
		}
		echoThrough(r, h)

		nc, err := net.Dial(addr.Network(), ln.Addr().String())
		r.must(err)
		local, remote := nc.LocalAddr().String(), nc.RemoteAddr().String()
		_, err = nc.Write([]byte("early"))
		r.must(err)
		c, s := r.takeOver(nc), h.accept()
		if c.LocalAddr().String() != local || c.RemoteAddr().String() != remote {
			r.Errorf("it connects %v and %v, and did %s and %s", c.LocalAddr(), c.RemoteAddr(), local, remote)
		}
		early := make([]byte, len("early"))
		s.readFull(early)
		sent := pattern(3 << 20)
		if got := transfer(r, c, s, sent); !bytes.Equal(got, sent) || string(early) != "early" {
			r.Error("what arrived is not what was sent")
		}
		r.must(c.Close())
		r.must(s.Close())
		r.must(h.Close())
		if nc, err := net.Dial(addr.Network(), ln.Addr().String()); err == nil {
			_ = nc.Close()
			r.Error("the original listener is still there")
		}
	}
	r.close()
	if after := r.openDescriptors(); after > before {
		r.Errorf("%d descriptors before, %d after", before, after)
	}
}

func testSendFile(r *rig) {
	client, server := r.pair(loopback())
	sender, ok := client.Conn.(driver.FileSender)
	if !ok {
		r.Skip("this driver leaves files to be read and written")
	}
	data := pattern(3 << 20)
	f, err := os.Create(filepath.Join(r.TempDir(), "file"))
	r.must(err)
	defer f.Close()
	_, err = f.Write(data)
	r.must(err)
	for sent := int64(5); ; {
		client.seen &^= driver.Writable
		n, err := sender.SendFile(f, sent, 1<<20)
		if n == 0 && err == nil {
			break
		}
		sent += int64(n)
		if errors.Is(err, driver.ErrWouldBlock) {
			buf := make([]byte, 64<<10) // make room
			m, err := server.Read(buf)
			if err != nil && !errors.Is(err, driver.ErrWouldBlock) {
				r.Fatal(err)
			}
			if !bytes.Equal(buf[:m], data[5:5+m]) {
				r.Fatal("what arrived is not what was sent")
			}
			data = append(data[:5:5], data[5+m:]...)
			if m == 0 {
				client.await(driver.Writable)
			}
		} else {
			r.must(err)
		}
	}
	r.must(client.CloseWrite())
	got, err := server.readAll()
	r.must(err)
	if !bytes.Equal(got, data[5:]) {
		r.Error("what arrived is not what was sent")
	}
	r.must(client.Close())
	if _, err := sender.SendFile(f, 0, 1); !errors.Is(err, net.ErrClosed) {
		r.Errorf("on a closed connection it gave %v", err)
	}
}
