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

// openTerminal gives both ends of a new pseudo-terminal.
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
