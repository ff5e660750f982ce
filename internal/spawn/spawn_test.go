package spawn_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/internal/spawn"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// start starts the command.
func start(t *testing.T, c spawn.Command) *spawn.Process {
	t.Helper()
	p, err := must(spawn.New(&c)).Start()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shell starts a line for a shell of Unix.
func shell(t *testing.T, line string, c spawn.Command) *spawn.Process {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the line is for /bin/sh")
	}
	c.Name, c.Shell = line, true
	return start(t, c)
}

// outcome reads the process's output and returns it with the return code.
func outcome(t *testing.T, p *spawn.Process) (out string, code int) {
	t.Helper()
	if p.Pipes[1] != nil {
		out = string(must(io.ReadAll(p.Pipes[1])))
	}
	state, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	p.ClosePipes()
	return out, spawn.ExitCode(state)
}

// descriptors counts the open ones, where the system tells.
func descriptors() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(d)
}

func std(in, out, err spawn.Kind) [3]spawn.Redirect {
	return [3]spawn.Redirect{{Kind: in}, {Kind: out}, {Kind: err}}
}

func TestPipesLeadToTheProcess(t *testing.T) {
	before := descriptors()
	p := shell(t, "cat; echo wrong >&2; exit 3", spawn.Command{Std: std(spawn.Pipe, spawn.Pipe, spawn.ToStdout)})
	if p.Pipes[2] != nil {
		t.Error("standard error is a pipe of its own")
	}
	must(io.WriteString(p.Pipes[0], "hello, "))
	p.Pipes[0].Close()
	if out, code := outcome(t, p); out != "hello, wrong\n" || code != 3 {
		t.Errorf("it wrote %q and ended with %d", out, code)
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestStandardErrorHasAPipeOfItsOwn(t *testing.T) {
	p := shell(t, "echo out; echo err >&2", spawn.Command{Std: std(spawn.DevNull, spawn.Pipe, spawn.Pipe)})
	if got := string(must(io.ReadAll(p.Pipes[2]))); got != "err\n" {
		t.Errorf("it wrote %q", got)
	}
	if out, _ := outcome(t, p); out != "out\n" {
		t.Errorf("it wrote %q", out)
	}
}

func TestTheNullDeviceIsEmpty(t *testing.T) {
	p := shell(t, "cat; echo end", spawn.Command{Std: std(spawn.DevNull, spawn.Pipe, spawn.DevNull)})
	if out, _ := outcome(t, p); out != "end\n" {
		t.Errorf("it read %q", out)
	}
}

func TestAFileAndExtraFilesReachTheProcess(t *testing.T) {
	f := must(os.Create(filepath.Join(t.TempDir(), "f")))
	defer f.Close()
	c := spawn.Command{Extra: []*os.File{f}, Dir: filepath.Dir(f.Name()), Env: []string{"WORD=env"}}
	c.Std[1] = spawn.Redirect{Kind: spawn.UseFile, File: f}
	p := shell(t, "echo $WORD; pwd -P >/dev/null && test -f f && echo three >&3", c)
	if _, code := outcome(t, p); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if got := string(must(os.ReadFile(f.Name()))); got != "env\nthree\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestTheProgramIsLookedForInThePATHThatItWillHave(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program is a script")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "greet")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $1\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := spawn.Command{Name: "greet", Args: []string{"you"}, Std: std(spawn.DevNull, spawn.Pipe, spawn.DevNull)}
	c.Env = []string{"PATH=/nowhere", "PATH=relative:" + dir} // the last one counts
	if out, _ := outcome(t, start(t, c)); out != script+" you\n" {
		t.Errorf("it wrote %q", out)
	}
	c.Env = []string{"PATH=/nowhere"}
	if _, err := must(spawn.New(&c)).Start(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("with another PATH: %v", err)
	}
}

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	before := descriptors()
	for name, c := range map[string]spawn.Command{
		"no program":   {Name: filepath.Join(t.TempDir(), "absent"), Std: std(spawn.Pipe, spawn.Pipe, spawn.DevNull)},
		"no directory": {Name: "sh", Dir: filepath.Join(t.TempDir(), "absent"), Std: std(spawn.DevNull, spawn.Pipe, spawn.Pipe)},
	} {
		if p, err := must(spawn.New(&c)).Start(); err == nil {
			p.Discard()
			t.Errorf("%s: it started", name)
		}
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestDiscardEndsTheProcess(t *testing.T) {
	p := shell(t, "exec sleep 1000", spawn.Command{Std: std(spawn.Pipe, spawn.Pipe, spawn.Inherit)})
	p.Discard()
	if err := p.Signal(os.Kill); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("afterwards a signal gave %v", err)
	}
	if _, err := p.Pipes[1].Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("its pipe gave %v", err)
	}
}

