//go:build unix

package cli_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnInterruptRemovesWhatIsIncompleteAndReports(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM} {
		u, dir := newRawSite(t, misbehave), t.TempDir()
		c := exec.CommandContext(t.Context(), self, "fetch", "-v", "-w", "%{stderr}is done\n", "-O", "--output-dir", dir, u+"/good", u+"/drip", u+"/never")
		c.Env = append(os.Environ(), asProgram+"=1")
		errs, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(errs)
		for left := 3; left > 0; { // two answers, one of which is done
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, "< HTTP/1.1 200 OK") || line == "is done\n" {
				left--
			}
		}
		if err := c.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(lines)
		_ = c.Wait()
		if code := c.ProcessState.ExitCode(); code != 130 || !strings.Contains(string(rest), "asyncio: interrupted: 1 fetched, 0 failed") {
			t.Errorf("%v: exit code %d, %s", sig, code, rest)
		}
		if got := files(t, dir); len(got) != 1 || got[0] != "good" {
			t.Errorf("%v: %q are left", sig, got)
		}
	}
}
