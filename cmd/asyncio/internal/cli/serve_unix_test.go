//go:build unix

package cli_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A serving is a process of "asyncio serve".
type serving struct {
	url  string
	cmd  *exec.Cmd
	errs *bufio.Reader
	log  bytes.Buffer
}

// startServe starts one on a port of its own. stop ends it at the latest with the
// test.
func startServe(t *testing.T, dir string, args ...string) *serving {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &serving{cmd: exec.Command(self, append([]string{"serve", "--listen", "127.0.0.1:0", dir}, args...)...)}
	s.cmd.Env = append(os.Environ(), asProgram+"=1")
	s.cmd.Stdout = &s.log
	errs, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.errs = bufio.NewReader(errs)
	for {
		line, err := s.errs.ReadString('\n')
		if err != nil {
			t.Fatalf("it does not serve: %q, %v", line, err)
		}
		if _, u, found := strings.Cut(strings.TrimSuffix(line, "/\n"), " at http"); found {
			s.url = "http" + u
			break
		}
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.stop(t, unix.SIGTERM)
		}
	})
	return s
}

// stop ends it by a signal, and returns its access log.
func (s *serving) stop(t *testing.T, sig os.Signal) string {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Error(err)
	}
	rest, _ := io.ReadAll(s.errs)
	if err := s.cmd.Wait(); err != nil || len(rest) > 0 {
		t.Errorf("it ended with %v, %s", err, rest)
	}
	return s.log.String()
}

// served makes a directory to serve, with something outside it.
func served(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "site")
	for name, body := range map[string][]byte{
		"outside.txt": []byte("secret"), "site/small.txt": []byte("small\n"), "site/sub/index.html": []byte("<p>index"),
		"site/.hidden/x": []byte("hidden"), "site/large.bin": noise(300_000), "site/d/a b&c:d.txt": []byte("odd name"),
		"site/text.txt": bytes.Repeat([]byte("many words "), 50_000), "site/page.html": bytes.Repeat([]byte("<p>word</p>\n"), 200),
	} {
		name = filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"out": "../outside.txt", "up": "..", "in": "small.txt", "abs": filepath.Join(top, "outside.txt")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestServeServesFilesToCurl(t *testing.T) {
	dir := served(t)
	for name, args := range map[string][]string{
		"HTTP/1.1": {"--http1.1"}, "HTTP/2": {"--http2-prior-knowledge"}, "TLS and HTTP/1.1": {"-k", "--http1.1"}, "TLS": {"-k", "--http2"},
		"workers": {"--http1.1"}, "portable": {"--http1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var flags []string
			switch {
			case args[0] == "-k":
				flags = []string{"--tls"}
			case name == "workers":
				flags = []string{"--workers", "2"}
			case name == "portable":
				flags = []string{"--driver", "portable"}
			}
			s := startServe(t, dir, flags...)
			want := "1.1"
			if strings.Contains(args[len(args)-1], "http2") {
				want = "2"
			}
			for _, file := range []string{"small.txt", "large.bin", "text.txt", "in", "d/a%20b%26c:d.txt"} {
				b, err := os.ReadFile(filepath.Join(dir, strings.NewReplacer("%20", " ", "%26", "&").Replace(file)))
				if err != nil {
					t.Fatal(err)
				}
				for _, packed := range [][]string{nil, {"--compressed"}} {
					got := curl(t, append(append(packed, args...), "-w", "%{stderr}%{http_version} %{http_code}", s.url+"/"+file)...)
					if got.errs != want+" 200" || got.out != string(b) {
						t.Errorf("%s %v: %s, %d bytes, want %d", file, packed, got.errs, len(got.out), len(b))
					}
				}
				if part := curl(t, append(args, "-r", "1-3", s.url+"/"+file)...); part.out != string(b[1:4]) {
					t.Errorf("%s: a range is %.20q", file, part.out)
				}
			}
			if got := curl(t, append(args, "-w", "%{stderr}%{http_code}", "-r", "299990-", s.url+"/large.bin")...); got.errs != "206" || got.out != string(noise(300_000)[299_990:]) {
				t.Errorf("the end of a file: %s, %d bytes", got.errs, len(got.out))
			}
		})
	}
}

