//go:build unix

package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/addresstest"
)

// The flags for versions of HTTP mean what they mean to curl, over TLS and not.
func TestFetchSpeaksTheHTTPThatCurlSpeaks(t *testing.T) {
	if !curlHas(t, "HTTP2") {
		t.Skip("this curl has no HTTP/2")
	}
	dir := served(t)
	plain, secure := startServe(t, dir), startServe(t, dir, "--tls")
	const format = "%{http_version} %{http_code} %{size_download} %{size_header} %{size_request} %{scheme} %{num_connects}"
	for _, flags := range [][]string{
		nil, {"--http1.1"}, {"--http2"}, {"--http2-prior-knowledge"}, {"--http2", "--http1.1"}, {"--http1.1", "--http2"},
	} {
		for _, u := range []string{plain.url, secure.url} {
			if u == plain.url && len(flags) > 0 && flags[len(flags)-1] == "--http2" {
				continue // curl asks for an upgrade then, which RFC 9113 has given up
			}
			args := append([]string{"-sS", "-k", "-A", "x", "-w", "%{stderr}" + format, u + "/large.bin"}, flags...)
			want, got := curl(t, args...), fetch(t, args...)
			if got.code != 0 || got != want {
				t.Errorf("%q: (%d) %s, %d bytes; curl: (%d) %s, %d bytes", args, got.code, got.errs, len(got.out), want.code, want.errs, len(want.out))
			}
		}
	}
	if got := fetch(t, "-sS", "--http2-prior-knowledge", "-d", "x=y", plain.url+"/small.txt", "-w", " %{http_version}"); !strings.HasSuffix(got.out, " 2") || !strings.HasPrefix(got.out, "405") {
		t.Errorf("POST: %+v", got)
	}
	if got := fetch(t, "-sv", "-k", secure.url+"/small.txt"); !strings.Contains(got.errs, "> GET /small.txt HTTP/2\n") || !strings.Contains(got.errs, "< HTTP/2 200 \n") {
		t.Errorf("-v: %s", got.errs)
	}
}

// Hundreds of URLs of one host go over one connection.
func TestFetchGetsAThousandURLsOverOneConnection(t *testing.T) {
	dir := t.TempDir()
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(fmt.Sprintf("file %d\n", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := startServe(t, dir, "--tls", "--log", "none")
	list, out := urlList(s.url, 1000), t.TempDir()
	got := fetchFrom(t, list, "-sS", "-k", "-i", "-", "-O", "--output-dir", out, "-w", "%{http_version} %{num_connects}\n")
	if got.code != 0 || strings.Count(got.out, "2 1\n") != 1 || strings.Count(got.out, "2 0\n") != 999 {
		t.Fatalf("(%d) %s%.300s", got.code, got.errs, got.out)
	}
	for i := range 1000 {
		if b, err := os.ReadFile(filepath.Join(out, fmt.Sprint(i))); err != nil || string(b) != fmt.Sprintf("file %d\n", i) {
			t.Fatalf("%d: %q, %v", i, b, err)
		}
	}
	t.Run("the same bytes as curl", func(t *testing.T) {
		theirs := t.TempDir()
		var config strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&config, "url = %s/%d\noutput = %s/%d\n", s.url, i, theirs, i)
		}
		name := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(name, []byte(config.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := curl(t, "-sS", "-k", "--parallel", "-K", name); got.code != 0 {
			t.Fatalf("curl: (%d) %.300s", got.code, got.errs)
		}
		for i := range 1000 {
			want, err := os.ReadFile(filepath.Join(theirs, fmt.Sprint(i)))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(out, fmt.Sprint(i))); err != nil || !bytes.Equal(b, want) {
				t.Fatalf("%d: %q, %v; curl: %q", i, b, err, want)
			}
		}
	})
}

func urlList(base string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s/%d\n", base, i)
	}
	return b.String()
}

func TestFetchGetsFromNghttpd(t *testing.T) {
	path, err := exec.LookPath("nghttpd")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nghttpd"); err != nil {
			t.Skip("there is no nghttpd here")
		}
	}
	addr := addresstest.Free(t, 1)[0] // it cannot be told to choose a port
	host, port, _ := net.SplitHostPort(addr)
	c := exec.Command(path, "--no-tls", "-v", "-a", host, "-d", served(t), port)
	said, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Signal(unix.SIGKILL)
		_ = c.Wait()
	}()
	if line := make([]byte, 512); true { // it says where it listens
		if n, err := said.Read(line); err != nil || !strings.Contains(string(line[:n]), "listen") {
			t.Skipf("nghttpd does not listen: %q, %v", line[:n], err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	got := fetch(t, "-sS", "--http2-prior-knowledge", "-w", "%{stderr}%{http_version} %{http_code}", "http://"+addr+"/large.bin")
	if got.errs != "2 200" || got.out != string(noise(300_000)) {
		t.Errorf("(%d) %s, %d bytes", got.code, got.errs, len(got.out))
	}
}
