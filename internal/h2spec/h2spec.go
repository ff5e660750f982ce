// Package h2spec runs h2spec, which tells whether a server keeps to the rules of
// HTTP/2, in tests.
package h2spec

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// module is a test tool, and no dependency of this module.
const module = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// Path returns the path of h2spec: that in H2SPEC, or one that is installed, or
// one that it builds. It skips the test where it can be neither found nor built.
func Path(t testing.TB) string {
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
	cmd := exec.Command("go", "install", module)
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("h2spec cannot be built: %v\n%s", err, out)
	}
	return filepath.Join(dir, "h2spec")
}

// Run runs the h2spec at path against a server, whole and in strict mode. It
// returns what it has printed, and whether every case has passed. It blocks.
func Run(ctx context.Context, path, address string, args ...string) (out string, passed bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err.Error(), false
	}
	args = append(args, "--strict", "--timeout", "5", "-h", host, "-p", port)
	p, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	out = string(p)
	return out, err == nil && strings.Contains(out, "146 tests, 146 passed, 0 skipped, 0 failed")
}
