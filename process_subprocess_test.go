//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// run starts a program that must start.
func start(t *testing.T, ctx context.Context, opts []asyncio.ProcessOption, name string, args ...string) *asyncio.Process {
	t.Helper()
	p, err := asyncio.CreateSubprocessExec(ctx, name, args, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shell(t *testing.T, ctx context.Context, line string, opts ...asyncio.ProcessOption) *asyncio.Process {
	t.Helper()
	p, err := asyncio.CreateSubprocessShell(ctx, line, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waitFor waits for the process and checks how it has ended.
func waitFor(t *testing.T, ctx context.Context, p *asyncio.Process, want int) {
	t.Helper()
	code, err := p.Wait(ctx)
	if err != nil || code != want {
		t.Fatalf("Wait gives %d, %v; want %d", code, err, want)
	}
	if code, ended := p.ReturnCode(); !ended || code != want {
		t.Errorf("ReturnCode gives %d, %v after Wait has given %d", code, ended, want)
	}
}

func readLine(t *testing.T, ctx context.Context, r *asyncio.StreamReader) string {
	t.Helper()
	line, err := r.ReadLine(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(line), "\n")
}

var (
	allPipes = []asyncio.ProcessOption{asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe)}
	inAndOut = allPipes[:2]
)

func TestWaitGivesTheReturnCode(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "exit 7")
		waitFor(t, ctx, p, 7)
		waitFor(t, ctx, p, 7)
		if p.State().ExitCode() != 7 || p.State().Pid() != p.Pid() {
			t.Errorf("State is %v of process %d", p.State(), p.State().Pid())
		}
	})
}

func TestAProcessThatRunsHasNoReturnCode(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, inAndOut, "cat")
		if code, ended := p.ReturnCode(); ended || code != 0 || p.State() != nil {
			t.Errorf("ReturnCode gives %d, %v", code, ended)
		}
		must(t, p.Stdin.Close())
		waitFor(t, ctx, p, 0)
	})
}

func TestStreamsTalkToAProcess(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, inAndOut, "cat")
		for i := range 100 {
			if _, err := fmt.Fprintf(p.Stdin, "line %d\n", i); err != nil {
				t.Fatal(err)
			}
			if got, want := readLine(t, ctx, p.Stdout), fmt.Sprintf("line %d", i); got != want {
				t.Fatalf("cat gives %q for %q", got, want)
			}
		}
		must(t, p.Stdin.WriteEOF())
		if rest, err := p.Stdout.ReadAll(ctx); err != nil || len(rest) > 0 {
			t.Errorf("after the end came %q, %v", rest, err)
		}
		waitFor(t, ctx, p, 0)
	})
}

func TestOutputsGoWhereTheyAreTold(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		both := shell(t, ctx, "echo out; echo err >&2", asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.ToStdout))
		if out, _, err := both.Communicate(ctx, nil); string(out) != "out\nerr\n" || err != nil {
			t.Errorf("both in one give %q, %v", out, err)
		}
		if both.Stderr != nil {
			t.Error("standard error has a stream of its own")
		}
		null := shell(t, ctx, "echo out; echo err >&2; cat", asyncio.WithStdin(asyncio.DevNull),
			asyncio.WithStdout(asyncio.DevNull), asyncio.WithStderr(asyncio.DevNull))
		if null.Stdin != nil || null.Stdout != nil || null.Stderr != nil {
			t.Error("the null device has streams")
		}
		waitFor(t, ctx, null, 0)

		name := filepath.Join(t.TempDir(), "out")
		f, err := os.Create(name)
		must(t, err)
		filed := shell(t, ctx, "echo out; echo err >&2", asyncio.WithStdout(asyncio.UseFile(f)), asyncio.WithStderr(asyncio.ToStdout))
		must(t, f.Close())
		waitFor(t, ctx, filed, 0)
		if got, err := os.ReadFile(name); string(got) != "out\nerr\n" || err != nil {
			t.Errorf("the file has %q, %v", got, err)
		}
	})
}

func TestSignalsEndAProcessWithTheirNumber(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			send func(*asyncio.Process) error
			want syscall.Signal
		}{
			{(*asyncio.Process).Kill, syscall.SIGKILL},
			{(*asyncio.Process).Terminate, syscall.SIGTERM},
			{func(p *asyncio.Process) error { return p.SendSignal(syscall.SIGHUP) }, syscall.SIGHUP},
		} {
			p := start(t, ctx, nil, "sleep", "1000")
			must(t, c.send(p))
			waitFor(t, ctx, p, -int(c.want))
		}
	})
}

