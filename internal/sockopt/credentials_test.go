package sockopt_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio/internal/sockopt"
)

func TestPeerCredentialsAreThoseOfTheOtherProcess(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Skip("no unix sockets here: ", err)
	}
	defer ln.Close()
	client := must(net.Dial("unix", ln.Addr().String()))
	defer client.Close()
	server := must(ln.Accept())
	defer server.Close()
	for name, conn := range map[string]net.Conn{"client": client, "server": server} {
		var c sockopt.Credentials
		err := control(conn.(syscall.Conn), func(fd uintptr) (err error) {
			c, err = sockopt.PeerCredentials(fd)
			return err
		})
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("the system does not tell: ", err)
		}
		want := sockopt.Credentials{PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid()}
		if err != nil || c != want {
			t.Errorf("%s: %+v, %v; want %+v", name, c, err, want)
		}
	}
}

func TestPeerCredentialsOfWhatIsNoSocketIsAnError(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	err = control(r, func(fd uintptr) error {
		_, err := sockopt.PeerCredentials(fd)
		return err
	})
	if err == nil {
		t.Error("a pipe has a peer")
	}
}

// control runs f on the descriptor of c.
func control(c syscall.Conn, f func(fd uintptr) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = f(fd) }); cerr != nil {
		return cerr
	}
	return err
}
