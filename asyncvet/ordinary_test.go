package asyncvet_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var ordinary = flag.Bool("ordinary", false, "run the checker over half a million lines of other modules, which are fetched")

// ordinaryModules are well-known modules that know nothing of loops.
var ordinaryModules = []string{
	"github.com/nats-io/nats-server/v2@v2.15.2",
	"github.com/nats-io/nats.go@v1.55.0",
	"github.com/jackc/pgx/v5@v5.12.0",
	"github.com/redis/go-redis/v9@v9.23.0",
	"github.com/gin-gonic/gin@v1.12.0",
	"github.com/labstack/echo/v4@v4.16.0",
	"github.com/quic-go/quic-go@v0.65.0",
	"github.com/miekg/dns@v1.1.73",
	"github.com/lib/pq@v1.12.3",
	"google.golang.org/grpc@v1.85.0",
	"github.com/klauspost/compress@v1.20.3",
	"golang.org/x/net@v0.62.0",
	"golang.org/x/crypto@v0.58.0",
	"golang.org/x/tools@v0.52.0",
}

// Programs that have nothing to do with a loop block where they like.
func TestOrdinaryGoHasNoFindings(t *testing.T) {
	if !*ordinary {
		t.Skip("it takes minutes; -ordinary runs it")
	}
	dir := t.TempDir()
	checker := filepath.Join(dir, "asyncvet")
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("", "go", "build", "-o", checker, "../cmd/asyncvet")
	run(dir, "go", "mod", "init", "checked")
	run(dir, "go", append([]string{"get"}, ordinaryModules...)...)
	lines := 0
	for _, module := range ordinaryModules {
		path, _, _ := strings.Cut(module, "@")
		// What needs a module that path does not bring along is left out.
		const whole = `{{if not (or .Error .DepsErrors)}}{{.ImportPath}} {{.Dir}}{{range .GoFiles}} {{.}}{{end}}{{end}}`
		var packages []string
		of := 0
		for line := range strings.Lines(run(dir, "go", "list", "-e", "-f", whole, path+"/...")) {
			fields := strings.Fields(line)
			if len(fields) < 3 || slices.Contains(packages, fields[0]) {
				continue
			}
			packages = append(packages, fields[0])
			for _, file := range fields[2:] {
				text, err := os.ReadFile(filepath.Join(fields[1], file))
				if err != nil {
					t.Fatal(err)
				}
				of += bytes.Count(text, []byte("\n"))
			}
		}
		t.Logf("%s: %d packages, %d lines", module, len(packages), of)
		lines += of
		run(dir, checker, append([]string{"-test=false"}, packages...)...)
	}
	t.Logf("%d lines", lines)
	if lines < 500_000 {
		t.Error("that is less than half a million")
	}
}
