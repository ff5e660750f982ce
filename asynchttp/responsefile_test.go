package asynchttp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp"
)

// tempFile is a file with that text.
func tempFile(t *testing.T, text string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilesAreSentWhole(t *testing.T) { onEveryDriver(t, testFilesAreSentWhole) }

func testFilesAreSentWhole(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	for name, x := range map[string]struct {
		send func(w http.ResponseWriter, f *os.File) (int64, error)
		want string
		at   int64 // where the file is after that
	}{
		"all of it, in a chunk": {
			func(w http.ResponseWriter, f *os.File) (int64, error) { return io.Copy(w, f) }, text, 1_000_000,
		},
		"with a length": {
			func(w http.ResponseWriter, f *os.File) (int64, error) {
				w.Header().Set("Content-Length", "1000000")
				return io.Copy(w, f)
			}, text, 1_000_000,
		},
		"a part": {
			func(w http.ResponseWriter, f *os.File) (int64, error) {
				f.Seek(500_005, io.SeekStart)
				return io.CopyN(w, f, 7_000)
			}, text[500_005:507_005], 507_005,
		},
		"a small part": {
			func(w http.ResponseWriter, f *os.File) (int64, error) {
				f.Seek(5, io.SeekStart)
				return io.CopyN(w, f, 10)
			}, text[5:15], 15,
		},
		"between other text": {
			func(w http.ResponseWriter, f *os.File) (int64, error) {
				io.WriteString(w, "before ")
				n, err := io.CopyN(w, f, 10_000)
				io.WriteString(w, " after")
				return n, err
			}, "before " + text[:10_000] + " after", 10_000,
		},
		"two parts": {
			func(w http.ResponseWriter, f *os.File) (int64, error) {
				n, err := io.CopyN(w, f, 20_000)
				m, _ := io.CopyN(w, f, 20_000)
				return n + m, err
			}, text[:40_000], 40_000,
		},
		"from somewhere else": {
			func(w http.ResponseWriter, f *os.File) (int64, error) {
				return io.Copy(w, struct{ io.Reader }{io.LimitReader(f, 100_000)})
			}, text[:100_000], 100_000,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := tempFile(t, text)
			onLoop(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, err := x.send(w, f)
				if at, _ := f.Seek(0, io.SeekCurrent); err != nil || at != x.at {
					t.Errorf("sent %d bytes, %v; the file is at %d, not %d", n, err, at, x.at)
				}
			}), func(ctx context.Context, c *http.Client, url string) error {
				resp, got, err := fetch(ctx, c, "GET", url, nil)
				if got != x.want || err != nil {
					t.Errorf("got %d bytes, want %d, %v", len(got), len(x.want), err)
				}
				if ct := resp.Header.Get("Content-Type"); ct != "text/plain; charset=utf-8" {
					t.Errorf("the type is %q", ct)
				}
				return nil
			})
		})
	}
}

func TestFilesAreSentOverTLS(t *testing.T) {
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	text := strings.Repeat("0123456789", 100_000)
	f := tempFile(t, text)
	srv := handle(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, f) })
	srv.TLSConfig = &tls.Config{Certificates: peer.TLS.Certificates}
	withServer(t, srv, func(addr string) error {
		req, err := http.NewRequest("GET", "https://"+addr, nil)
		if err != nil {
			return err
		}
		if _, got, err := do(peer.Client(), req); got != text {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		peer.Client().CloseIdleConnections()
		return nil
	})
}

func TestAFileKeepsToTheAnnouncedLength(t *testing.T) {
	f := tempFile(t, strings.Repeat("x", 10_000))
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "9999")
		if _, err := io.Copy(w, f); err != http.ErrContentLength {
			t.Errorf("too long: %v", err)
		}
		if n, err := io.CopyN(w, f, 9999); n != 9999 || err != nil {
			t.Errorf("sent %d, %v", n, err)
		}
	})
	withServer(t, srv, func(addr string) error {
		got, err := talk(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(got, "\r\n\r\n"+strings.Repeat("x", 9999)) {
			t.Errorf("got %d bytes", len(got))
		}
		return err
	})
}

func TestAFileIsNotSentWhereThereIsNoBody(t *testing.T) {
	f := tempFile(t, strings.Repeat("x", 10_000))
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		f.Seek(0, io.SeekStart)
		if r.Method != "HEAD" {
			w.WriteHeader(http.StatusNoContent)
		}
		n, err := io.Copy(w, f)
		if r.Method == "HEAD" && (n != 10_000 || err != nil) || r.Method != "HEAD" && err != http.ErrBodyNotAllowed {
			t.Errorf("%s: %d, %v", r.Method, n, err)
		}
	})
	for _, method := range []string{"GET", "HEAD"} {
		withServer(t, srv, func(addr string) error {
			got, err := talk(addr, method+" / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if !strings.HasSuffix(got, "\r\n\r\n") || strings.Contains(got, "xx") {
				t.Errorf("%s: got %.300q", method, got)
			}
			return err
		})
		srv = &asynchttp.Server{Handler: srv.Handler}
	}
}

// The client must not take the rest of a file that has become shorter for all.
func TestAFileThatShrinksEndsTheConnection(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		t.Run(version, func(t *testing.T) {
			f := tempFile(t, strings.Repeat("x", 16<<20))
			var sent int64
			var err error
			srv := handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(16<<20))
				sent, err = io.Copy(w, f)
			})
			withServer(t, srv, func(addr string) error {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return err
				}
				defer c.Close()
				fmt.Fprintf(c, "GET / HTTP/%s\r\nHost: x\r\n\r\n", version)
				br := bufio.NewReader(c)
				if _, err := br.Peek(100); err != nil {
					return err
				}
				if err := f.Truncate(8 << 20); err != nil {
					return err
				}
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					return err
				}
				if n, err := io.Copy(io.Discard, resp.Body); err == nil {
					t.Errorf("the client takes %d bytes for all", n)
				}
				return nil
			})
			if err == nil || sent >= 16<<20 {
				t.Errorf("the handler was told %d, %v", sent, err)
			}
		})
	}
}

// A file is not read on the loop. Where it were, the client's reads and the
// server's would show in what the process has read.
func TestTheKernelSendsAFileOverAPlainConnection(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux counts what a process reads")
	}
	const size = 32 << 20
	f := tempFile(t, strings.Repeat("x", size))
	onLoop(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := readCalls(t)
		io.Copy(w, f)
		if n := readCalls(t) - before; n > size/(32<<10)/2 {
			t.Errorf("%d reads for a file of %d bytes", n, size)
		}
	}), func(ctx context.Context, c *http.Client, url string) error {
		if got, err := get(ctx, c, url); len(got) != size {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		return nil
	})
}

// readCalls counts the system calls by which this process has read from files.
func readCalls(t *testing.T) (n int64) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("this system does not count: ", err)
	}
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "syscr: %d", &n)
	}
	return n
}
