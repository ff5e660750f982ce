package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

// asProgram is set for a copy of the test program that is to be the program.
const asProgram = "ASYNCIO_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	for _, name := range []string{"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"} {
		_ = os.Unsetenv(name)
	}
	goleak.VerifyTestMain(m)
}

// done is how a program ended.
type done struct {
	code      int
	out, errs string
}

// fetch runs "asyncio fetch" in this process.
func fetch(t testing.TB, args ...string) done { return fetchFrom(t, "", args...) }

// fetchFrom is fetch with a standard input.
func fetchFrom(t testing.TB, stdin string, args ...string) done {
	t.Helper()
	var out, errs bytes.Buffer
	// A test that hangs should fail with a stack.
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	code := cli.Run(ctx, append([]string{"fetch"}, args...), strings.NewReader(stdin), &out, &errs)
	if ctx.Err() != nil {
		t.Errorf("fetch %q did not end", args)
	}
	return done{code, out.String(), errs.String()}
}

// curl runs curl, or skips the test where there is none.
func curl(t testing.TB, args ...string) done {
	t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here to compare with")
	}
	var out, errs bytes.Buffer
	c := exec.CommandContext(t.Context(), path, append([]string{"-q", "-sS"}, args...)...)
	c.Stdout, c.Stderr = &out, &errs
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return done{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// curlHas reports whether curl was built with a feature.
func curlHas(t testing.TB, feature string) bool {
	return strings.Contains(curl(t, "--version").out, feature)
}

// noise makes bytes that no packing makes smaller, the same ones each time.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}
