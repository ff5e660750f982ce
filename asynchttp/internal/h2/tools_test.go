package h2_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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

func TestH2specPassesWholeInStrictMode(t *testing.T) {
	spec := h2spec(t)
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "Hello, world!")
	}, func(ctx context.Context, addr string) error {
		host, port, _ := net.SplitHostPort(addr)
		return inThread(ctx, func(ctx context.Context) error {
			out, err := exec.CommandContext(ctx, spec, "--strict", "--timeout", "2", "-h", host, "-p", port).CombinedOutput()
			t.Log(lastLine(string(out)))
			if err != nil || !strings.Contains(string(out), "146 passed") && !strings.Contains(string(out), "0 failed") {
				return fmt.Errorf("h2spec: %v\n%s", err, out)
			}
			return nil
		})
	})
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
