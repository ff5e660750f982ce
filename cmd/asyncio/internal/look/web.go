package look

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

// cookie is the name of the cookie with the token. Cookies know no ports: bridges to
// two processes must not take each other's.
const cookie = "asyncio-"

// keyToProcess is said of an address that lets into a process.
const keyToProcess = "The address is a key: who has it sees what the process does, and can cancel tasks."

// Web is a bridge from a browser on this machine to a process, until ctx ends. The
// process itself never opens a port. The trace of a simulated world, a file, is shown
// in the same way.
func Web(ctx context.Context, s *Screen, arg string, o Options) error {
	key := keyToProcess
	trace, err := openTrace(arg)
	if err != nil {
		return err
	}
	var behind http.Handler
	if trace != nil {
		behind, key = trace, "The address is a key: who has it sees the trace."
	} else {
		t, err := find(arg)
		if err != nil {
			return err
		}
		defer t.close()
		behind = processProxy(t)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b := newBridge(behind, l.Addr().String())
	if o.JSON {
		err = s.writeJSON(map[string]string{"url": b.url()})
	} else {
		err = s.print(s.web(b.url(), key)...)
	}
	if err != nil {
		_ = l.Close()
		return err
	}
	srv := &http.Server{Handler: b, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// web returns what is said of the page's address, which is not cut.
func (s *Screen) web(url, key string) []string {
	lines := append([]string{url}, s.wrap(key)...)
	return append(lines, "Interrupt (^C) to end.")
}

// A bridge lets one browser through to what is behind it, which it knows by a token.
type bridge struct {
	host, token string
	behind      http.Handler
}

func newBridge(behind http.Handler, host string) *bridge { return &bridge{host, rand.Text(), behind} }

// processProxy hands requests on to a process.
func processProxy(t *target) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     t.client.Transport,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "insight", "insight"
			r.Out.Header.Del("Cookie") // the token is none of the process's business
			// Who asks is known here, and the process would see another host.
			r.Out.Header.Del("Origin")
			for name, values := range t.header {
				r.Out.Header[name] = values
			}
			if host := t.header.Get("Host"); host != "" {
				r.Out.Host = host
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the process does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
}

func (b *bridge) url() string { return fmt.Sprintf("http://%s/?token=%s", b.host, b.token) }

// cookieName returns the name of this bridge's cookie.
func (b *bridge) cookieName() string {
	_, port, _ := net.SplitHostPort(b.host)
	return cookie + port
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Cookie(b.cookieName())
	// How the address was opened says nothing the first time: it may have been clicked
	// on anywhere. From then on the page asks, and nobody else.
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case r.Host != b.host: // another name for this address
		http.Error(w, "this is another host", http.StatusMisdirectedRequest)
	case r.Method == http.MethodGet && r.URL.Path == "/" && b.is(r.URL.Query().Get("token")):
		http.SetCookie(w, &http.Cookie{Name: b.cookieName(), Value: b.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, entrance)
	case site != "" && site != "same-origin" && site != "none":
		http.Error(w, "another site has asked", http.StatusForbidden)
	case r.Header.Get("Origin") != "" && r.Header.Get("Origin") != "http://"+b.host:
		http.Error(w, "another site has asked", http.StatusForbidden)
	case c == nil || !b.is(c.Value):
		http.Error(w, "open the address that asyncio web has printed, with its token", http.StatusForbidden)
	default:
		b.behind.ServeHTTP(w, r)
	}
}

// entrance leads to the page. A redirection would not do: when another program has
// opened the address, a browser keeps a strict cookie back on the whole way.
const entrance = `<!doctype html><meta http-equiv="refresh" content="0;url=/"><a href="/">asyncio</a>`

// is reports whether a token is the right one.
func (b *bridge) is(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(b.token)) == 1
}
