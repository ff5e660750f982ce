package asyncio_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

func TestAnIdleStreamTakesTheSmallestStackAndLittleElse(t *testing.T) {
	if raceDetector() {
		t.Skip("with the race detector, frames are larger")
	}
	if role() == "" {
		// A new stack is as large as others were at the last collection: that
		// must not hang on what else has run here.
		t.Setenv("GODEBUG", "adaptivestackstart=0")
		_, out, wait := again(t, "server")
		t.Logf("the other process:\n%s", must(io.ReadAll(out)))
		wait()
		return
	}
	const n = 400
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		count := &counter{news: asyncio.NewFuture[struct{}](loopOf(ctx)), want: n}
		var buffer [64]byte
		srv := serve(t, ctx, func(_ context.Context, s *asyncio.Stream) error {
			count.add(1)
			for {
				if _, err := s.Read(buffer[:]); err != nil {
					return nil
				}
				if _, err := s.Write(buffer[:]); err != nil {
					return nil
				}
			}
		})
		addr := srv.Addr().(*net.TCPAddr)
		to := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
		before := memory()
		for range n { // the clients take no memory of this process
			fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
			defer unix.Close(fd)
			if err := unix.Connect(fd, to); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := count.news.Await(ctx); err != nil {
			t.Fatal(err)
		}
		turns(ctx, 5)
		after := memory()
		stack := (int64(after.StackInuse) - int64(before.StackInuse)) / n
		heap := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
		t.Logf("an idle stream takes %d bytes of stack and %d of heap", stack, heap)
		if stack > 2048+256 {
			t.Errorf("an idle stream takes %d bytes of stack", stack)
		}
		if heap > 1300 {
			t.Errorf("an idle stream takes %d bytes of heap", heap)
		}
		srv.AbortClients()
		shutdown(t, ctx, srv)
	})
}
