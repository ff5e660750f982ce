//go:build linux

package epoll_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A header that a file follows leaves with the file: what is received first has both.
func TestWhatIsWrittenWithMoreToFollowWaitsForIt(t *testing.T) {
	d := open(t)
	var ls, cs seen
	ln, err := d.Listen(driver.ListenSpec{Addr: loopback}, &ls)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := d.Dial(driver.DialSpec{Remote: ln.Addr()}, &cs)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, d, func() bool { return ls.events&driver.Readable != 0 && cs.events&driver.Writable != 0 })
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := c.(interface{ WriteMore(p []byte) (int, error) }).WriteMore([]byte("a header, "))
	if n != 10 || err != nil {
		t.Fatalf("WriteMore wrote %d bytes, %v", n, err)
	}
	buf := make([]byte, 64)
	if n, err := peer.Read(buf); err != driver.ErrWouldBlock {
		t.Fatalf("%q was received before more came, %v", buf[:n], err)
	}
	if _, err := c.(driver.FileSender).SendFile(f, 0, 8); err != nil {
		t.Fatal(err)
	}
	got := ""
	until(t, d, func() bool {
		n, _ := peer.Read(buf)
		got += string(buf[:n])
		return strings.HasSuffix(got, "file")
	})
	if got != "a header, the file" {
		t.Errorf("%q was received", got)
	}
}
