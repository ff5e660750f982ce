package look

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

func number(t testing.TB, pid string) int {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// found asks a target who it is.
func found(t testing.TB, arg string) insightwire.Process {
	t.Helper()
	tg, err := find(arg)
	if err != nil {
		t.Fatal(err)
	}
	defer tg.close()
	var l insightwire.Looks
	if err := tg.get(t.Context(), &l, "/v1/loops", "tasks", "0"); err != nil {
		t.Fatal(err)
	}
	return l.Process
}

func TestAProcessIsFoundByItsNumberAndByItsSocket(t *testing.T) {
	dir := ownDirectory(t)
	pid := startProgram(t, "nested")
	for _, arg := range []string{pid, filepath.Join(dir, pid+".sock")} {
		if p := found(t, arg); strconv.Itoa(p.PID) != pid {
			t.Errorf("%s: %+v", arg, p)
		}
	}
	// Its environment says where it has its socket, whatever ours says.
	t.Setenv(insightwire.DirectoryVariable, t.TempDir())
	if p := found(t, pid); strconv.Itoa(p.PID) != pid {
		t.Errorf("%+v", p)
	}
	all, err := findAll()
	if err != nil {
		t.Fatal(err)
	}
	has := false
	for _, tg := range all {
		has = has || tg.pid == number(t, pid)
		tg.close()
	}
	if !has {
		t.Error("it is not listed")
	}
}

// inContainer is set for a copy of the test program that has another /tmp.
const inContainer = "ASYNCIO_TEST_IN_CONTAINER"

func init() {
	if os.Getenv(inContainer) == "" {
		return
	}
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "")
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func TestAProcessInAContainerIsFoundFromTheHost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a container")
	}
	t.Setenv(insightwire.DirectoryVariable, "")
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", "")
	pid := startProgram(t, "nested", func(c *exec.Cmd) {
		c.Env = append(c.Env, inContainer+"=1")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	})
	if p := found(t, pid); p.PID != 1 {
		t.Errorf("it believes that it is %d", p.PID)
	}
	if _, err := os.Stat(filepath.Join("/tmp", "asyncio-0", "1.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is the host's: %v", err)
	}
}

func TestASocketThatWasLeftBehindIsRemoved(t *testing.T) {
	dir := ownDirectory(t)
	stale := filepath.Join(dir, "4194999.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	other := filepath.Join(dir, "other.sock")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := find(stale); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Error(err)
	}
	all, err := findAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, tg := range all {
		tg.close()
	}
	if _, err := os.Lstat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := os.Lstat(other); err != nil {
		t.Errorf("what is no socket of a process was removed: %v", err)
	}
}

// What a process says of itself, and what lies in a directory, is not believed.
func TestASocketOfAnotherProcessIsNotTakenForOnes(t *testing.T) {
	dir := ownDirectory(t)
	pid := startProgram(t, "nested")
	l, err := net.Listen("unix", filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	real := filepath.Join(dir, pid+".sock")
	for about, change := range map[string]func() error{
		"another process listens": func() error { return os.Rename(filepath.Join(dir, "x"), real) },
		"a link":                  func() error { return errors.Join(os.Remove(real), os.Symlink(filepath.Join(dir, "y"), real)) },
	} {
		if err := os.Rename(real, filepath.Join(dir, "y")); err != nil {
			t.Fatal(err)
		}
		if about == "a link" {
			if err := os.WriteFile(real, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		var missing *notThere
		if tg, err := find(pid); !errors.As(err, &missing) {
			t.Errorf("%s: %v, %v", about, tg, err)
		}
		_ = os.Rename(real, filepath.Join(dir, "x"))
		if err := os.Rename(filepath.Join(dir, "y"), real); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAProcessWithoutAWindowIsToldWhatToDo(t *testing.T) {
	ownDirectory(t)
	for arg, want := range map[string]string{
		strconv.Itoa(os.Getpid()): "insight/auto",
		"4194999":                 "there is none of that number",
		"./nothing.sock":          "no such file",
		"shop":                    "is neither the number of a process nor the path of a socket",
		"-5":                      "is neither",
	} {
		if tg, err := find(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", arg, tg, err)
		}
	}
}

func TestUsersAreTranslatedIntoTheContainers(t *testing.T) {
	if got := uidInside(os.Getpid(), "77"); got != "77" {
		t.Errorf("without a namespace of users 77 is %s", got)
	}
}
