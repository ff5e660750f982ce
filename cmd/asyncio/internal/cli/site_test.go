package cli_test

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

var plainPage = noise(200_000)

// site is the handler of servers that behave.
func site() http.Handler {
	text := []byte(strings.Repeat("again and again ", 5000))
	m := http.NewServeMux()
	m.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) { w.Write(plainPage) })
	m.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	m.HandleFunc("/nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	m.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		for len := 1; len < 20_000; len *= 3 {
			w.Write(plainPage[:len])
			w.(http.Flusher).Flush()
		}
	})
	packed := func(name, encoding string, writer func(w io.Writer) io.WriteCloser) {
		m.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			z := writer(w)
			z.Write(text)
			z.Close()
		})
	}
	packed("gzip", "gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	packed("zlib", "deflate", func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	packed("deflate", "deflate", func(w io.Writer) io.WriteCloser { z, _ := flate.NewWriter(w, 5); return z })
	packed("zstd", "zstd", func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })
	m.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		zeros := make([]byte, 1<<20)
		for range 1 << 10 {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
		z.Close()
	})
	m.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
		fmt.Fprintf(w, "this is %d", code)
	})
	m.HandleFunc("/to/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(code)
		io.WriteString(w, "the body of a redirect")
	})
	m.HandleFunc("/hops/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		if n == 0 {
			io.WriteString(w, "arrived")
			return
		}
		http.Redirect(w, r, strconv.Itoa(n-1), http.StatusFound)
	})
	m.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s host=%s\n", r.Method, r.URL.RequestURI(), r.Host[:strings.IndexAny(r.Host+":", ":")])
		r.Header.Write(w)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d: %q\n", r.ContentLength, body)
	})
	m.HandleFunc("/page/{n}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("page "+r.PathValue("n")+"\n", 100))
	})
	m.HandleFunc("/zeros/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.PathValue("n"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		for buf := make([]byte, 64<<10); n > 0; n -= int64(len(buf)) {
			if _, err := w.Write(buf[:min(n, int64(len(buf)))]); err != nil {
				return
			}
		}
	})
	return m
}

// newSite starts an http server and returns its URL.
func newSite(t testing.TB) string {
	s := httptest.NewServer(site())
	t.Cleanup(s.Close)
	return s.URL
}

// newTLSSite starts an https server with an authority of its own, and returns its
// URL and the file with the authority's certificate. The certificate is for
// 127.0.0.1, ::1 and example.com.
func newTLSSite(t testing.TB) (url, caFile string) {
	s := httptest.NewUnstartedServer(site())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(caFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, caFile
}

// newRawSite starts a server that answers each connection by a function: that
// writes what it likes, and returns when it has written all. done is closed
// when the test ends.
func newRawSite(t testing.TB, answer func(path string, c *net.TCPConn, done <-chan struct{})) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done, over := make(chan struct{}), make(chan struct{})
	conns := make(chan struct{}, 1000)
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				for range len(conns) {
					<-conns
				}
				return
			}
			go func() {
				defer c.Close()
				line, err := bufio.NewReader(c).ReadString('\n')
				parts := strings.Fields(line)
				if err != nil || len(parts) < 2 {
					return
				}
				answer(strings.TrimPrefix(parts[1], "/"), c.(*net.TCPConn), done)
			}()
		}
	}()
	t.Cleanup(func() {
		close(done)
		l.Close()
		<-over
	})
	return "http://" + l.Addr().String()
}

const head = "HTTP/1.1 200 OK\r\n"

// misbehave is the answer of servers that do not what they should.
func misbehave(path string, c *net.TCPConn, done <-chan struct{}) {
	switch path {
	case "never":
		<-done
	case "drip":
		io.WriteString(c, head+"Content-Length: 100000\r\n\r\n")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if _, err := c.Write([]byte{'.'}); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	case "reset":
		c.SetLinger(0)
	case "endless-header":
		io.WriteString(c, head+"A: ")
		forever(c, strings.Repeat("x", 4096))
	case "endless-headers":
		io.WriteString(c, head)
		forever(c, strings.Repeat("Field: value\r\n", 100))
	case "endless-100":
		forever(c, "HTTP/1.1 100 Continue\r\n\r\n")
	case "endless-body":
		io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\n")
		forever(c, strings.Repeat("x", 64<<10))
	case "loop":
		io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	default:
		io.WriteString(c, answers[path])
		c.CloseWrite()
		// Closing while the request's rest is unread would reset.
		io.Copy(io.Discard, io.LimitReader(c, 1<<20))
	}
}

// answers are the whole responses of some paths of misbehave.
var answers = map[string]string{
	"http09":            "this is a page\r\n",
	"http09-page":       "<html>\r\n<body>\r\n\r\nhello</html>",
	"http09-byte":       "x",
	"http10":            "HTTP/1.0 200 OK\r\n\r\nuntil the end",
	"empty-reply":       "",
	"short":             head + "Content-Length: 10\r\n\r\nabc",
	"short-chunk":       head + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
	"no-last-chunk":     head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	"bad-chunk":         head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
	"differing-lengths": head + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
	"bad-length":        head + "Content-Length: x\r\n\r\nabc",
	"no-colon":          head + "Foo bar\r\nContent-Length: 3\r\n\r\nabc",
	"nul":               head + "Foo: a\x00b\r\nContent-Length: 3\r\n\r\nabc",
	"not-http":          "220 ready\r\n\r\n",
	"bad-status":        "HTTP/1.1 xyz OK\r\n\r\n",
	"http2":             "HTTP/2.7 200 OK\r\nContent-Length: 0\r\n\r\n",
	"bad-transfer":      head + "Transfer-Encoding: foo\r\n\r\nabc",
	"bad-encoding":      head + "Content-Encoding: foo\r\nContent-Length: 3\r\n\r\nabc",
	"bad-gzip":          head + "Content-Encoding: gzip\r\nContent-Length: 23\r\n\r\nthis is not gzip at all",
	"to-gopher":         "HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\nContent-Length: 0\r\n\r\n",
	"to-nowhere":        "HTTP/1.1 302 Found\r\nLocation: http://[x/\r\nContent-Length: 0\r\n\r\n",
	"good":              head + "Content-Length: 4\r\n\r\ngood",
}

func forever(c net.Conn, s string) {
	for {
		if _, err := io.WriteString(c, s); err != nil {
			return
		}
	}
}
