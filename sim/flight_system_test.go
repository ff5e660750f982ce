package sim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

// recordAndReplay runs a program on each driver, recorded, and plays it back twice: what
// it notes must be the same.
func recordAndReplay(t *testing.T, main func(ctx context.Context, real bool, note func(format string, args ...any)) error) {
	t.Helper()
	for name, d := range drivers {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "recording")
			run := func(real bool) (func(ctx context.Context) error, *[]string) {
				lines := new([]string)
				return func(ctx context.Context) error {
					return main(ctx, real, func(format string, args ...any) { *lines = append(*lines, fmt.Sprintf(format, args...)) })
				}, lines
			}
			really, lines := run(true)
			if err := asyncio.Run(t.Context(), really, d, sim.Record(file)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				again, told := run(false)
				if err := sim.Replay(t, file, again); err != nil {
					t.Fatal(err)
				}
				if a, b := strings.Join(*lines, "\n"), strings.Join(*told, "\n"); a != b || a == "" {
					t.Fatalf("the real run:\n%s\nthe replay:\n%s", a, b)
				}
			}
		})
	}
}

func TestDatagramsAreReplayed(t *testing.T) {
	recordAndReplay(t, func(ctx context.Context, real bool, note func(string, ...any)) error {
		c, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr("127.0.0.1:0"))
		if err != nil {
			return err
		}
		defer c.Close()
		note("at %v", c.LocalAddr())
		if real {
			go func() {
				peer, err := net.Dial("udp", c.LocalAddr().String())
				if err != nil {
					return
				}
				defer peer.Close()
				b := make([]byte, 100)
				for i := range 3 {
					fmt.Fprintf(peer, "datagram %d", i)
					if _, err := peer.Read(b); err != nil {
						return
					}
				}
			}()
		}
		b := make([]byte, 100)
		for range 3 {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return err
			}
			note("%q of %v", b[:n], from)
			if _, err := c.WriteTo(b[:n], from); err != nil {
				return err
			}
		}
		return nil
	})
}

// A pipe of the program's own, of which another part of the system has the other end.
func TestPipesAreReplayed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its pipes are read by threads, in pieces of their own")
	}
	recordAndReplay(t, func(ctx context.Context, real bool, note func(string, ...any)) error {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if real {
			go func() {
				defer w.Close()
				for i := range 3 {
					fmt.Fprintf(w, "line %d\n", i)
				}
			}()
		} else {
			_ = w.Close()
		}
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		p := &lineNotes{note: note, over: asyncio.NewEvent()}
		if _, _, err := l.ConnectReadPipe(ctx, func() asyncio.Protocol { return p }, r); err != nil {
			return err
		}
		return p.over.Wait(ctx)
	})
}

// lineNotes is a protocol that notes what it is told.
type lineNotes struct {
	asyncio.BaseProtocol
	note func(string, ...any)
	over *asyncio.Event
}

func (p *lineNotes) ConnectionMade(asyncio.Transport) { p.note("made") }
func (p *lineNotes) DataReceived(b []byte)            { p.note("%q", b) }
func (p *lineNotes) EOFReceived() bool                { p.note("eof"); return false }
func (p *lineNotes) ConnectionLost(err error)         { p.note("lost %v", err); p.over.Set() }

func TestProcessesAreReplayed(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no shell: ", err)
	}
	var pids []int
	recordAndReplay(t, func(ctx context.Context, real bool, note func(string, ...any)) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "sh", []string{"-c", "echo pid $$; read line; echo got $line; exit 3"}, asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		if err != nil {
			return err
		}
		note("process %d", p.Pid())
		if !real && exists(p.Pid()) && p.Pid() != pids[len(pids)-1] {
			return errors.New("a replay has started a process")
		}
		pids = append(pids, p.Pid())
		if _, err := io.WriteString(p.Stdin, "words\n"); err != nil {
			return err
		}
		out, err := p.Stdout.ReadAll(ctx)
		if err != nil {
			return err
		}
		code, err := p.Wait(ctx)
		note("%q, %d, %v", out, code, err)

		sleeper, err := asyncio.CreateSubprocessExec(ctx, "sh", []string{"-c", "read line"}, asyncio.WithStdin(asyncio.Pipe))
		if err != nil {
			return err
		}
		note("killed: %v", sleeper.Kill())
		code, err = sleeper.Wait(ctx)
		note("%d, %v", code, err)

		_, err = asyncio.CreateSubprocessExec(ctx, "no-such-program", nil)
		note("%v: %v, %v", err, errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist))
		_, err = asyncio.CreateSubprocessExec(ctx, "/no/such/program", nil)
		note("%v: %v, %v", err, errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist))
		return nil
	})
}

// exists reports whether there is a process of that number.
func exists(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

func TestSignalsAreReplayed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can send itself a signal here")
	}
	recordAndReplay(t, func(ctx context.Context, real bool, note func(string, ...any)) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		times, come := 0, asyncio.NewEvent()
		handler := func() {
			times++
			note("signal %d", times)
			come.Set()
		}
		if err := l.AddSignalHandler(os.Interrupt, handler); err != nil {
			return err
		}
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		for range 3 {
			come.Clear()
			if real {
				if err := self.Signal(os.Interrupt); err != nil {
					return err
				}
			}
			if err := come.Wait(ctx); err != nil {
				return err
			}
		}
		note("removed: %v", l.RemoveSignalHandler(os.Interrupt))
		return nil
	})
}
