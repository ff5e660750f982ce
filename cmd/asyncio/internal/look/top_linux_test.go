package look

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminalOf opens a terminal of that size, and returns the side of the program and
// that of the user.
func terminalOf(t *testing.T, columns, rows int) (program, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	raw, err := user.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	cerr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
		}
	})
	if cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = program.Close()
		_ = user.Close()
	})
	return program, user
}

func TestTopFillsATerminalAndGivesItBack(t *testing.T) {
	ownDirectory(t)
	pid := startProgram(t, "nested")
	for _, size := range [][2]int{{80, 24}, {200, 50}} {
		program, user := terminalOf(t, size[0], size[1])
		before, err := term.GetState(int(program.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		// Fd has made the file one that blocks; a read of it could not be cut off.
		if err := unix.SetNonblock(int(program.Fd()), true); err != nil {
			t.Fatal(err)
		}
		shown := newShown(user)
		ended := make(chan error, 1)
		go func() {
			s := &Screen{Out: program, Size: func() (int, int) {
				w, h, _ := term.GetSize(int(program.Fd()))
				return w, h
			}}
			s.Width, s.Height = s.Size()
			ended <- Top(t.Context(), s, program, pid, Options{})
		}()
		shown.wait(t, "busy*", "_test.go")
		_, _ = user.WriteString("s")
		shown.wait(t, "steps*")
		_, _ = user.WriteString("/order-2\r")
		shown.wait(t, `"order-2"`)
		_, _ = user.WriteString("q")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		shown.wait(t, "\x1b[?25h\x1b[?1049l")
		if after, err := term.GetState(int(program.Fd())); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("the terminal is %v, was %v, %v", after, before, err)
		}
		_, _ = user.WriteString("x\n") // what still reads the keys ends
		shown.mu.Lock()
		screen := strings.Split(shown.text.String(), "\x1b[H")[1]
		shown.mu.Unlock()
		lines := strings.Split(strings.TrimSuffix(screen, "\x1b[J"), "\r\n")
		if len(lines) != size[1] {
			t.Errorf("it shows %d lines on a terminal of %v", len(lines), size)
		}
		for _, line := range lines {
			if n := width(strings.TrimSuffix(line, "\x1b[K")); n > size[0] {
				t.Errorf("a line of %d columns on a terminal of %v: %q", n, size, line)
			}
		}
	}
}

// shown is what a user sees.
type shown struct {
	mu   sync.Mutex
	more *sync.Cond
	text strings.Builder
	over bool
}

func newShown(user *os.File) *shown {
	s := &shown{}
	s.more = sync.NewCond(&s.mu)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := user.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			s.over = err != nil
			s.more.Broadcast()
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// wait waits until all texts were shown.
func (s *shown) wait(t *testing.T, texts ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		for !strings.Contains(s.text.String(), text) {
			if s.over {
				t.Fatalf("%q was not shown, but %q", text, s.text.String())
			}
			s.more.Wait()
		}
	}
}
