package insight

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

// get asks for a path and returns status and body.
func get(t testing.TB, c *http.Client, path string, header ...string) (int, string) {
	t.Helper()
	return ask(t, c, "GET", path, header...)
}

func ask(t testing.TB, c *http.Client, method, path string, header ...string) (int, string) {
	t.Helper()
	if strings.HasPrefix(path, "/") {
		path = "http://insight" + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestStartServesUntilClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "down")
	s, err := Start(WithDirectory(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(WithDirectory(dir)); !errors.Is(err, ErrStarted) {
		t.Errorf("a second start: %v", err)
	}
	c := clientOf(t, s)
	if status, body := get(t, c, "/v1/"); status != 200 || !strings.Contains(body, "/v1/loops") {
		t.Errorf("%d %s", status, body)
	}
	c.CloseIdleConnections()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it has left %v, %v", entries, err)
	}
	again, err := Start(WithDirectory(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestStartSaysWhyItCannot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(WithDirectory(file)); !errors.Is(err, insightwire.ErrUnsafeDirectory) || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}

func TestCloseCutsOffThoseWhoWatch(t *testing.T) {
	s := startServer(t, fakes(samples.Program()))
	resp, err := clientOf(t, s).Get("http://insight/v1/events?every=20ms")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // it ends
}

func TestTheLoopbackListenerWantsItsTokenAndItsName(t *testing.T) {
	l, path, err := listenLoopback(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: requireToken(l.(*loopbackListener), fakes(samples.Program()).handler())}
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	defer func() {
		_ = srv.Close()
		<-served
	}()
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // there the directory's list says who may read
		t.Errorf("%v, %v", info, err)
	}
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	url := "http://" + l.Addr().String() + "/v1/loops"
	token := "Bearer " + l.(*loopbackListener).token
	if status, _ := get(t, c, url); status != http.StatusForbidden {
		t.Errorf("without a token: %d", status)
	}
	if status, _ := get(t, c, url, "Authorization", token+"x"); status != http.StatusForbidden {
		t.Errorf("with another token: %d", status)
	}
	if status, _ := get(t, c, url, "Authorization", token); status != http.StatusOK {
		t.Errorf("with the token: %d", status)
	}
	r, _ := http.NewRequest("GET", url, nil)
	r.Header.Set("Authorization", token)
	r.Host = "evil.example"
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("with another host: %d", resp.StatusCode)
	}
}

func TestAHandlerOfOnesOwnChangesNothingOfTheLoops(t *testing.T) {
	out := httptest.NewRecorder()
	Handler().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/loops", nil))
	if out.Code != http.StatusOK || asyncio.Insight() != asyncio.InsightOff {
		t.Errorf("%d, %v", out.Code, asyncio.Insight())
	}
}
