//go:build linux

package epoll_test

import (
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/drivertest"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func BenchmarkDriver(b *testing.B) {
	drivertest.Bench(b, func() (driver.Driver, error) { return epoll.New() })
}

func TestDriver(t *testing.T) {
	drivertest.Run(t, func() (driver.Driver, error) { return epoll.New() }, nil)
}

type nobody struct{}

func (nobody) Ready(driver.Event) {}

// TestManyDescriptorsLeaveNoMemory watches descriptors all over the numbers that
// there can be.
func TestManyDescriptorsLeaveNoMemory(t *testing.T) {
	d, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	most := int(min(limit.Cur, 100_000))
	if most < 4096 {
		t.Skipf("only %d descriptors are allowed: too few to take much memory", most)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	before := heap()
	var fds []int
	for at := 256; at < most; at += 256 {
		fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, at)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		if err := d.Watch(uintptr(fd), driver.Readable, nobody{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.Handles(); n != len(fds) {
		t.Errorf("%d handles, want %d", n, len(fds))
	}
	for _, fd := range fds {
		if err := d.Watch(uintptr(fd), 0, nobody{}); err != nil {
			t.Error(err)
		}
		unix.Close(fd)
	}
	if held := heap() - before; held > int64(most) {
		t.Errorf("%d descriptors leave %d bytes behind", most, held)
	}
	if n := d.Handles(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
