package workerproc_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

func init() {
	workerproc.Register("environment", func(_ context.Context, name string) ([]string, error) {
		value, ok := os.LookupEnv(name)
		if !ok {
			return nil, nil
		}
		return []string{value}, nil
	})
}

// A countingWriter counts writes, and fails from one on.
type countingWriter struct {
	bytes.Buffer
	writes, fails int // fails: 0 never
}

var errFull = errors.New("full")

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.writes++; w.writes == w.fails {
		return 0, errFull
	}
	return w.Buffer.Write(p)
}

func TestFramesAreGatheredUpToASize(t *testing.T) {
	for _, c := range []struct{ size, writes int }{{0, 1}, {workerproc.OneWrite - 6, 1}, {workerproc.OneWrite, 2}, {3 * workerproc.OneWrite, 2}} {
		sent := bytes.Repeat([]byte{7}, c.size)
		write := func(w io.Writer) error {
			b := bufio.NewWriterSize(w, workerproc.OneWrite)
			return errors.Join(workerproc.WriteFrame(b, []byte{7, 7}, sent), b.Flush())
		}
		var w countingWriter
		if err := write(&w); err != nil || w.writes != c.writes {
			t.Errorf("%d bytes: %d writes, %v", c.size, w.writes, err)
		}
		if got, err := workerproc.ReadFrame(&w.Buffer, c.size+2); err != nil || !bytes.Equal(got[2:], sent) {
			t.Errorf("%d bytes: %d were read, %v", c.size, len(got), err)
		}
		for fails := 1; fails <= c.writes; fails++ {
			if err := write(&countingWriter{fails: fails}); !errors.Is(err, errFull) {
				t.Errorf("%d bytes, write %d fails: %v", c.size, fails, err)
			}
		}
	}
}

func TestAfterAWriteThatFailedNoFrameIsWritten(t *testing.T) {
	w := countingWriter{fails: 1}
	b := bufio.NewWriterSize(&w, 16)
	for range 2 {
		if err := workerproc.WriteFrame(b, []byte{1}, make([]byte, 100)); !errors.Is(err, errFull) {
			t.Error(err)
		}
	}
	if w.writes != 1 || w.Len() != 0 {
		t.Errorf("%d writes, %d bytes", w.writes, w.Len())
	}
}

// A worker that does not die by itself has a moment for it, and is killed then.
func TestAWorkerThatIsToEndSoonIsKilledInTheEnd(t *testing.T) {
	p := start(t, nil)
	request, err := workerproc.NewRequest("hang", struct{}{}, most)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Send(1, request), p.Flush()); err != nil {
		t.Fatal(err)
	}
	p.EndSoon()
	<-p.Gone()
	if s := p.Crash().State; s.Exited() {
		t.Errorf("it has ended with %v", s)
	}
}

func TestAFrameThatIsCutOffIsNoEnd(t *testing.T) {
	var w bytes.Buffer
	writeFrame(&w, make([]byte, 8))
	w.Truncate(7)
	if p, err := workerproc.ReadFrame(&w, 8); p != nil || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("%q, %v", p, err)
	}
}

func TestARequestComesApartAsItWasMade(t *testing.T) {
	for _, name := range []string{"", "x", strings.Repeat("n", workerproc.MaxName)} {
		arg, err := workerproc.Encode(5)
		if err != nil {
			t.Fatal(err)
		}
		r, err := workerproc.NewRequest(name, 5, len(arg)) // as large as may be
		if err != nil {
			t.Fatal(err)
		}
		if got, gotArg, err := workerproc.Split(r); got != name || !bytes.Equal(gotArg, arg) || err != nil {
			t.Errorf("a name of %d bytes: %d, %q, %v", len(name), len(got), gotArg, err)
		}
		if _, err := workerproc.NewRequest(name, 5, len(arg)-1); !errors.Is(err, workerproc.ErrTooLarge) {
			t.Errorf("an argument that is too large: %v", err)
		}
	}
	if _, err := workerproc.NewRequest("f", make(chan int), most); err == nil || errors.Is(err, workerproc.ErrTooLarge) {
		t.Errorf("an argument that cannot be encoded: %v", err)
	}
	if name, arg, err := workerproc.Split(workerproc.Request{0, 0}); name != "" || len(arg) != 0 || err != nil {
		t.Errorf("no name and no argument: %q, %q, %v", name, arg, err)
	}
	for _, cut := range []string{"", "\x00", "\x00\x01", "\x00\x02x"} {
		if _, _, err := workerproc.Split(workerproc.Request(cut)); err == nil {
			t.Errorf("%q is a request", cut)
		}
	}
}

