package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

func init() {
	testPrograms["parent"] = func() {
		err := asyncio.Run(context.Background(), func(ctx context.Context) error {
			for range 10 {
				p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, asyncio.WithPdeathsig(syscall.SIGKILL))
				if err != nil {
					return err
				}
				_ = p
			}
			// Threads that are not kept end here.
			for range 20 {
				done := make(chan struct{})
				go func() { runtime.LockOSThread(); close(done) }()
				<-done
			}
			fmt.Println("ready")
			return asyncio.Sleep(ctx, time.Hour)
		})
		fmt.Println(err)
	}
}

func TestAChildDiesWithItsParentIfAsked(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		// Each of them has the pipe: it ends when the last of them has died.
		r, w, err := os.Pipe()
		must(t, err)
		defer r.Close()
		p := program(t, ctx, "parent", asyncio.WithStderr(asyncio.UseFile(w)))
		must(t, w.Close())
		must(t, p.Kill())
		waitFor(t, ctx, p, -9)
		if _, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) }); err != nil {
			t.Error(err)
		}
	})
}

func TestAChildThatDiesWithItsParentLivesAsLongAsTheLoop(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, append(inAndOut[:2:2], asyncio.WithPdeathsig(syscall.SIGKILL)), "cat")
		for range 20 { // the threads end
			done := make(chan struct{})
			go func() { runtime.LockOSThread(); close(done) }()
			<-done
		}
		fmt.Fprintln(p.Stdin, "alive")
		if line := readLine(t, ctx, p.Stdout); line != "alive" {
			t.Error(line)
		}
		must(t, p.Stdin.Close())
		waitFor(t, ctx, p, 0)
	})
}

// openTerminal returns both ends of a new pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals: ", err)
	}
	var number int
	raw, err := master.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	must(t, err)
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		_ = master.Close()
		t.Skip("no pseudo-terminals: ", err)
	}
	return master, slave
}

func TestAProcessHasAControllingTerminal(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		master, slave := openTerminal(t)
		defer master.Close()
		terminal := asyncio.UseFile(slave)
		p := shell(t, ctx, "tty; echo to the terminal >/dev/tty; exec sleep 1000", asyncio.WithStdin(terminal), asyncio.WithStdout(terminal),
			asyncio.WithStderr(terminal), asyncio.WithControllingTerminal(0))
		want := slave.Name() + "\r\nto the terminal\r\n"
		must(t, slave.Close())
		got, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) {
			b := make([]byte, len(want))
			_, err := io.ReadFull(master, b)
			return b, err
		})
		if string(got) != want || err != nil {
			t.Errorf("the terminal shows %q, %v", got, err)
		}
		_, err = master.WriteString("\x03") // ^C
		must(t, err)
		waitFor(t, ctx, p, -2)
	})
}

func TestNoZombieStaysOfAProcessThatNobodyWaitsFor(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, nil, "true")
		eventually(t, ctx, "the process was reaped", func() bool {
			return errors.Is(syscall.Kill(p.Pid(), 0), syscall.ESRCH)
		})
	})
}

func TestAProcessRunsOnATerminal(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		before := descriptors()
		p := shell(t, ctx, `tty; stty size; while read x; do echo "got $x"; stty size; done; exit 6`, asyncio.WithTerminal(80, 25))
		if name := readLine(t, ctx, p.Stdout); len(name) < 9 || name[:9] != "/dev/pts/" {
			t.Errorf("its terminal is %q", name)
		}
		if size := readLine(t, ctx, p.Stdout); size != "25 80\r" {
			t.Errorf("its size is %q", size)
		}
		must(t, p.SetTerminalSize(132, 50))
		fmt.Fprint(p.Stdin, "hello\n")
		if line := readLine(t, ctx, p.Stdout) + readLine(t, ctx, p.Stdout); line != "hello\rgot hello\r" {
			t.Errorf("it shows %q", line)
		}
		if size := readLine(t, ctx, p.Stdout); size != "50 132\r" {
			t.Errorf("its new size is %q", size)
		}
		fmt.Fprint(p.Stdin, "\x04")
		if rest, err := p.Stdout.ReadAll(ctx); len(rest) > 0 || err != nil {
			t.Errorf("at the end it shows %q, %v", rest, err)
		}
		waitFor(t, ctx, p, 6)
		eventually(t, ctx, "the terminal is closed", func() bool { return descriptors() <= before })
	})
}

