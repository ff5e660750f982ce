package drivertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// pipe returns both ends of a pipe.
func (r *rig) pipe() (in, out *end) {
	r.Helper()
	read, write, err := r.machine.Pipe()
	r.must(err)
	return r.start(read), r.start(write)
}

func (r *rig) start(c driver.Conn) *end {
	r.Helper()
	e := r.newEnd()
	e.Conn = c
	r.must(c.Start(e))
	return e
}

func testPipe(r *rig) {
	in, out := r.pipe()
	if in.LocalAddr() != nil || out.RemoteAddr() != nil {
		r.Error("a pipe has an address")
	}
	sent := pattern(3 << 20)
	if got := transfer(r, out, in, sent); !bytes.Equal(got, sent) {
		r.Error("what arrived is not what was sent")
	}
	if out.seen&driver.Hangup != 0 {
		r.Error("the writing end was told of an end")
	}
	r.must(out.Close())
	in.wantEOF()
}

func testPipeCloseFlushes(r *rig) {
	in, out := r.pipe()
	taken := fill(r, out)
	r.must(out.Close())
	got, err := in.readAll()
	r.must(err)
	if !bytes.Equal(got, taken) {
		r.Errorf("%d bytes were taken, %d arrived, or others", len(taken), len(got))
	}
}

func testPipeCloseWrite(r *rig) {
	in, out := r.pipe()
	out.write([]byte("that is all"))
	r.must(out.CloseWrite())
	got, err := in.readAll()
	r.must(err)
	if string(got) != "that is all" {
		r.Errorf("got %q", got)
	}
}

func testPipeWithoutReader(r *rig) {
	in, out := r.pipe()
	r.must(in.Close())
	var err error
	for err == nil { // the first may be in the background
		err = out.tryWrite(pattern(100 << 10))
	}
	if !errors.Is(err, syscall.EPIPE) {
		r.Errorf("writing gave %v", err)
	}
}

// testPipeReaderGone has nothing to write.
func testPipeReaderGone(r *rig) {
	if runtime.GOOS == "windows" {
		r.Skip("the system does not tell before a write")
	}
	in, out := r.pipe()
	r.must(in.Close())
	out.await(driver.Hangup)
	r.must(out.Close())
}

// testClosePipeWhileReading closes what a read is awaited from.
func testClosePipeWhileReading(r *rig) {
	in, out := r.pipe()
	if _, err := in.Read(make([]byte, 1)); !errors.Is(err, driver.ErrWouldBlock) {
		r.Fatalf("read gave %v", err)
	}
	r.must(in.Close())
	if _, err := in.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		r.Errorf("read gave %v", err)
	}
	r.must(out.Close())
}

func testRegularFile(r *rig) {
	name := filepath.Join(r.TempDir(), "file")
	r.must(os.WriteFile(name, []byte("contents"), 0o600))
	f, err := os.Open(name)
	r.must(err)
	if _, err := r.d.OpenFile(f); err == nil {
		r.Error("a regular file was taken")
	}
	if _, err := io.ReadAll(f); !errors.Is(err, os.ErrClosed) {
		r.Errorf("the file is still open: %v", err)
	}
}
