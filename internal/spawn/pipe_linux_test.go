package spawn_test

import (
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/spawn"
)

// Whether this side's ends block is asked for; those of the process do in any case.
func TestThisSidesEndsBlockWhereThatIsAskedFor(t *testing.T) {
	if r, w, err := os.Pipe(); err == nil { // Go's poller, once there is one, has descriptors of its own
		_, _ = r.Close(), w.Close()
	}
	for _, blocking := range []bool{false, true} {
		before := descriptors()
		p := shell(t, "grep -o 'flags:.*' /proc/self/fdinfo/0; cat", spawn.Command{Std: std(spawn.Pipe, spawn.Pipe, spawn.Pipe), Blocking: blocking})
		for i, f := range p.Pipes {
			raw, err := f.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			err = raw.Control(func(fd uintptr) {
				if flags := must(unix.FcntlInt(fd, unix.F_GETFL, 0)); flags&syscall.O_NONBLOCK == 0 != blocking {
					t.Errorf("asked for %v, and the flags of pipe %d are %#x", blocking, i, flags)
				}
				if flags := must(unix.FcntlInt(fd, unix.F_GETFD, 0)); flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("pipe %d is passed on to processes", i)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		must(io.WriteString(p.Pipes[0], "hello\n"))
		_ = p.Pipes[0].Close()
		if out, code := outcome(t, p); out != "flags:\t0100000\nhello\n" && out != "flags:\t00\nhello\n" || code != 0 {
			t.Errorf("it wrote %q and ended with %d", out, code)
		}
		if after := descriptors(); after > before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	}
}