func TestServeShowsNothingOutsideAndNothingHidden(t *testing.T) {
	s := startServe(t, served(t))
	for path, want := range map[string]string{
		"/out": "404", "/abs": "404", "/up/outside.txt": "404", "/../outside.txt": "404", "/%2e%2e/outside.txt": "404", "/..%2foutside.txt": "404",
		"/sub/../../outside.txt": "404", "/.hidden/x": "404", "/%2ehidden/x": "404", "/pipe": "404", "/small.txt/": "404", "/small.txt/x": "404",
		"/none": "404", "/sub": "301", "/sub/": "200", "/sub/../small.txt": "200", "//evil.example/..": "200", "/%00": "404",
	} {
		if got := curl(t, "--path-as-is", "-o", os.DevNull, "-w", "%{http_code}", s.url+path); got.out != want {
			t.Errorf("%s: %s, want %s", path, got.out, want)
		}
	}
	if got := curl(t, "-w", "%header{location}", s.url+"/d?x=1"); got.out != "d/?x=1" && !strings.Contains(got.out, "%header") {
		t.Errorf("a directory without its slash leads to %q", got.out)
	}
	if got := curl(t, "-X", "DELETE", "-w", "%{http_code}", "-o", os.DevNull, s.url+"/small.txt"); got.out != "405" {
		t.Errorf("DELETE: %s", got.out)
	}
	page := curl(t, s.url+"/").out
	for name, want := range map[string]bool{"small.txt": true, `href="in"`: true, `href="sub/"`: true, "hidden": false, "abs": false, "pipe": false, "../": false} {
		if strings.Contains(page, name) != want {
			t.Errorf("the listing has %s: %v\n%s", name, !want, page)
		}
	}
	if page := curl(t, s.url+"/d/").out; !strings.Contains(page, `href="./a%20b&amp;c:d.txt">a b&amp;c:d.txt<`) {
		t.Errorf("the listing of an odd name is %s", page)
	}
	hidden := startServe(t, filepath.Join(s.cmd.Args[4]), "--hidden")
	if got := curl(t, hidden.url+"/.hidden/x"); got.out != "hidden" {
		t.Errorf("with --hidden: %q", got.out)
	}
}