func TestToCloseATerminalIsToHangUp(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, `echo ready; exec sleep 1000`, asyncio.WithTerminal(80, 25))
		readLine(t, ctx, p.Stdout)
		must(t, p.Stdin.Close())
		waitFor(t, ctx, p, -1)
		if err := p.SetTerminalSize(1, 1); err == nil {
			t.Error("a closed terminal has a size")
		}
	})
}

func TestCommunicateOnATerminal(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := shell(t, ctx, `stty -echo -onlcr; echo ready; cat`, asyncio.WithTerminal(80, 25))
		if line := readLine(t, ctx, p.Stdout); line != "ready" && line != "ready\r" {
			t.Errorf("it shows %q", line)
		}
		out, _, err := p.Communicate(ctx, []byte("some input\n\x04"))
		if string(out) != "some input\n" || err != nil {
			t.Errorf("it shows %q, %v", out, err)
		}
		waitFor(t, ctx, p, 0)
	})
}

func TestSubprocessProtocolOnATerminal(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		tr := launch(t, ctx, r, `stty -echo; echo ready; read x; echo "got $x"`, asyncio.WithTerminal(80, 25))
		r.until(ctx, "data 1")
		if _, err := tr.PipeTransport(0).Write([]byte("it\n")); err != nil {
			t.Error(err)
		}
		r.until(ctx, "lost")
		r.check(t, "data 1", "exited", "pipe 1")
		if string(r.data[1]) != "ready\r\ngot it\r\n" {
			t.Errorf("it shows %q", r.data[1])
		}
	})
}

func TestATerminalLeavesNoDescriptorsForOthers(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, opts := range [][]asyncio.ProcessOption{
			{asyncio.WithTerminal(80, 25), asyncio.WithStdout(asyncio.Pipe)},
			{asyncio.WithTerminal(-1, 25)},
			{asyncio.WithTerminal(80, 1<<16)},
		} {
			if _, err := asyncio.CreateSubprocessExec(ctx, "true", nil, opts...); err == nil {
				t.Error("no error")
			}
		}
		p := start(t, ctx, nil, "true")
		if p.SetTerminalSize(80, 25) == nil {
			t.Error("a process without a terminal has its size set")
		}
		waitFor(t, ctx, p, 0)
		if want := fmt.Sprintf("process %d, ended with 0", p.Pid()); p.String() != want {
			t.Errorf("String gives %q", p)
		}
	})
}

// awaitZombie waits until the process has ended, and leaves it for who reaps it.
func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	err := error(unix.EINTR)
	for err == unix.EINTR {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	if err != nil && err != unix.ECHILD { // a driver may have been faster
		t.Fatal(err)
	}
}

func TestTheEndOfTheInputHangsUpTheTerminalOfAProtocol(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r := &processRecorder{}
		tr := launch(t, ctx, r, "echo ready; exec sleep 1000", asyncio.WithTerminal(80, 25))
		r.until(ctx, "data 1")
		must(t, tr.PipeTransport(0).WriteEOF())
		r.until(ctx, "lost")
		r.check(t, "data 1", "exited", "pipe 1")
		if code, _ := tr.ReturnCode(); code != -1 {
			t.Errorf("the return code is %d", code)
		}
	})
}

// A process that has ended, which the loop does not know yet, is stopped already.
func TestStopOfAProcessThatHasJustEndedIsNoError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, nil, "sleep", "1000")
		must(t, p.Kill())
		awaitZombie(t, p.Pid())
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if code, err := p.Stop(ended, time.Hour); !errors.Is(err, context.Canceled) && (code != -9 || err != nil) {
			t.Errorf("%d, %v", code, err)
		}
		waitFor(t, ctx, p, -9)
	})
}
