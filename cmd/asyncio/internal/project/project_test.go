package project_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/project"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestANewProjectBuildsAndItsTestsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	dir := filepath.Join(t.TempDir(), "hello")
	p, err := project.New(dir, "example.com/hello")
	if err != nil {
		t.Fatal(err)
	}
	written, err := p.Write(dir)
	if err != nil || !slices.Contains(written, "main.go") || !slices.Contains(written, ".github/workflows/ci.yml") {
		t.Fatalf("%v, %v", written, err)
	}
	for _, name := range written {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || strings.Contains(string(text), "{{") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	// This module is not published under its tests; and nothing is fetched here.
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("mod", "edit", "-require=github.com/asyncio-go/asyncio@v0.0.0", "-replace=github.com/asyncio-go/asyncio="+root)
	run("vet", "./...")
	run("test", "./...")
	run("list", "-deps", "tool")     // notes what the tool needs, as go mod tidy would
	run("tool", "asyncvet", "./...") // as its workflow does
	if out, err := exec.Command("gofmt", "-l", dir).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("gofmt: %s, %v", out, err)
	}
}

func TestNothingIsWrittenWhereFilesAre(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	p := &project.Project{Name: "x", Module: "x"}
	if _, err := p.Write(dir); !errors.Is(err, project.ErrNotEmpty) || !strings.Contains(err.Error(), "mine") {
		t.Error(err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("there are %d files now", len(list))
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ dir, module, want string }{
		{"", "example.com/x", "is empty"},
		{"good", "bad path!", `"bad path!" cannot be the path of a module (--module): invalid char`},
		{"good", "example.com//x", "path of a module"},
		{"0bad", "example.com/x", "name of a program"},
		{"..x", "example.com/x", "name of a program"},
		{"two words", "", "name of a program"},
		{"fmt", "", "package of that name"},
		{"client", "net/http", "package of that name"},
		{"toolchain", "", "for itself"},
		{"aux", "", "on Windows"},
	} {
		if _, err := project.New(c.dir, c.module); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %v", c.dir, c.module, err)
		}
	}
	if p, err := project.New("fmt", "example.com/fmt"); err != nil || p.Name != "fmt" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := project.New("good", ""); err != nil || p.Module != "good" || p.Name != "good" {
		t.Errorf("%+v, %v", p, err)
	}
}
