package portable

import (
	"io"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// The master of a terminal whose other side has gone fails with EIO; that is how
// Linux tells the end. Of anything else EIO is an error.
func TestTheEndOfATerminalIsAnEnd(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	defer master.Close()
	fd := int(number(t, master))
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	slave.Close()
	if n, err := (fileConn{File: master, terminal: true}).Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("a terminal: %d, %v", n, err)
	}
	if n, err := (fileConn{File: master}).Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("what is none: %d, %v", n, err)
	}
}

// Which it is, is seen when it is opened.
func TestATerminalIsKnownWhenItIsOpened(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	in, out := pipe(t)
	for _, c := range []struct {
		f                   *os.File
		terminal, writeOnly bool
	}{{master, true, false}, {in, false, false}, {out, false, true}} {
		opened, err := d.OpenFile(c.f)
		if err != nil {
			t.Fatal(err)
		}
		f := opened.(*conn).nc.(fileConn)
		if f.terminal != c.terminal || f.writeOnly != c.writeOnly || f.LocalAddr() != nil || f.RemoteAddr() != nil {
			t.Errorf("%s: a terminal: %v, for writing only: %v", c.f.Name(), f.terminal, f.writeOnly)
		}
		opened.Close()
	}
}