func TestTheReturnCodeOfASignalIsNegative(t *testing.T) {
	p := shell(t, "exec sleep 1000", spawn.Command{})
	if err := spawn.Terminate(p.Process); err != nil {
		t.Fatal(err)
	}
	if _, code := outcome(t, p); code != -15 {
		t.Errorf("the return code is %d", code)
	}
}

func TestReaderGoneTellsTheEndOfAPipesReader(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the system does not tell")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	raw := must(w.SyscallConn())
	if spawn.ReaderGone(raw) {
		t.Error("the reader is there")
	}
	r.Close()
	if !spawn.ReaderGone(raw) {
		t.Error("the reader is gone")
	}
	if _, err := w.Write([]byte("x")); !spawn.BrokenPipe(err) {
		t.Errorf("a write gave %v", err)
	}
	if spawn.BrokenPipe(io.EOF) || spawn.BrokenPipe(nil) {
		t.Error("an end is no broken pipe")
	}
}

func TestATerminalIsAllThreeDescriptors(t *testing.T) {
	c := spawn.Command{Attributes: spawn.Attributes{Terminal: &spawn.Size{Columns: 71, Rows: 13}}}
	c.Name, c.Shell = "stty size; test -t 0 && test -t 2 && echo all", true
	starter, err := spawn.New(&c)
	if err == nil && runtime.GOOS != "linux" {
		_, err = starter.Start()
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a terminal: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := starter.Start()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		t.Skip("no terminals here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if p.Pipes[0] != nil || p.Pipes[2] != nil {
		t.Error("it has pipes beside the terminal")
	}
	var out strings.Builder
	_, _ = io.Copy(&out, p.Pipes[1]) // ends with an error, as terminals do
	state := must(p.Wait())
	p.ClosePipes()
	if got := out.String(); got != "13 71\r\nall\r\n" || spawn.ExitCode(state) != 0 {
		t.Errorf("it wrote %q, and ended with %v", got, state)
	}
}

func TestATerminalOfNoSizeIsRefused(t *testing.T) {
	for _, s := range []spawn.Size{{Columns: -1}, {Rows: -1}, {Columns: 1 << 16}, {Rows: 1 << 16}} {
		if err := s.Check(); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%v: %v", s, err)
		}
		if err := spawn.SetTerminalSize(nil, s); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%v: %v", s, err)
		}
	}
	if err := (spawn.Size{Columns: 1<<16 - 1}).Check(); err != nil {
		t.Error(err)
	}
}

func TestOnlyAProcessWithADeathSignalDiesWithItsThread(t *testing.T) {
	starter := must(spawn.New(&spawn.Command{Name: "x"}))
	if starter.DiesWithThread() {
		t.Error("without a signal")
	}
	starter, err := spawn.New(&spawn.Command{Name: "x", Attributes: spawn.Attributes{DeathSignal: os.Kill}})
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil || !starter.DiesWithThread() {
		t.Errorf("with one: %v", err)
	}
}

func TestTheSizeOfWhatIsNoTerminalIsNotSet(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no terminals here")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	raw := must(r.SyscallConn())
	var call *os.SyscallError
	if err := spawn.SetTerminalSize(raw, spawn.Size{Columns: 80, Rows: 25}); !errors.As(err, &call) {
		t.Errorf("of a pipe: %v", err)
	}
	r.Close()
	if err := spawn.SetTerminalSize(raw, spawn.Size{Columns: 80, Rows: 25}); err == nil || errors.As(err, &call) {
		t.Errorf("of what is closed: %v", err)
	}
}
