package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// osPipe returns both ends of a pipe.
func osPipe(t *testing.T) (in, out *os.File) {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}

func readPipe(t *testing.T, ctx context.Context, p asyncio.Protocol, f *os.File) asyncio.Transport {
	t.Helper()
	tr, got, err := loopOf(ctx).ConnectReadPipe(ctx, func() asyncio.Protocol { return p }, f)
	if err != nil || got != p {
		t.Fatal(got, err)
	}
	return tr
}

func writePipe(t *testing.T, ctx context.Context, p asyncio.Protocol, f *os.File) asyncio.Transport {
	t.Helper()
	tr, got, err := loopOf(ctx).ConnectWritePipe(ctx, func() asyncio.Protocol { return p }, f)
	if err != nil || got != p {
		t.Fatal(got, err)
	}
	return tr
}

func TestReadPipeReceivesWhatIsWrittenAndItsEnd(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		in, out := osPipe(t)
		r := &recorder{keepOpen: true} // of which a pipe takes no notice
		tr := readPipe(t, ctx, r, in)
		r.check(t, "made")
		out.WriteString("1")
		r.untilData(ctx, 1)
		out.WriteString("2345")
		r.untilData(ctx, 5)
		if string(r.data) != "12345" || !tr.IsReading() {
			t.Errorf("got %q; reading: %v", r.data, tr.IsReading())
		}
		out.Close()
		r.untilCall(ctx, "lost")
		r.check(t, "made", "data", "eof", "lost")
		if r.lost != nil || !tr.IsClosing() {
			t.Errorf("it was lost with %v", r.lost)
		}
	})
}

func TestReadPipeIsForReadingOnly(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		in, out := osPipe(t)
		defer out.Close()
		r := &recorder{}
		tr := readPipe(t, ctx, r, in)
		if n, err := tr.Write([]byte("x")); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Write gave %d, %v", n, err)
		}
		if _, err := tr.WriteLines([]byte("x")); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("WriteLines gave %v", err)
		}
		if err := tr.WriteEOF(); tr.CanWriteEOF() || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("CanWriteEOF says %v, WriteEOF gave %v", tr.CanWriteEOF(), err)
		}
		if tr.LocalAddr() != nil || tr.RemoteAddr() != nil {
			t.Error("a pipe has an address")
		}
		out.WriteString("still there")
		r.untilData(ctx, 11)
		tr.Close()
		r.untilCall(ctx, "lost")
		r.check(t, "made", "data", "lost")
	})
}

func TestReadPipePausesAndResumes(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		in, out := osPipe(t)
		r := &recorder{}
		tr := readPipe(t, ctx, r, in)
		tr.PauseReading()
		tr.PauseReading()
		out.WriteString("held back")
		if tr.IsReading() {
			t.Error("IsReading says true")
		}
		// What goes round trip after it shows that time has passed.
		in2, out2 := osPipe(t)
		probe := &recorder{}
		readPipe(t, ctx, probe, in2)
		out2.WriteString("x")
		probe.untilData(ctx, 1)
		r.check(t, "made")
		tr.ResumeReading()
		tr.ResumeReading()
		r.untilData(ctx, 9)
		out.Close()
		out2.Close()
		r.untilCall(ctx, "lost")
		probe.untilCall(ctx, "lost")
		tr.PauseReading() // does nothing any more
		tr.ResumeReading()
	})
}

func TestWritePipeWritesAndItsEndIsRead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, end := range []string{"Close", "WriteEOF"} {
			in, out := osPipe(t)
			w := &recorder{}
			tr := writePipe(t, ctx, w, out)
			data := pattern(1 << 20) // more than the system holds
			if n, err := tr.Write(data); n != len(data) || err != nil {
				t.Errorf("Write gave %d, %v", n, err)
			}
			if tr.WriteBufferSize() == 0 && !strings.HasSuffix(t.Name(), "/portable") {
				t.Error("nothing is queued")
			}
			if !tr.CanWriteEOF() || tr.IsReading() {
				t.Error("CanWriteEOF says false, or IsReading says true")
			}
			if end == "Close" {
				tr.Close()
			} else if err := tr.WriteEOF(); err != nil {
				t.Error(err)
			}
			if _, err := tr.Write(data); err == nil {
				t.Errorf("Write after %s gave no error", end)
			}
			got, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(in) })
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d of %d bytes came, %v", len(got), len(data), err)
			}
			in.Close()
			w.untilCall(ctx, "lost")
			if w.lost != nil {
				t.Errorf("after %s it was lost with %v", end, w.lost)
			}
		}
	})
}

