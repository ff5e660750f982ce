//go:build unix

package libraries

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A place is where a server lives: a folder and a port of its own.
type place struct {
	dir  string
	port string
	as   *syscall.Credential // who runs it; nil: we
}

// newPlace makes a place. Where we are root, who is not, it belongs to the user, if
// there is one: some servers will not run as root.
func newPlace(t *testing.T, owner string) *place {
	t.Helper()
	dir, err := os.MkdirTemp("", "libraries")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &place{dir: dir, port: freePort(t)}
	if os.Getuid() != 0 || owner == "" {
		return p
	}
	u, err := user.Lookup(owner)
	if err != nil {
		t.Skip("to run a server as: ", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return p
}

func (p *place) addr() string { return net.JoinHostPort("127.0.0.1", p.port) }

func (p *place) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// find returns the path of a program, also of one that is for root alone, or skips
// the test.
func find(t *testing.T, pattern string) string {
	t.Helper()
	name := filepath.Base(pattern)
	if path, err := exec.LookPath(name); err == nil && name == pattern {
		return path
	}
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if found, _ := filepath.Glob(dir + pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Skip("there is no ", name)
	return ""
}

func (p *place) command(t *testing.T, program string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	out := new(bytes.Buffer)
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as, Setpgid: true}
	return cmd, out
}

// run runs a program to its end.
func (p *place) run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd, out := p.command(t, program, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// serve starts a program, waits until it listens, and stops it when the test ends.
func (p *place) serve(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd, out := p.command(t, program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	for late := time.After(limit); ; {
		c, err := net.Dial("tcp", p.addr())
		if err == nil {
			c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", program, err, out)
		case <-late:
			t.Fatalf("%s does not listen", program)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
