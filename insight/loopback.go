package insight

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// A loopbackListener listens where there is no unix socket whose peers are known. Its
// address and its token stand in a file that has the place and the name of the socket.
type loopbackListener struct {
	net.Listener
	token string
}

func listenLoopback(dir string) (net.Listener, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	at := insightwire.Loopback{Address: l.Addr().String(), Token: rand.Text()}
	path := filepath.Join(dir, insightwire.SocketName(os.Getpid()))
	text, err := json.Marshal(at)
	if err == nil {
		_ = os.Remove(path) // of a process that had this number
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		_ = l.Close()
		return nil, "", err
	}
	return &loopbackListener{l, at.Token}, path, nil
}

// requireToken refuses requests without the token, and those that mean another host: a
// page that got itself a name for this address.
func requireToken(l *loopbackListener, h http.Handler) http.Handler {
	host, want := l.Addr().String(), []byte("Bearer "+l.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "this is another host", http.StatusMisdirectedRequest)
			return
		}
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "the token is missing: it stands in the file of this process", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