func TestWritePipeNoticesThatItsReaderHasGone(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		in, out := osPipe(t)
		w := &recorder{}
		tr := writePipe(t, ctx, w, out)
		in.Close()
		if strings.HasSuffix(t.Name(), "/portable") { // which learns that by writing
			tr.Write([]byte("x"))
		}
		w.untilCall(ctx, "lost")
		if !errors.Is(w.lost, syscall.EPIPE) {
			t.Errorf("it was lost with %v", w.lost)
		}
		if _, err := tr.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after that gave %v", err)
		}

		// Likewise with something queued.
		in, out = osPipe(t)
		w = &recorder{}
		writePipe(t, ctx, w, out).Write(pattern(1 << 20))
		in.Close()
		w.untilCall(ctx, "lost")
		if !errors.Is(w.lost, syscall.EPIPE) {
			t.Errorf("with something queued it was lost with %v", w.lost)
		}
	})
}

func TestWritePipeIsPausedAndResumed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		in, out := osPipe(t)
		w, r := &recorder{}, &recorder{}
		tr := writePipe(t, ctx, w, out)
		source := readPipe(t, ctx, r, in)
		source.PauseReading()
		sent := 0
		for chunk := pattern(32 << 10); tr.WriteBufferSize() <= 64<<10; {
			n, err := tr.Write(chunk)
			if err != nil {
				t.Fatal(err)
			}
			sent += n
			asyncio.Sleep(ctx, 0)
		}
		w.untilCall(ctx, "pause")
		source.ResumeReading()
		w.untilCall(ctx, "resume")
		tr.Close()
		r.untilCall(ctx, "lost")
		w.untilCall(ctx, "lost")
		if len(r.data) != sent {
			t.Errorf("%d of %d bytes came", len(r.data), sent)
		}
	})
}

func TestPipeIsAborted(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		in, out := osPipe(t)
		w, r := &recorder{}, &recorder{}
		writer, reader := writePipe(t, ctx, w, out), readPipe(t, ctx, r, in)
		reader.PauseReading()
		writer.Write(pattern(1 << 20))
		writer.Abort()
		writer.Abort()
		w.untilCall(ctx, "lost")
		if w.lost != nil || writer.WriteBufferSize() != 0 {
			t.Errorf("it was lost with %v and %d bytes", w.lost, writer.WriteBufferSize())
		}
		reader.Abort()
		r.untilCall(ctx, "lost")
		r.check(t, "made", "lost")
	})
}

func TestPipeThatCannotBeWaitedForSaysSo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("NUL is no file there")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		base := func() asyncio.Protocol { return asyncio.BaseProtocol{} }
		null := must(os.OpenFile(os.DevNull, os.O_RDWR, 0))
		_, _, err := loopOf(ctx).ConnectReadPipe(ctx, base, null)
		if err == nil || !strings.Contains(err.Error(), "always ready") || !strings.Contains(err.Error(), os.DevNull) {
			t.Errorf("it gave %v", err)
		}
	})
}

func TestConnectPipeSaysWhyItFailed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for _, connect := range []func(context.Context, func() asyncio.Protocol, *os.File) (asyncio.Transport, asyncio.Protocol, error){l.ConnectReadPipe, l.ConnectWritePipe} {
			open := func() *os.File { return must(os.Create(filepath.Join(t.TempDir(), "file"))) }
			f := open()
			if _, _, err := connect(ctx, newEcho, f); err == nil {
				t.Error("a regular file gave no error")
			}
			if err := f.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("what was refused is still open: %v", err)
			}
			f = open()
			if _, _, err := connect(ctx, func() asyncio.Protocol { return nil }, f); err == nil || !strings.Contains(err.Error(), "factory") {
				t.Errorf("a factory that gives nothing gave %v", err)
			}
			if err := f.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("what was refused is still open: %v", err)
			}
			f = open()
			if _, _, err := connect(t.Context(), newEcho, f); !errors.Is(err, asyncio.ErrNoRunningLoop) {
				t.Errorf("without a loop it gave %v", err)
			}
			if err := f.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("what was refused is still open: %v", err)
			}
		}
	})
}

func TestPipeIsClosedInsideEachCallback(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, call := range []string{"made", "data", "eof", "lost"} {
			in, out := osPipe(t)
			r := &recorder{}
			r.on = map[string]func(){call: func() { r.transport.Close() }}
			_, _, err := loopOf(ctx).ConnectReadPipe(ctx, func() asyncio.Protocol { return r }, in)
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString("x")
			out.Close()
			r.untilCall(ctx, "lost")
			if r.lost != nil {
				t.Errorf("closed in %s it was lost with %v", call, r.lost)
			}
		}
	})
}