func TestAProcessMayHandleASignal(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, `trap 'echo caught; exit 3' HUP; echo ready; while :; do sleep 0.01; done`, asyncio.WithStdout(asyncio.Pipe))
		if line := readLine(t, ctx, p.Stdout); line != "ready" {
			t.Fatal(line)
		}
		must(t, p.SendSignal(syscall.SIGHUP))
		if line := readLine(t, ctx, p.Stdout); line != "caught" {
			t.Error(line)
		}
		waitFor(t, ctx, p, 3)
	})
}

func TestASignalAfterTheEndIsErrProcessDone(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, nil, "true")
		waitFor(t, ctx, p, 0)
		for _, err := range []error{p.Kill(), p.Terminate(), p.SendSignal(syscall.SIGHUP)} {
			if !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("the signal gives %v", err)
			}
		}
		must(t, p.Close())
	})
}

func TestAWriterLearnsThatTheProcessDoesNotRead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "exec <&-; echo closed; exec sleep 1000", inAndOut...)
		readLine(t, ctx, p.Stdout)
		var err error
		for err == nil {
			_, err = p.Stdin.Write(make([]byte, 1<<16))
		}
		if !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing gives %v", err)
		}
		must(t, p.Kill())
		waitFor(t, ctx, p, -9)
	})
}

func TestAWriterThatWaitsForRoomLearnsOfTheEnd(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, allPipes[:1], "sleep", "1000")
		writer := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := p.Stdin.Write(make([]byte, 1<<20))
			return err
		})
		must(t, asyncio.Sleep(ctx, 0))
		must(t, p.Kill())
		if _, err := writer.Await(ctx); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing gives %v", err)
		}
		waitFor(t, ctx, p, -9)
	})
}

func TestAProcessIsHeldUpWhenNobodyReads(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "head -c 10000000 /dev/zero", asyncio.WithStdout(asyncio.Pipe), asyncio.WithLimit(1000))
		b := make([]byte, 10)
		if _, err := io.ReadFull(p.Stdout, b); err != nil {
			t.Fatal(err)
		}
		must(t, asyncio.Sleep(ctx, 20*time.Millisecond))
		if _, ended := p.ReturnCode(); ended {
			t.Error("the process has written everything, and nobody has read it")
		}
		all, err := p.Stdout.ReadAll(ctx)
		if len(all) != 10000000-10 || err != nil {
			t.Errorf("%d bytes came, %v", len(all), err)
		}
		waitFor(t, ctx, p, 0)
	})
}

func TestPipesAreNotInherited(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		first := start(t, ctx, inAndOut, "cat")
		second := start(t, ctx, inAndOut, "cat")
		must(t, first.Stdin.Close()) // were it open in the second, cat would read on
		waitFor(t, ctx, first, 0)
		must(t, second.Stdin.Close())
		waitFor(t, ctx, second, 0)
	})
}

func TestACancelledWaitLeavesTheProcessAlone(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, inAndOut, "cat")
		var waits []*asyncio.Task[int]
		for range 3 {
			waits = append(waits, asyncio.CreateTask(ctx, p.Wait))
		}
		must(t, asyncio.Sleep(ctx, 0))
		waits[0].Cancel()
		if _, err := waits[0].Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("the cancelled wait gives %v", err)
		}
		must(t, p.Stdin.Close())
		for _, w := range waits[1:] {
			if code, err := w.Await(ctx); code != 0 || err != nil {
				t.Errorf("another wait gives %d, %v", code, err)
			}
		}
	})
}

func TestACancelledStartLeavesNoProcess(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r, w, err := os.Pipe()
		must(t, err)
		defer r.Close()
		for turns := range 20 {
			starting := asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Process, error) {
				return asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, asyncio.WithExtraFiles(w))
			})
			for range turns {
				must(t, asyncio.Sleep(ctx, 0))
			}
			starting.Cancel()
			if p, err := starting.Await(ctx); err == nil {
				must(t, p.Kill()) // it was faster
			} else if !asyncio.IsCancelled(err) {
				t.Fatal(err)
			}
		}
		must(t, w.Close())
		// The end of the pipe comes when no process has it any more.
		if _, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) }); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCloseKillsAProcessThatRuns(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, allPipes, "sleep", "1000")
		must(t, p.Close())
		must(t, p.Close())
		waitFor(t, ctx, p, -9)
		if _, err := p.Stdout.ReadAll(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading gives %v", err)
		}
	})
}