func TestServeAnswersConditions(t *testing.T) {
	dir := served(t)
	s := startServe(t, dir)
	header := func(args ...string) string {
		return curl(t, append([]string{"-D", "-", "-o", os.DevNull}, args...)...).out
	}
	find := func(h, name string) string {
		m := regexp.MustCompile(`(?mi)^` + name + `: (.*)\r$`).FindStringSubmatch(h)
		if m == nil {
			return ""
		}
		return m[1]
	}
	plain := header(s.url + "/text.txt")
	packed := header("-H", "Accept-Encoding: gzip", s.url+"/text.txt")
	small := header("-H", "Accept-Encoding: gzip", s.url+"/page.html")
	part := header("-H", "Accept-Encoding: gzip", "-r", "0-9", s.url+"/text.txt")
	tag, zipTag, modified := find(plain, "etag"), find(packed, "etag"), find(plain, "last-modified")
	if tag == "" || zipTag == "" || tag == zipTag || modified == "" {
		t.Fatalf("%s%s", plain, packed)
	}
	for name, ok := range map[string]bool{
		"plain":             find(plain, "content-encoding") == "" && find(plain, "vary") == "Accept-Encoding" && find(plain, "accept-ranges") == "bytes",
		"packed":            find(packed, "content-encoding") == "gzip" && find(packed, "vary") == "Accept-Encoding" && find(packed, "accept-ranges") == "",
		"packed in one":     find(small, "content-encoding") == "gzip" && find(small, "content-length") != "",
		"a range is plain":  find(part, "content-encoding") == "" && find(part, "content-range") != "" && strings.Contains(part, " 206 "),
		"too small to pack": find(header("-H", "Accept-Encoding: gzip", s.url+"/small.txt"), "content-encoding") == "",
		"not text":          find(header("-H", "Accept-Encoding: gzip", s.url+"/large.bin"), "content-encoding") == "",
	} {
		if !ok {
			t.Errorf("%s\n%s%s%s%s", name, plain, packed, small, part)
		}
	}
	for want, sets := range map[string][][]string{
		"304": {{"-H", "If-None-Match: " + tag}, {"-H", "If-Modified-Since: " + modified}, {"-H", "If-None-Match: " + zipTag, "-H", "Accept-Encoding: gzip"}},
		"200": {{"-H", "If-None-Match: " + zipTag}, {"-H", "If-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}, {"-r", "0-9", "-H", "If-Range: " + zipTag}, {"-H", "Range: bytes=0-1,5-6"}, {"-I"}},
		"206": {{"-r", "0-9", "-H", "If-Range: " + tag}},
		"412": {{"-H", `If-Match: "other"`}},
		"416": {{"-r", "99999999-"}},
	} {
		for _, args := range sets {
			if got := curl(t, append(args, "-o", os.DevNull, "-w", "%{http_code}", s.url+"/text.txt")...); got.out != want {
				t.Errorf("%q: %s, want %s", args, got.out, want)
			}
		}
	}
}

func TestServeTakesUploadsOnlyWhereTheyAreAllowed(t *testing.T) {
	dir := served(t)
	put := func(s *serving, path string, n int, args ...string) string {
		file := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(file, noise(n), 0o600); err != nil {
			t.Fatal(err)
		}
		return curl(t, append(args, "--path-as-is", "-T", file, "-o", os.DevNull, "-w", "%{http_code}", s.url+path)...).out
	}
	if got := put(startServe(t, dir), "/new", 10); got != "405" {
		t.Errorf("without --upload: %s", got)
	}
	s := startServe(t, dir, "--upload", "--max-upload", "200k")
	for _, c := range []struct {
		path string
		n    int
		want string
		args []string
	}{
		{"/new", 150_000, "201", nil}, {"/new", 200_000, "204", nil}, {"/new", 204_801, "413", nil},
		{"/chunked", 300_000, "413", []string{"-H", "Transfer-Encoding: chunked"}}, {"/two", 10_000, "201", []string{"--http2-prior-knowledge"}},
		{"/none/x", 1, "409", nil}, {"/sub", 1, "409", nil}, {"/../outside.txt", 1, "201", nil}, {"/up/outside.txt", 1, "409", nil}, {"/.dot", 1, "404", nil},
		{"/out", 5, "204", nil}, {"/empty", 0, "201", nil}, {"/part", 1, "400", []string{"-H", "Content-Range: bytes 0-0/5"}},
	} {
		if got := put(s, c.path, c.n, c.args...); got != c.want {
			t.Errorf("%s of %d bytes: %s, want %s", c.path, c.n, got, c.want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "../outside.txt")); err != nil || string(b) != "secret" {
		t.Errorf("outside there is %q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "new")); err != nil || sha256.Sum256(b) != sha256.Sum256(noise(200_000)) {
		t.Errorf("%d bytes were kept, %v", len(b), err)
	}
	// One that ends in the middle leaves nothing. Its answer says when that was seen.
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT /half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.ReadAll(conn)
	_ = conn.Close()
	s.stop(t, unix.SIGTERM)
	all := files(t, dir)
	if slices.Contains(all, "half") || slices.Contains(all, "chunked") || slices.ContainsFunc(all, func(s string) bool { return strings.HasSuffix(s, ".part") }) {
		t.Errorf("what is not whole is left: %q", all)
	}
}

func TestServeLogsAndEndsGently(t *testing.T) {
	dir := served(t)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM} {
		s := startServe(t, dir, "--log", "json", "--workers", "2")
		// A request that is under way: its answer is larger than what the system
		// holds, and is read after the signal.
		if err := os.WriteFile(filepath.Join(dir, "huge.bin"), noise(16<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /huge.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		first := make([]byte, 1)
		if _, err := io.ReadFull(conn, first); err != nil {
			t.Fatal(err)
		}
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(conn)
		if err != nil || len(rest) < 16<<20 {
			t.Errorf("%v: %d bytes, %v", sig, len(rest), err)
		}
		_, _ = io.ReadAll(s.errs)
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		var line struct {
			Method, URI string
			Status      int
			Bytes       int64
		}
		if err := json.Unmarshal(s.log.Bytes(), &line); err != nil || line.Method != "GET" || line.URI != "/huge.bin" || line.Status != 200 || line.Bytes != 16<<20 {
			t.Errorf("the log is %s (%v)", s.log.String(), err)
		}
	}
	s := startServe(t, dir)
	curl(t, s.url+"/small.txt")
	want := regexp.MustCompile(`^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /small\.txt HTTP/1\.1" 200 6\n$`)
	if log := s.stop(t, unix.SIGTERM); !want.MatchString(log) {
		t.Errorf("the log is %q", log)
	}
}

func TestBadOptionsOfServeAreErrors(t *testing.T) {
	dir := served(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for want, args := range map[string][]string{
		`--listen "8000" is no host:port`:       {"--listen", "8000"},
		"--tls-key is of no use":                {"--tls-key", "x"},
		"--tls-cert " + dir + "/none: open":     {"--tls-cert", dir + "/none"},
		"address already in use":                {"--listen", l.Addr().String()},
		"bind: address already in use":          {"--listen", l.Addr().String(), "--workers", "2"},
		"--workers -1 is out of its range":      {"--workers", "-1"},
		`"xml" is no format of a log`:           {"--log", "xml"},
		"--max-upload is of no use":             {"--max-upload", "1k"},
		"no such file or directory":             {dir + "/none"},
		"small.txt: not a directory":            {dir + "/small.txt"},
		"accepts at most 1 arg(s), received 2":  {dir, dir},
		"--driver none: there is none":          {"--driver", "none", dir},
		"asyncio: try 'asyncio help serve'":     {"--no-such-flag"},
		"tls: failed to find any PEM data in c": {"--tls-cert", dir + "/small.txt"},
	} {
		c := exec.CommandContext(t.Context(), self, append([]string{"serve"}, args...)...)
		c.Env = append(os.Environ(), asProgram+"=1")
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v, %s; want %s", args, err, out, want)
		}
	}
}
