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
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// stranger makes this program one that is no worker when it is started again.
const stranger = "WORKERPROC_TEST_STRANGER"

func TestMain(m *testing.M) {
	if said, ok := os.LookupEnv(stranger); ok {
		fmt.Print(said)
		os.Exit(7)
	}
	workerproc.Main()
	goleak.VerifyTestMain(m)
}

type pair struct {
	A int
	B *string
}

func init() {
	workerproc.Register("swap", func(_ context.Context, p pair) (pair, error) {
		fmt.Println("this must not get among the messages")
		text := fmt.Sprint(p.A)
		return pair{A: len(*p.B), B: &text}, nil
	})
	workerproc.Register("repeat", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	workerproc.Register("nothing", func(_ context.Context, _ struct{}) (struct{}, error) { return struct{}{}, nil })
	workerproc.Register("fail", func(_ context.Context, s string) (int, error) { return 0, errors.New(s) })
	workerproc.Register("panic", func(_ context.Context, s string) (int, error) { panic(s) })
	workerproc.Register("exit", func(_ context.Context, code int) (int, error) {
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(code)
		return 0, nil
	})
	workerproc.Register("hang", func(context.Context, struct{}) (int, error) {
		fmt.Fprintln(os.Stderr, "hanging")
		select {}
	})
}

const most = 16 << 10

// start starts a worker that ends with the test.
func start(t *testing.T, stderr io.Writer) *workerproc.Process {
	t.Helper()
	p, err := workerproc.Start(t.Context(), &workerproc.Config{MaxMessage: most, Stderr: stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.HangUp()
		p.End()
	})
	return p
}

// exchange sends a request and waits for the reply.
func exchange(p *workerproc.Process, r workerproc.Request) (workerproc.Reply, error) {
	if err := errors.Join(p.Send(1, r), p.Flush()); err != nil {
		return nil, err
	}
	return p.Receive()
}

// writeFrame writes a frame to memory.
func writeFrame(to *bytes.Buffer, p []byte) {
	w := bufio.NewWriter(to)
	if err := errors.Join(workerproc.WriteFrame(w, nil, p), w.Flush()); err != nil {
		panic(err)
	}
}

// call calls a function of the worker.
func call[In, Out any](p *workerproc.Process, name string, in In) (out Out, err error) {
	request, err := workerproc.NewRequest(name, in, most)
	if err != nil {
		return out, err
	}
	reply, err := exchange(p, request)
	if err != nil {
		return out, err
	}
	result, err := reply.Result()
	if err != nil {
		return out, err
	}
	return workerproc.Decode[Out](result)
}

func TestAWorkerRunsWhatItIsAskedFor(t *testing.T) {
	var printed bytes.Buffer
	p, err := workerproc.Start(t.Context(), &workerproc.Config{MaxMessage: most, MaxMemory: 1 << 30, Stderr: &printed, Env: []string{"GORACE=atexit_sleep_ms=0"}})
	if err != nil {
		t.Fatal(err)
	}
	b := "four"
	for range 2 {
		if out, err := call[pair, pair](p, "swap", pair{12, &b}); err != nil || out.A != 4 || *out.B != "12" {
			t.Errorf("it returned %+v, %v", out, err)
		}
	}
	if _, err := call[struct{}, struct{}](p, "nothing", struct{}{}); err != nil {
		t.Error(err)
	}
	p.HangUp()
	p.End()
	if c := p.Crash(); c.State.ExitCode() != 0 || c.Process != p.Pid() {
		t.Errorf("it ended with %v", c)
	}
	if got := printed.String(); strings.Count(got, "among the messages") != 2 {
		t.Errorf("standard error got %q", got)
	}
}

func TestFailuresComeBack(t *testing.T) {
	p := start(t, nil)
	var f *workerproc.Failure
	if _, err := call[string, int](p, "fail", "it failed"); !errors.As(err, &f) || f.Message != "it failed" || f.Panicked {
		t.Errorf("an error: %v", err)
	}
	if _, err := call[string, int](p, "panic", "it panicked"); !errors.As(err, &f) || f.Message != "it panicked" || !f.Panicked ||
		!strings.Contains(string(f.Stack), "workerproc_test.go") {
		t.Errorf("a panic: %v", err)
	}
	if _, err := call[int, int](p, "absent", 1); !errors.As(err, &f) || !strings.Contains(f.Message, `"absent"`) {
		t.Errorf("no function: %v", err)
	}
	if _, err := call[string, int](p, "repeat", "no number"); !errors.As(err, &f) || !strings.Contains(f.Message, "the argument of repeat") {
		t.Errorf("another argument: %v", err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	p := start(t, nil)
	if out, err := call[int, string](p, "repeat", 500); len(out) != 500 || err != nil {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if _, err := call[int, string](p, "repeat", most); !errors.Is(err, workerproc.ErrTooLarge) {
		t.Errorf("a large result: %v", err)
	}
	if _, err := call[string, int](p, "fail", strings.Repeat("x", most-200)+"y"); err == nil || errors.Is(err, workerproc.ErrTooLarge) {
		t.Errorf("a long failure: %v", err)
	}
	if _, err := workerproc.NewRequest("repeat", strings.Repeat("x", most), most); !errors.Is(err, workerproc.ErrTooLarge) {
		t.Errorf("a large argument: %v", err)
	}
	if _, err := workerproc.NewRequest(strings.Repeat("n", 1<<16), 1, most); err == nil {
		t.Error("a name of 64 KiB is none")
	}
	if out, err := call[int, string](p, "repeat", 3); out != "xxx" || err != nil {
		t.Errorf("afterwards: %q, %v", out, err)
	}
}

func TestAWorkerThatDiesSaysOfWhat(t *testing.T) {
	p := start(t, io.Discard)
	if _, err := call[int, int](p, "exit", 3); err == nil {
		t.Fatal("it lives")
	}
	p.End()
	if c := p.Crash(); c.State.ExitCode() != 3 || c.Stderr != "last words\n" || c.Process != p.Pid() {
		t.Errorf("it is %+v", c)
	}
}

func TestKillEndsACall(t *testing.T) {
	p := start(t, nil)
	done := make(chan error)
	go func() {
		_, err := call[struct{}, int](p, "hang", struct{}{})
		done <- err
	}()
	p.Kill()
	if err := <-done; err == nil {
		t.Error("it returned")
	}
	<-p.Gone()
}

func TestAProgramThatIsNoWorkerIsToldByItsFirstWords(t *testing.T) {
	config := func(said string) *workerproc.Config {
		return &workerproc.Config{MaxMessage: most, Env: []string{stranger + "=" + said}}
	}
	if _, err := workerproc.Start(t.Context(), config("a program with work of its own")); err != workerproc.ErrNoMain {
		t.Errorf("a stranger: %v", err)
	}
	var crash *workerproc.Crash
	if _, err := workerproc.Start(t.Context(), config("")); !errors.As(err, &crash) || crash.State.ExitCode() != 7 {
		t.Errorf("one that ends: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no time")
	cancel(why)
	if _, err := workerproc.Start(ctx, &workerproc.Config{MaxMessage: most}); err != why {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestANameIsRegisteredOnce(t *testing.T) {
	if workerproc.Register("fail", func(context.Context, int) (int, error) { return 0, nil }) {
		t.Error("the name was taken")
	}
	if !workerproc.MainCalled() {
		t.Error("Main was called")
	}
}

func TestFramesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 50)).Draw(t, "frames")
		var wire bytes.Buffer
		for _, p := range frames {
			writeFrame(&wire, p)
		}
		all := bytes.Clone(wire.Bytes())
		for _, want := range frames {
			if p, err := workerproc.ReadFrame(&wire, 50); err != nil || !bytes.Equal(p, want) {
				t.Fatalf("%q, %v; want %q", p, err, want)
			}
		}
		if _, err := workerproc.ReadFrame(&wire, 50); err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		r := bytes.NewReader(all[:cut])
		for {
			before := r.Len()
			if _, err := workerproc.ReadFrame(r, 50); err != nil {
				if (err == io.EOF) != (before == 0) {
					t.Fatalf("with %d bytes left: %v", before, err)
				}
				return
			}
		}
	})
}

func TestAFrameThatIsTooLongIsNotRead(t *testing.T) {
	var wire bytes.Buffer
	writeFrame(&wire, make([]byte, 11))
	if _, err := workerproc.ReadFrame(&wire, 10); !errors.Is(err, workerproc.ErrTooLarge) || wire.Len() != 11 {
		t.Errorf("%v; %d bytes are left", err, wire.Len())
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{"", "\x00", "\x00\x04swap", "\x00\x04swap\x01\x02", "\xff\xffswap", "\x00\x06repeat\x03\x04\x00\x05"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if bytes.Contains(p, []byte("exit")) || bytes.Contains(p, []byte("hang")) {
			t.Skip("such functions do not return")
		}
		out, err := workerproc.AnswerReply(p, most).Result()
		if (err == nil) == (out == nil) && err != nil {
			t.Errorf("%q gave %q, %v", p, out, err)
		}
	})
}

// A result may be as large as is said, and not a byte larger.
func TestTheLargestResultIsOne(t *testing.T) {
	request, err := workerproc.NewRequest("repeat", 500, most)
	if err != nil {
		t.Fatal(err)
	}
	result, err := workerproc.AnswerReply(request, most).Result()
	if err != nil {
		t.Fatal(err)
	}
	n := len(result)
	if got, err := workerproc.AnswerReply(request, n).Result(); len(got) != n || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := workerproc.AnswerReply(request, n-1).Result(); !errors.Is(err, workerproc.ErrTooLarge) {
		t.Errorf("a byte more: %v", err)
	}
}

// sendHangAndTwo sends a call that never ends, and two behind it.
func sendHangAndTwo(t *testing.T, p *workerproc.Process) {
	t.Helper()
	for n, name := range []string{"hang", "nothing", "nothing"} {
		r, err := workerproc.NewRequest(name, struct{}{}, most)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Send(uint64(n+1), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
}

// said is closed when something is written to it.
type said chan struct{}

func (s said) Write(p []byte) (int, error) {
	close(s)
	return len(p), nil
}

func TestCallsThatHaveNotBegunAreTakenBack(t *testing.T) {
	hanging := make(said)
	p := start(t, hanging)
	sendHangAndTwo(t, p)
	<-hanging
	if err := errors.Join(p.Drop(2), p.TakeBack(), p.Flush()); err != nil {
		t.Fatal(err)
	}
	for want := range 2 {
		if r, err := p.Receive(); err != nil || !r.Dropped() || r.Number() != uint64(want+2) {
			t.Errorf("%v, %v", r, err)
		}
	}
	// That which has begun ends the process.
	if err := errors.Join(p.Drop(1), p.Flush()); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Receive(); err != io.EOF {
		t.Errorf("%v, %v", r, err)
	}
	p.End()
	if c := p.Crash(); c.State.ExitCode() != 1 {
		t.Errorf("%v", c)
	}
}

func TestADroppedCallThatIsDoneChangesNothing(t *testing.T) {
	p := start(t, nil)
	if _, err := call[struct{}, struct{}](p, "nothing", struct{}{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Drop(1), p.TakeBack(), p.Flush()); err != nil {
		t.Fatal(err)
	}
	if out, err := call[int, string](p, "repeat", 3); out != "xxx" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}