func TestCloseAfterTheEndKeepsTheReturnCode(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "exit 5", allPipes...)
		waitFor(t, ctx, p, 5)
		must(t, p.Close())
		waitFor(t, ctx, p, 5)
	})
}

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		before := descriptors()
		for range 20 {
			_, err := asyncio.CreateSubprocessExec(ctx, "no-such-program-anywhere", nil, allPipes...)
			if !errors.Is(err, exec.ErrNotFound) {
				t.Fatalf("a name gives %v", err)
			}
			_, err = asyncio.CreateSubprocessExec(ctx, "/no/such/program", nil, allPipes...)
			if !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("a path gives %v", err)
			}
			_, err = asyncio.CreateSubprocessExec(ctx, "true", nil, append(slices.Clone(allPipes), asyncio.WithDir("/no/such/directory"))...)
			if !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("a directory gives %v", err)
			}
		}
		if after := descriptors(); after > before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

func TestOptionsThatMakeNoSenseAreErrors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for name, opts := range map[string][]asyncio.ProcessOption{
			"stdout to stdout":       {asyncio.WithStdout(asyncio.ToStdout)},
			"stdin to stdout":        {asyncio.WithStdin(asyncio.ToStdout)},
			"no file":                {asyncio.WithStdin(asyncio.UseFile(nil))},
			"no extra file":          {asyncio.WithExtraFiles(nil)},
			"die with it and do not": {asyncio.WithDetached(), asyncio.WithPdeathsig(syscall.SIGKILL)},
		} {
			if _, err := asyncio.CreateSubprocessExec(ctx, "true", nil, opts...); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}

func TestOutputIsReadAfterTheEndOfTheProcess(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "echo one; echo two; echo bad >&2", allPipes...)
		waitFor(t, ctx, p, 0)
		must(t, asyncio.Sleep(ctx, 5*time.Millisecond))
		if line := readLine(t, ctx, p.Stdout); line != "one" {
			t.Error(line)
		}
		if rest, err := p.Stdout.ReadAll(ctx); string(rest) != "two\n" || err != nil {
			t.Errorf("the rest is %q, %v", rest, err)
		}
		if bad, err := p.Stderr.ReadAll(ctx); string(bad) != "bad\n" || err != nil {
			t.Errorf("standard error is %q, %v", bad, err)
		}
		if !p.Stdout.AtEOF() {
			t.Error("AtEOF is false at the end")
		}
	})
}

func TestAProcessThatNobodyReadsFromLeavesNoDescriptors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		waitFor(t, ctx, shell(t, ctx, "exit 0"), 0)
		before := descriptors()
		for range 20 {
			p := shell(t, ctx, "echo something; echo else >&2", allPipes...)
			waitFor(t, ctx, p, 0)
		}
		eventually(t, ctx, "the pipes are closed", func() bool { return descriptors() <= before })
	})
}

func TestEnvironmentAndDirectoryAreThoseGiven(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		must(t, err)
		p := shell(t, ctx, `echo "$A $B"; pwd -P`, asyncio.WithStdout(asyncio.Pipe), asyncio.WithDir(dir), asyncio.WithEnv("A=1", "B=two words"))
		if out, _, err := p.Communicate(ctx, nil); string(out) != "1 two words\n"+dir+"\n" || err != nil {
			t.Errorf("the process says %q, %v", out, err)
		}
		empty := start(t, ctx, []asyncio.ProcessOption{asyncio.WithEnv(), asyncio.WithStdout(asyncio.Pipe)}, "/usr/bin/env")
		if out, _, err := empty.Communicate(ctx, nil); len(out) > 0 || err != nil {
			t.Errorf("the empty environment is %q, %v", out, err)
		}
	})
}

