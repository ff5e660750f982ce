package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

func TestNewTellsWhatToDoNext(t *testing.T) {
	t.Setenv("GOWORK", "")
	dir := filepath.Join(t.TempDir(), "hello")
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), []string{"new", "--module", "example.com/hello", dir}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("(%d) %s", code, errs.String())
	}
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	// The tests are run in a clone, unless they are built with -trimpath.
	_, steps, _ := strings.Cut(out.String(), "\nNow:\n")
	steps = strings.Replace(steps, "  go mod edit -replace github.com/asyncio-go/asyncio="+root+"   # the clone that this command is of\n", "", 1)
	if want := "  cd " + dir + "\n  go mod tidy\n  go test ./...\n  go run .\n"; steps != want {
		t.Errorf("the steps are\n%s, want\n%s", steps, want)
	}
	for _, name := range []string{"main.go", "go.mod"} {
		if !strings.Contains(out.String(), filepath.Join(dir, name)+"\n") {
			t.Errorf("it does not tell of %s:\n%s", name, &out)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if code := cli.Run(t.Context(), []string{"new", dir}, strings.NewReader(""), &out, &errs); code == 0 || !strings.Contains(errs.String(), "not empty") {
		t.Errorf("once more: (%d) %s", code, errs.String())
	}
}

// A module in the directory of a workspace is no part of it by that.
func TestNewTellsOfAWorkspace(t *testing.T) {
	above := t.TempDir()
	work := filepath.Join(above, "go.work")
	if err := os.WriteFile(work, []byte("go 1.26\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "other.work")
	for _, c := range []struct{ name, env, want string }{
		{"it's one", "", work},
		{"none", "off", ""},
		{"another", elsewhere, elsewhere},
	} {
		t.Setenv("GOWORK", c.env)
		dir := filepath.Join(above, c.name, "hello")
		var out, errs bytes.Buffer
		if code := cli.Run(t.Context(), []string{"new", dir}, strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("(%d) %s", code, errs.String())
		}
		_, got, _ := strings.Cut(out.String(), "  go work use .   # ")
		if got, _, _ = strings.Cut(got, "\n"); got != c.want {
			t.Errorf("%s: the workspace is %q, want %q", c.name, got, c.want)
		}
		if c.want == work && !strings.Contains(out.String(), "  cd '"+strings.ReplaceAll(dir, "'", `'\''`)+"'\n") {
			t.Errorf("a shell would not take it:\n%s", &out)
		}
	}
}
