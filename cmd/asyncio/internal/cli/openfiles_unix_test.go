//go:build unix

package cli_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestFewerTransfersAtATimeWhereFewFilesMayBeOpen(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell here to set the limit")
	}
	c := exec.CommandContext(t.Context(), sh, "-c", `ulimit -n 100 && exec "$@"`, "sh",
		self, "fetch", "--parallel-max", "200", "-i", "-", "-O", "--output-dir", t.TempDir())
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stdin = strings.NewReader(strings.Repeat(newSite(t)+"/page/1\n", 300))
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "note: 9 transfers at a time, not 200: only 100 files may be open\n") || !strings.Contains(string(out), "300 fetched, 0 failed") {
		t.Fatalf("%v: %.1000s", err, out)
	}
}