func TestTheProgramIsLookedForInThePathItGets(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "one-of-ours"), []byte("#!/bin/sh\nexit 42\n"), 0o755))
		p := start(t, ctx, []asyncio.ProcessOption{asyncio.WithEnv("PATH=/no/such/directory:" + dir)}, "one-of-ours")
		waitFor(t, ctx, p, 42)
		_, err := asyncio.CreateSubprocessExec(ctx, "sh", nil, asyncio.WithEnv("PATH="+dir))
		if !errors.Is(err, exec.ErrNotFound) {
			t.Errorf("a program that is not in it gives %v", err)
		}
	})
}

func TestWaitEndsThoughAGrandchildHasThePipe(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "cat <&3 & echo started", asyncio.WithStdout(asyncio.Pipe), asyncio.WithStdin(asyncio.Pipe),
			asyncio.WithExtraFiles(neverReady(t)))
		waitFor(t, ctx, p, 0)
		if line := readLine(t, ctx, p.Stdout); line != "started" {
			t.Error(line)
		}
		must(t, p.Close())
	})
}

// neverReady returns a pipe from which nothing comes until the test ends.
func neverReady(t *testing.T) *os.File {
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	return r
}

func TestWhatAGrandchildWritesLaterIsRead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r, w, err := os.Pipe()
		must(t, err)
		p := shell(t, ctx, "cat <&3 & echo started", asyncio.WithStdout(asyncio.Pipe), asyncio.WithExtraFiles(r))
		must(t, r.Close())
		waitFor(t, ctx, p, 0)
		reader := asyncio.CreateTask(ctx, p.Stdout.ReadAll)
		must(t, asyncio.Sleep(ctx, 0))
		_, err = w.WriteString("and later")
		must(t, err)
		must(t, w.Close())
		if all, err := reader.Await(ctx); string(all) != "started\nand later" || err != nil {
			t.Errorf("it reads %q, %v", all, err)
		}
	})
}

func TestClosingTheLoopKillsWhatRuns(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var running, detached *asyncio.Process
			r, w, err := os.Pipe()
			must(t, err)
			runOn(t, driver, func(t *testing.T, ctx context.Context) {
				running = start(t, ctx, allPipes, "sleep", "1000")
				detached = start(t, ctx, []asyncio.ProcessOption{asyncio.WithDetached(), asyncio.WithStdin(asyncio.UseFile(r))}, "cat")
			})
			must(t, r.Close())
			if code, ended := running.ReturnCode(); !ended || code != -9 {
				t.Errorf("the process has return code %d, %v", code, ended)
			}
			if err := syscall.Kill(running.Pid(), 0); err != syscall.ESRCH {
				t.Errorf("the process was not reaped: %v", err)
			}
			if err := detached.SendSignal(syscall.Signal(0)); err != nil {
				t.Errorf("the detached process: %v", err)
			}
			must(t, w.Close()) // it ends now, and is reaped in the background
			for detached.SendSignal(syscall.Signal(0)) == nil {
				runtime.Gosched()
			}
		})
	}
}

func TestTheVirtualClockHasNoProcesses(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		_, err := asyncio.CreateSubprocessExec(ctx, "true", nil)
		if !errors.Is(err, asyncio.ErrNoProcesses) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("it gives %v", err)
		}
	})
}

func TestExtraFilesAreTheDescriptorsFromThreeOn(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r, w, err := os.Pipe()
		must(t, err)
		defer r.Close()
		p := shell(t, ctx, "echo hello >&4", asyncio.WithExtraFiles(neverReady(t), w))
		must(t, w.Close())
		waitFor(t, ctx, p, 0)
		if got, err := io.ReadAll(r); string(got) != "hello\n" || err != nil {
			t.Errorf("it wrote %q, %v", got, err)
		}
	})
}

func TestProcessGroupsAndSessions(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		group := func(pid int) int {
			id, err := syscall.Getpgid(pid)
			must(t, err)
			return id
		}
		own := group(0)
		same := start(t, ctx, inAndOut, "cat")
		leader := start(t, ctx, append(slices.Clone(inAndOut), asyncio.WithProcessGroup(0)), "cat")
		member := start(t, ctx, append(slices.Clone(inAndOut), asyncio.WithProcessGroup(leader.Pid())), "cat")
		session := start(t, ctx, append(slices.Clone(inAndOut), asyncio.WithNewSession()), "cat")
		if group(same.Pid()) != own || group(leader.Pid()) != leader.Pid() || group(member.Pid()) != leader.Pid() || group(session.Pid()) != session.Pid() {
			t.Errorf("the groups are %d, %d, %d, %d", group(same.Pid()), group(leader.Pid()), group(member.Pid()), group(session.Pid()))
		}
		must(t, syscall.Kill(-leader.Pid(), syscall.SIGTERM))
		waitFor(t, ctx, leader, -15)
		waitFor(t, ctx, member, -15)
		for _, p := range []*asyncio.Process{same, session} {
			must(t, p.Stdin.Close())
			waitFor(t, ctx, p, 0)
		}
	})
}

