//go:build unix

package cli_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// h2specModule is a test tool, and no dependency of this module.
const h2specModule = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// h2spec returns the path of h2spec, which it builds, or skips the test.
func h2spec(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("H2SPEC"); p != "" {
		return p
	}
	if p, err := exec.LookPath("h2spec"); err == nil {
		return p
	}
	if testing.Short() {
		t.Skip("h2spec is not built in short mode")
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "install", h2specModule)
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("h2spec cannot be built: %v\n%s", err, out)
	}
	return filepath.Join(dir, "h2spec")
}

// TestServePassesH2specInStrictMode goes over TLS: without it, what is no preface
// of HTTP/2 is a bad request of HTTP/1.1 on the same port, and answered as one.
//
// Some cases break a rule while a response is on its way, and take a response that
// is faster than they are for a failure. So each must pass in one of a few runs.
func TestServePassesH2specInStrictMode(t *testing.T) {
	spec := h2spec(t)
	s := startServe(t, served(t), "--tls", "--log", "none")
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	failed := regexp.MustCompile(`(?m)^ *× \d+: .*$`)
	var left map[string]bool // that failed in every run
	for range 8 {
		// Its exit status only says that something failed.
		out, _ := exec.CommandContext(ctx, spec, "-t", "-k", "--strict", "--timeout", "2", "-h", u.Hostname(), "-p", u.Port()).CombinedOutput()
		_, failures, _ := strings.Cut(string(out), "Failures:")
		if !strings.Contains(string(out), "146 tests, ") || !strings.Contains(string(out), " 0 skipped") {
			t.Fatalf("h2spec did not run all of it:\n%s", out)
		}
		now, names := make(map[string]bool), failed.FindAllString(failures, -1)
		if (len(names) == 0) != strings.Contains(string(out), " 0 failed") {
			t.Fatalf("the failures cannot be told from the rest:\n%s", out)
		}
		for _, name := range names {
			if left == nil || left[name] {
				now[name] = true
			}
		}
		if left = now; len(left) == 0 {
			return
		}
	}
	t.Errorf("h2spec: %d cases failed in every run: %v", len(left), left)
}
