package cli_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

// newProxy starts a proxy that connects to where it is asked to, if the user is
// the right one.
func newProxy(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic bWU6cHc=" { // me:pw
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		over := make(chan struct{})
		go func() {
			_, _ = io.Copy(to, buffered)
			_ = to.(*net.TCPConn).CloseWrite()
			close(over)
		}()
		_, _ = io.Copy(from, to)
		_ = from.Close()
		<-over
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestAProxyIsAskedToConnect(t *testing.T) {
	u, ca := newTLSSite(t)
	proxy := newProxy(t)
	for name, args := range map[string][]string{
		"https":        {"-x", "me:pw@" + proxy, "--cacert", ca, u + "/plain"},
		"wrong user":   {"-x", proxy, "--cacert", ca, u + "/plain"},
		"no such host": {"-x", "http://me:pw@" + proxy, "https://127.0.0.1:1/"},
		"no proxy":     {"-x", "127.0.0.1:1", "--cacert", ca, u + "/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := curl(t, args...), fetch(t, append([]string{"-sS"}, args...)...)
			if got.code != want.code || got.out != want.out || strings.Contains(got.errs, "pw") {
				t.Errorf("(%d) %.100q %s; curl: (%d) %.100q %s", got.code, got.out, got.errs, want.code, want.out, want.errs)
			}
		})
	}
	t.Run("environment", func(t *testing.T) {
		t.Setenv("https_proxy", "http://me:pw@"+proxy)
		if got := fetch(t, "-s", "-w", "%{http_code}", "--cacert", ca, u+"/status/201"); got.code != 0 || got.out != "this is 201201" {
			t.Errorf("%+v", got)
		}
		t.Setenv("https_proxy", "http://127.0.0.1:1")
		t.Setenv("no_proxy", "127.0.0.0/8")
		if got := fetch(t, "-s", "--cacert", ca, u+"/status/201"); got.code != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestFilesOfDataAndHeaders(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	data, headers := filepath.Join(dir, "data"), filepath.Join(dir, "headers")
	for name, text := range map[string]string{data: "a=1&\r\nb=2\n", headers: "X-A: 1\r\nX-B: 2\n\nAccept:\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-A", "x", "-d", "@" + data, "-H", "@" + headers, u + "/echo"}
	if want, got := curl(t, args...), fetch(t, append([]string{"-s"}, args...)...); got.out != want.out || got.code != 0 {
		t.Errorf("%+v; curl: %+v", got, want)
	}
	if got := fetch(t, "-s", "-w", "@"+data, u+"/empty"); got.out != "a=1&\r\nb=2\n" {
		t.Errorf("%+v", got)
	}
	if got := fetchFrom(t, "from\nstdin", "-s", "-d", "@-", u+"/echo"); !strings.Contains(got.out, `"fromstdin"`) {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{{"-d", "@" + dir + "/none"}, {"-H", "@" + dir + "/none"}, {"-d", "@-", "-i", "-"}, {"-w", "@" + dir + "/none"}} {
		if got := fetch(t, append(args, u)...); got.code != 26 {
			t.Errorf("%+v", got)
		}
	}
	for _, args := range [][]string{{"-i", "-", "-"}, {"-H", "no header"}, {"-X", "A B"}, {"--resolve", "x"}, {"--parallel-max", "0"}, {"--max-redirs", "-2"}} {
		if got := fetch(t, append(args, u)...); got.code != 2 || !strings.Contains(got.errs, "asyncio: (2) ") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestVerboseTellsOfRequestAndResponse(t *testing.T) {
	u := newSite(t)
	got := fetch(t, "-sv", "-H", "X-A: b", u+"/status/404")
	for _, line := range []string{"* connected to ", "> GET /status/404 HTTP/1.1\n", "> X-A: b\n", "< HTTP/1.1 404 Not Found\n", "< Content-Length: 11\n"} {
		if !strings.Contains(got.errs, line) {
			t.Errorf("%q is missing in %s", line, got.errs)
		}
	}
	several := fetch(t, "-sv", u+"/status/200", u+"/status/201")
	if !strings.Contains(several.errs, "[1] < HTTP/1.1 201 Created\n") {
		t.Error(several.errs)
	}
}

func TestSilenceAndErrors(t *testing.T) {
	refused := "http://127.0.0.1:1/"
	for _, c := range []struct {
		args  []string
		lines int
	}{
		{[]string{}, 2}, // the error, and the summary
		{[]string{"--no-progress-meter"}, 1},
		{[]string{"-s"}, 0},
		{[]string{"-s", "-S"}, 1},
	} {
		if got := fetch(t, append(c.args, refused)...); got.code != 7 || strings.Count(got.errs, "\n") != c.lines {
			t.Errorf("%q: %+v", c.args, got)
		}
	}
	if got := fetch(t, "-s", "-w", "%{nope}x", newSite(t)+"/empty"); got.out != "x" {
		t.Errorf("%+v", got)
	}
	if got := fetch(t, "--no-progress-meter", "-w", "%{nope}x", newSite(t)+"/empty"); got.errs != "asyncio: note: unknown --write-out variable: \"nope\"\n" {
		t.Errorf("%+v", got)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	u := newSite(t)
	list := strings.Repeat(u+"/page/1\n", 100)
	got := fetchFrom(t, list, "-s", "-i", "-", "-o", os.DevNull, "--parallel-max", "4", "-w", "%{num_connects}")
	if n := strings.Count(got.out, "1"); got.code != 0 || len(got.out) != 100 || n > 4 {
		t.Errorf("%d connections for %d requests: %+v", n, len(got.out), got)
	}
}

func TestAListIsFetchedWhileItIsWritten(t *testing.T) {
	asked := make(chan string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	defer s.Close()
	list, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	go func() {
		defer writer.Close()
		for _, path := range []string{"/a", "/b", "/c"} {
			_, _ = io.WriteString(writer, s.URL+path+"\n")
			if got := <-asked; got != path {
				t.Errorf("%s was asked for, not %s", got, path)
			}
		}
	}()
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), []string{"fetch", "-s", "-", "--parallel-max", "1"}, list, &out, &errs)
	if code != 0 || out.String() != "/a/b/c" {
		t.Fatalf("(%d) %s, %s", code, out.String(), errs.String())
	}
}
