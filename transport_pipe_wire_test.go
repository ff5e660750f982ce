package asyncio_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A pipeDriver has one pipe.
type pipeDriver struct {
	*asyncio.Clock
	end *pipeEnd
}

func (d *pipeDriver) OpenFile(f *os.File) (driver.Conn, error) { return d.end, f.Close() }

// A pipeEnd is the writing end of a pipe that knows of its reader.
type pipeEnd struct {
	*wire
	gone  bool
	asked int
}

func (p *pipeEnd) ReaderGone() bool { p.asked++; return p.gone }

// openPipeEnd makes a transport on the writing end of a pipe.
func openPipeEnd(t *testing.T, body func(ctx context.Context, end *pipeEnd, r *recorder)) {
	t.Helper()
	end := &pipeEnd{wire: &wire{}}
	runOn(t, asyncio.WithDriver(&pipeDriver{asyncio.NewClock(), end}), func(t *testing.T, ctx context.Context) {
		in, out := osPipe(t)
		defer in.Close()
		r := &recorder{}
		writePipe(t, ctx, r, out)
		body(ctx, end, r)
	})
}

func TestAWritePipeAsksForItsReaderWhenThereMayBeNone(t *testing.T) {
	openPipeEnd(t, func(ctx context.Context, end *pipeEnd, r *recorder) {
		end.h.Ready(driver.Readable | driver.Writable)
		turns(ctx, 2)
		if end.asked != 0 {
			t.Errorf("it asked %d times, and nothing hung up", end.asked)
		}
		for i := range 2 {
			end.h.Ready(driver.Hangup)
			end.h.Ready(driver.Hangup | driver.Writable)
			turns(ctx, 2)
			if end.asked != i+1 {
				t.Errorf("it asked %d times in %d turns", end.asked, i+1)
			}
		}
		r.check(t, "made")
		// What is queued goes on when there is room: the events are the socket's, too.
		r.transport.Write([]byte("data"))
		end.makeRoom(10)
		turns(ctx, 2)
		if string(end.out) != "data" {
			t.Errorf("%q was written", end.out)
		}
		end.gone = true
		end.h.Ready(driver.Hangup)
		r.untilCall(ctx, "lost")
		var call *os.SyscallError
		if !errors.As(r.lost, &call) || call.Syscall != "write" || call.Err != syscall.EPIPE || end.closed != 1 {
			t.Errorf("lost with %v, closed %d times", r.lost, end.closed)
		}
		r.check(t, "made", "lost")
	})
}

func TestAWritePipeThatIsClosedAsksForNobody(t *testing.T) {
	openPipeEnd(t, func(ctx context.Context, end *pipeEnd, r *recorder) {
		end.gone = true
		end.h.Ready(driver.Hangup)
		r.transport.Close()
		r.untilCall(ctx, "lost")
		turns(ctx, 2)
		if end.asked != 0 || r.lost != nil || end.shut != 0 || end.closed != 1 {
			t.Errorf("it asked %d times, was lost with %v, shut %d and closed %d times", end.asked, r.lost, end.shut, end.closed)
		}
	})
}

// The end of a pipe is to close it, after what was written.
func TestTheEndOfAWritePipeClosesIt(t *testing.T) {
	openPipeEnd(t, func(ctx context.Context, end *pipeEnd, r *recorder) {
		r.transport.Write([]byte("data"))
		if err := r.transport.WriteEOF(); err != nil || end.closed != 0 {
			t.Errorf("%v, closed %d times with something unsent", err, end.closed)
		}
		if _, err := r.transport.Write([]byte("x")); err == nil {
			t.Error("something was written after the end")
		}
		end.makeRoom(10)
		r.untilCall(ctx, "lost")
		if string(end.out) != "data" || end.shut != 0 || end.closed != 1 || r.lost != nil || len(end.inVain) > 0 {
			t.Errorf("%q was written, shut %d and closed %d times, lost with %v; in vain: %v", end.out, end.shut, end.closed, r.lost, end.inVain)
		}
	})
}

func TestAPipeWithoutAProtocolIsClosed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		none := func() asyncio.Protocol { return nil }
		for which, connect := range map[string]func(context.Context, func() asyncio.Protocol, *os.File) (asyncio.Transport, asyncio.Protocol, error){
			"read": l.ConnectReadPipe, "write": l.ConnectWritePipe,
		} {
			in, out := osPipe(t)
			f, other := in, out
			if which == "write" {
				f, other = out, in
			}
			name := f.Name()
			tr, p, err := connect(ctx, none, f)
			if tr != nil || p != nil || err == nil || err.Error() != "asyncio: connect "+which+" pipe "+name+": the factory gave no protocol" {
				t.Errorf("%s: %v", which, err)
			}
			if err := f.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("%s: it was left open", which)
			}
			other.Close()
			regular := fileOf(t, nil)
			if tr, p, err := connect(ctx, noProtocol, regular); tr != nil || p != nil || err == nil || !strings.HasPrefix(err.Error(), "asyncio: connect "+which+" pipe "+regular.Name()+": ") {
				t.Errorf("%s of a regular file: %v", which, err)
			}
		}
	})
}
