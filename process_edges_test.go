//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A process whose options contradict each other is not started.
func TestProcessOptionsThatCannotBeAreErrors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for name, opts := range map[string][]asyncio.ProcessOption{
			"output to output":        {asyncio.WithStdout(asyncio.ToStdout)},
			"input to output":         {asyncio.WithStdin(asyncio.ToStdout)},
			"no file":                 {asyncio.WithStdout(asyncio.UseFile(nil))},
			"no extra file":           {asyncio.WithExtraFiles(os.Stdin, nil)},
			"terminal and a pipe":     {asyncio.WithTerminal(80, 25), asyncio.WithStdin(asyncio.Pipe)},
			"terminal, no extra file": {asyncio.WithTerminal(80, 25), asyncio.WithExtraFiles(nil)},
			"terminal too wide":       {asyncio.WithTerminal(1<<16, 25)},
			"terminal too high":       {asyncio.WithTerminal(80, 1<<16)},
			"terminal less than thin": {asyncio.WithTerminal(-1, 25)},
			"terminal less than low":  {asyncio.WithTerminal(80, -1)},
		} {
			if p, err := asyncio.CreateSubprocessExec(ctx, "true", nil, opts...); !errors.Is(err, fs.ErrInvalid) || p != nil {
				t.Errorf("%s: %v, %v", name, p, err)
			}
		}
		opts := []asyncio.ProcessOption{asyncio.WithDetached(), asyncio.WithPdeathsig(syscall.SIGTERM)}
		if _, err := asyncio.CreateSubprocessExec(ctx, "true", nil, opts...); err == nil || !strings.Contains(err.Error(), "WithDetached") {
			t.Errorf("one that outlives the loop and dies with it: %v", err)
		}
	})
}

// The input may have been ended by whoever wrote it: there is nothing to add, and
// the output is there to be had.
func TestCommunicateAfterTheInputWasEndedGivesTheOutput(t *testing.T) {
	const size = 4 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "wc -c", asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		p.Stdin.SetWriteBufferLimits(-1, 2*size)
		if _, err := p.Stdin.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := p.Stdin.WriteEOF(); err != nil {
			t.Fatal(err)
		}
		out, _, err := p.Communicate(ctx, []byte("more"))
		if strings.TrimSpace(string(out)) != "4194304" || err != nil {
			t.Errorf("it has counted %q, %v", out, err)
		}
		waitFor(t, ctx, p, 0)
	})
}

func TestOutputOfAProcessHasTheLimitThatIsGiven(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "echo 12345; echo 67", asyncio.WithStdout(asyncio.Pipe), asyncio.WithLimit(4))
		if _, err := p.Stdout.ReadLine(ctx); !errors.Is(err, asyncio.ErrLineTooLong) {
			t.Errorf("a longer line gave %v", err)
		}
		p.Stdout.ReadAll(ctx)
		waitFor(t, ctx, p, 0)
	})
}

// What lies about in the directory that a process happens to start in is not
// its program.
func TestProgramIsLookedForInTheAbsoluteDirectoriesOfItsPath(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		program := filepath.Join(dir, "greet")
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		opts := []asyncio.ProcessOption{asyncio.WithStdout(asyncio.Pipe), asyncio.WithEnv("PATH=.:relative:/nowhere:" + dir)}
		p := start(t, ctx, opts, "greet")
		if line := readLine(t, ctx, p.Stdout); line != "hello" {
			t.Errorf("it said %q", line)
		}
		waitFor(t, ctx, p, 0)
		_, err := asyncio.CreateSubprocessExec(ctx, "greet", nil, asyncio.WithDir(dir), asyncio.WithEnv("PATH=."))
		if !errors.Is(err, exec.ErrNotFound) {
			t.Errorf("in a relative directory: %v", err)
		}
	})
}

func TestWaitForAProcessThatIsInterruptedHasNoCode(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, "read x; exit 3", asyncio.WithStdin(asyncio.Pipe))
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if code, err := p.Wait(ended); code != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("Wait gave %d, %v", code, err)
		}
		p.Stdin.Close()
		waitFor(t, ctx, p, 3)
	})
}

func TestStopAsksFirstAndKillsAfterItsGrace(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		polite := shell(t, ctx, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done", asyncio.WithStdout(asyncio.Pipe))
		stubborn := shell(t, ctx, "trap '' TERM; echo ready; exec sleep 100", asyncio.WithStdout(asyncio.Pipe))
		for _, p := range []*asyncio.Process{polite, stubborn} {
			if _, err := p.Stdout.ReadLine(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if code, err := polite.Stop(ctx, time.Minute); code != 3 || err != nil {
			t.Errorf("a polite one ended with %d, %v", code, err)
		}
		if code, err := polite.Stop(ctx, time.Minute); code != 3 || err != nil {
			t.Errorf("one that has ended: %d, %v", code, err)
		}
		if code, err := stubborn.Stop(ctx, 10*time.Millisecond); code != -int(syscall.SIGKILL) || err != nil {
			t.Errorf("a stubborn one ended with %d, %v", code, err)
		}
		another := shell(t, ctx, "trap '' TERM; echo ready; exec sleep 100", asyncio.WithStdout(asyncio.Pipe))
		if _, err := another.Stdout.ReadLine(ctx); err != nil {
			t.Fatal(err)
		}
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return another.Stop(ctx, time.Hour) })
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Error(err)
		}
		if code, err := another.Wait(ctx); code != -int(syscall.SIGKILL) || err != nil {
			t.Errorf("the stop was cancelled: %d, %v", code, err)
		}
	})
}

// Pipes are closed when nobody has their other end any more, whoever still runs.
func TestPipesOfAProcessEndWithTheirOtherEnds(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		waitFor(t, ctx, shell(t, ctx, "exit 0"), 0)
		before := descriptors()
		p := shell(t, ctx, "echo some; exec >&- 2>&-; exec sleep 1000", asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
		if strings.HasSuffix(t.Name(), "/epoll") { // elsewhere nobody looks before somebody reads
			eventually(t, ctx, "the outputs are closed", func() bool { return descriptors() <= before+1 }) // but for the pidfd
		}
		if line := readLine(t, ctx, p.Stdout); line != "some" {
			t.Errorf("it wrote %q", line)
		}
		must(t, p.Kill())
		waitFor(t, ctx, p, -9)
		p = shell(t, ctx, "exit 0", allPipes...)
		waitFor(t, ctx, p, 0)
		eventually(t, ctx, "the input is closed", func() bool { return p.Stdin.IsClosing() })
		must(t, p.Close())
		eventually(t, ctx, "nothing is left", func() bool { return descriptors() <= before })
	})
}