func TestAProcessRunsAsSomebodyElse(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may do that")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "id -u; id -g; id -G", asyncio.WithStdout(asyncio.Pipe), asyncio.WithCredential(65534, 65533, 65532))
		out, _, err := p.Communicate(ctx, nil)
		if lines := strings.Fields(string(out)); err != nil || len(lines) < 4 || lines[0] != "65534" || lines[1] != "65533" || !slices.Contains(lines[2:], "65532") {
			t.Errorf("the process is %q, %v", out, err)
		}
	})
}

func TestSysProcAttrIsHeeded(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		attr := &syscall.SysProcAttr{Setpgid: true}
		p := start(t, ctx, append(slices.Clone(inAndOut), asyncio.WithSysProcAttr(attr)), "cat")
		if id, err := syscall.Getpgid(p.Pid()); id != p.Pid() || err != nil {
			t.Errorf("the group is %d, %v", id, err)
		}
		must(t, p.Stdin.Close())
		waitFor(t, ctx, p, 0)
	})
}

func TestSomebodyElseMayReapTheProcess(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				before := descriptors()
				p := start(t, ctx, inAndOut, "cat")
				must(t, p.Stdin.Close())
				// On the loop's goroutine: the loop cannot be faster.
				var status syscall.WaitStatus
				if name != "portable" {
					_, err := syscall.Wait4(p.Pid(), &status, 0, nil)
					must(t, err)
					waitFor(t, ctx, p, 255)
				} else {
					waitFor(t, ctx, p, 0)
				}
				if err := p.SendSignal(os.Interrupt); !errors.Is(err, os.ErrProcessDone) {
					t.Errorf("a signal after the end gives %v", err)
				}
				must(t, p.Close())
				if after := descriptors(); after > before && name != "portable" { // there a goroutine may still close
					t.Errorf("%d descriptors before, %d after", before, after)
				}
				return nil
			}, append(optionList(driver), asyncio.WithLogger(textLogger(&log)))...)
			must(t, err)
			if name != "portable" && !strings.Contains(log.String(), "reaped by somebody else") {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}

func Test500ProcessesAtOnceLeaveNothingBehind(t *testing.T) {
	n := 500
	if testing.Short() {
		n = 50
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		waitFor(t, ctx, start(t, ctx, nil, "true"), 0)
		before := descriptors()
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range n {
				g.Go(func(ctx context.Context) error {
					p, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, inAndOut...)
					if err != nil {
						return err
					}
					want := strconv.Itoa(i)
					out, _, err := p.Communicate(ctx, []byte(want))
					if string(out) != want {
						return fmt.Errorf("process %d gives %q, %w", i, out, err)
					}
					return err
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "all descriptors are closed", func() bool { return descriptors() <= before })
	})
}

func TestAProcessMayOpenItsStandardInputByName(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, inAndOut, "cat", "/dev/stdin")
		if out, _, err := p.Communicate(ctx, []byte("by name")); string(out) != "by name" || err != nil {
			t.Errorf("it gives %q, %v", out, err)
		}
	})
}

func TestAProcessOfAnotherLoopIsNotWaitedFor(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, nil, "true")
		_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
			return struct{}{}, asyncio.Run(context.Background(), func(ctx context.Context) error {
				_, err := p.Wait(ctx)
				return err
			})
		})
		if !errors.Is(err, asyncio.ErrWrongLoop) {
			t.Errorf("Wait gives %v", err)
		}
		waitFor(t, ctx, p, 0)
	})
}

func TestACancelledStartThatFailsIsCancelled(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := asyncio.CreateSubprocessExec(ctx, "/no/such/program", nil)
			return err
		})
		must(t, asyncio.Sleep(ctx, 0))
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it gives %v", err)
		}
	})
}