func TestAReplyTellsTheMemoryAndTheResult(t *testing.T) {
	r := workerproc.NewReply(workerproc.ReplyValue, 1<<50+7, 1<<40+3, []byte("out"))
	if out, err := r.Result(); r.Memory() != 1<<40+3 || r.Number() != 1<<50+7 || r.Dropped() || string(out) != "out" || err != nil {
		t.Errorf("%d bytes of memory, %q, %v", r.Memory(), out, err)
	}
	var w bytes.Buffer
	writeFrame(&w, r)
	if got, err := workerproc.ReadReply(&w, len("out")); err != nil || !bytes.Equal(got, r) {
		t.Errorf("read %q, %v", got, err)
	}
	writeFrame(&w, r)
	if _, err := workerproc.ReadReply(&w, len("ou")); !errors.Is(err, workerproc.ErrTooLarge) {
		t.Errorf("with less room: %v", err)
	}
	w.Reset()
	writeFrame(&w, r[:workerproc.ReplyHead-1])
	if _, err := workerproc.ReadReply(&w, most); err != io.ErrUnexpectedEOF {
		t.Errorf("a reply without its head: %v", err)
	}
	writeFrame(&w, workerproc.NewReply(workerproc.ReplyValue, 2, 0, nil))
	if got, err := workerproc.ReadReply(&w, most); err != nil || len(got) != workerproc.ReplyHead || got.Number() != 2 {
		t.Errorf("an empty result: %q, %v", got, err)
	}
	if out, err := workerproc.NewReply(workerproc.ReplyFailed, 0, 0, []byte("no failure")).Result(); err == nil || out != nil {
		t.Errorf("a failure that cannot be decoded: %q, %v", out, err)
	}
	if err := (&workerproc.Failure{Message: "why"}).Error(); err != "why" {
		t.Errorf("the error says %q", err)
	}
}

func TestTheReplyOfAWorkerTellsItsMemory(t *testing.T) {
	p := start(t, nil)
	request, err := workerproc.NewRequest("repeat", 1, most)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := exchange(p, request)
	if err != nil {
		t.Fatal(err)
	}
	if m := reply.Memory(); m < 1<<18 || m > 1<<32 {
		t.Errorf("it uses %d bytes", m)
	}
}

func TestTheTailKeepsTheLastAndPassesAllOn(t *testing.T) {
	tail := workerproc.NewTail()
	var all strings.Builder
	for i := range 3000 {
		b := []byte{byte('a' + i%26), byte('0' + i%10), '\n'}
		all.Write(b)
		if n, err := tail.Write(b); n != 3 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		want := all.String()[max(0, all.Len()-workerproc.MaxTailBytes):]
		if tail.String() != want {
			t.Fatalf("after %d bytes it keeps %d, want %d", all.Len(), len(tail.String()), len(want))
		}
	}
	large := strings.Repeat("x", workerproc.MaxTailBytes) + "end"
	if n, err := io.WriteString(tail, large); n != len(large) || err != nil || tail.String() != large[3:] {
		t.Errorf("%d, %v, %d bytes kept", n, err, len(tail.String()))
	}
}

func TestAWorkerHasTheEnvironmentThatItsConfigSays(t *testing.T) {
	t.Setenv("WORKERPROC_TEST_WORD", "the parent's")
	t.Setenv("GOMEMLIMIT", "3000000000")
	for name, c := range map[string]struct {
		config      workerproc.Config
		word, limit string
	}{
		"nothing": {workerproc.Config{}, "the parent's", "3000000000"},
		"a word":  {workerproc.Config{Env: []string{"WORKERPROC_TEST_WORD=its own"}}, "its own", "3000000000"},
		"a limit": {workerproc.Config{MaxMemory: 1 << 30}, "the parent's", "1073741824"},
		"a byte":  {workerproc.Config{MaxMemory: 1}, "the parent's", "1"},
	} {
		c.config.MaxMessage = most
		p, err := workerproc.Start(t.Context(), &c.config)
		if err != nil {
			t.Fatal(err)
		}
		for variable, want := range map[string]string{"WORKERPROC_TEST_WORD": c.word, "GOMEMLIMIT": c.limit} {
			got, err := call[string, []string](p, "environment", variable)
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, %v; want %q", name, variable, got, err, want)
			}
		}
		if got, err := call[string, []string](p, "environment", "ASYNCIO_WORKER_PROCESS"); err != nil || got != nil {
			t.Errorf("what it starts would be workers: %q, %v", got, err)
		}
		p.HangUp()
		p.End()
	}
}

func TestAStartThatFailsLeavesNoDescriptorAndNoProcess(t *testing.T) {
	count := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("the system does not tell: ", err)
		}
		return len(d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := count()
	for name, start := range map[string]func() error{
		"a bad variable": func() error {
			_, err := workerproc.Start(t.Context(), &workerproc.Config{MaxMessage: most, Env: []string{"X=\x00"}})
			return err
		},
		"a stranger": func() error {
			_, err := workerproc.Start(t.Context(), &workerproc.Config{MaxMessage: most, Env: []string{stranger + "=some long words of its own"}})
			return err
		},
		"an ended context": func() error {
			_, err := workerproc.Start(ctx, &workerproc.Config{MaxMessage: most})
			return err
		},
	} {
		if err := start(); err == nil {
			t.Errorf("%s: it started", name)
		}
		if after := count(); after > before {
			t.Errorf("%s: %d descriptors before, %d after", name, before, after)
		}
	}
}

func TestAWorkerEndsWellWhenItsParentHangsUpAndIllWhenTheMessageIsNone(t *testing.T) {
	var printed bytes.Buffer
	p, err := workerproc.Start(t.Context(), &workerproc.Config{MaxMessage: most, Stderr: &printed})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exchange(p, make(workerproc.Request, most+workerproc.MaxName+2+workerproc.WantHead)); err == nil {
		t.Error("a request that is too large was answered")
	}
	p.End()
	if want := fmt.Sprintf("worker process %d died: exit status 1", p.Pid()); p.Crash().Error() != want {
		t.Errorf("%q, want %q", p.Crash(), want)
	}
	if c := p.Crash(); c.State.ExitCode() != 1 || !strings.Contains(printed.String(), "read a request") {
		t.Errorf("%v: %s", c, printed.String())
	}
}
