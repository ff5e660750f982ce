//go:build unix

package insight

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

func TestSocketAndDirectoryAreTheUsersAlone(t *testing.T) {
	s := startServer(t, fakes())
	for path, want := range map[string]os.FileMode{filepath.Dir(s.Path()): os.ModeDir | 0o700, s.Path(): os.ModeSocket | 0o600} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, want %v, %v", path, info.Mode(), want, err)
		}
	}
}

func TestADirectoryThatOthersMayEnterIsRefused(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	dirs := []string{open, link}
	if os.Geteuid() == 0 {
		anothers := filepath.Join(t.TempDir(), "anothers")
		if err := errors.Join(os.Mkdir(anothers, 0o700), os.Chown(anothers, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, anothers)
	}
	for _, dir := range dirs {
		o := options{directory: dir}
		if _, err := start(&o, fakes()); !errors.Is(err, insightwire.ErrUnsafeDirectory) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestASocketThatWasLeftBehindIsReplacedAndALiveOneIsNot(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, insightwire.SocketName(os.Getpid()))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	o := options{directory: dir}
	if _, err := start(&o, fakes()); err == nil || !strings.Contains(err.Error(), insightwire.DirectoryVariable) {
		t.Errorf("somebody listens there: %v", err)
	}
	_ = l.Close()
	s := startServer(t, fakes(), WithDirectory(dir))
	if status, _ := get(t, clientOf(t, s), "/v1/loops"); status != 200 {
		t.Error(status)
	}
}

// nobody is a user without rights.
const nobody = 65534

// asClient is set for a copy of the test program that is to ask a socket.
const asClient = "ASYNCIO_TEST_CLIENT_OF"

func init() {
	path := os.Getenv(asClient)
	if path == "" {
		return
	}
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	resp, err := c.Get("http://insight/v1/loops")
	if err != nil {
		_, _ = io.WriteString(os.Stdout, "error: "+err.Error())
		os.Exit(0)
	}
	_, _ = io.Copy(os.Stdout, resp.Body)
	os.Exit(0)
}

// Another user gets nothing, whatever somebody did to the modes; and root gets all.
func TestAnotherUserGetsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The other one must be able to run the program, and to reach the socket.
	public, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(public) })
	program := filepath.Join(public, "client")
	text, err := os.ReadFile(exe)
	if err == nil {
		err = errors.Join(os.Chmod(public, 0o755), os.WriteFile(program, text, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	o := options{level: asyncio.InsightOn, directory: filepath.Join(public, "sockets")}
	s, err := start(&o, fakes(samples.Program()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := func(uid uint32) string {
		c := exec.CommandContext(t.Context(), program)
		c.Env = append(os.Environ(), asClient+"="+s.Path())
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if out := client(nobody); !strings.Contains(out, "permission denied") {
		t.Errorf("with the modes as they were made: %s", out)
	}
	if err := errors.Join(os.Chmod(o.directory, 0o777), os.Chmod(s.Path(), 0o777)); err != nil {
		t.Fatal(err)
	}
	if out := client(nobody); !strings.HasPrefix(out, "error: ") || strings.Contains(out, "permission") || strings.Contains(out, "order") {
		t.Errorf("with the modes open to all: %s", out)
	}
	if out := client(0); !strings.Contains(out, "order-2") {
		t.Errorf("the same user: %s", out)
	}
}
