//go:build unix

package peers

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit is how long a server may take to start or to end.
const limit = 30 * time.Second

// A server is a database server in a folder of its own, that can be started again.
type server struct {
	dir, port string
	as        *syscall.Credential // who runs it; nil: we
	program   string
	args      []string
	dsn       map[string]string // by driver

	cmd   *exec.Cmd
	out   *bytes.Buffer
	ended chan error
}

// servers are those that run, by name: each is started once, for all tests.
var servers = struct {
	sync.Mutex
	all map[string]*server
}{all: map[string]*server{}}

func serverFor(t testing.TB, driver string) *server {
	t.Helper()
	name, make := "postgres", newPostgres
	if driver == "mysql" {
		name, make = "mariadb", newMariaDB
	}
	servers.Lock()
	defer servers.Unlock()
	if s := servers.all[name]; s != nil {
		return s
	}
	s := make(t)
	if err := s.start(s.dsn[driver], driver); err != nil {
		s.remove()
		t.Fatal(err)
	}
	servers.all[name] = s
	return s
}

func (s *server) remove() {
	if s.cmd != nil {
		s.stop()
	}
	_ = os.RemoveAll(s.dir)
}

// newServer makes a folder and a port. Where we are root, who may not run it, they are
// for the user.
func newServer(t testing.TB, owner string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	s := &server{dir: dir, port: port}
	if os.Getuid() != 0 {
		return s
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
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return s
}

func newPostgres(t testing.TB) *server {
	initdb, postgres := find(t, "/usr/lib/postgresql/*/bin/initdb"), find(t, "/usr/lib/postgresql/*/bin/postgres")
	s := newServer(t, "postgres")
	data := filepath.Join(s.dir, "data")
	s.run(t, initdb, "-D", data, "-U", "test", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8")
	s.program, s.args = postgres, []string{"-D", data, "-p", s.port, "-k", s.dir, "-F",
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}
	url := fmt.Sprintf("postgres://test@127.0.0.1:%s/postgres?sslmode=disable", s.port)
	s.dsn = map[string]string{"pgx": url, "postgres": url}
	return s
}

func newMariaDB(t testing.TB) *server {
	install, mariadbd := find(t, "/usr/bin/mariadb-install-db"), find(t, "/usr/sbin/mariadbd")
	s := newServer(t, "mysql")
	data, socket := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "socket")
	s.run(t, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	s.program, s.args = mariadbd, []string{"--no-defaults", "--datadir=" + data, "--socket=" + socket,
		"--port=" + s.port, "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0",
		"--max-connections=2000", "--pid-file=" + filepath.Join(s.dir, "pid")}
	s.dsn = map[string]string{"mysql": "root@unix(" + socket + ")/mysql?multiStatements=true"}
	return s
}

// find returns the path of the newest program that matches, or skips the test.
func find(t testing.TB, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		t.Skip("there is no ", pattern)
	}
	return found[len(found)-1]
}

func (s *server) command(program string, args ...string) {
	s.out, s.cmd = new(bytes.Buffer), exec.Command(program, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
}

// run runs a program to its end.
func (s *server) run(t testing.TB, program string, args ...string) {
	t.Helper()
	s.command(program, args...)
	if err := s.cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, s.out)
	}
	s.cmd = nil
}

// start starts the server and waits until it answers.
func (s *server) start(dsn, driver string) error {
	s.command(s.program, s.args...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	for late := time.After(limit); ; {
		if err = db.Ping(); err == nil {
			return nil
		}
		select {
		case ended := <-s.ended:
			s.cmd = nil
			return fmt.Errorf("%s ended: %v\n%s", s.program, ended, s.out)
		case <-late:
			return errors.Join(fmt.Errorf("%s does not answer", s.program), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server as a power cut does, and all that it has started.
func (s *server) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
	s.cmd = nil
	_ = os.Remove(filepath.Join(s.dir, "data", "postmaster.pid"))
}
