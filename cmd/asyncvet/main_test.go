package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlagsOfRulesAddAndTakeAway(t *testing.T) {
	for _, test := range []struct {
		args        string
		on, off     string // one rule that is on, and one that is off
		rest, wrong string
	}{
		{args: "./...", on: "blocking", off: "channel", rest: "./..."},
		{args: "-channel ./...", on: "channel", off: "sim", rest: "./..."},
		{args: "--sim=true -json a b", on: "sim", off: "file", rest: "-json a b"},
		{args: "-blocking=false -mutex a", on: "mutex", off: "blocking", rest: "a"},
		{args: "-c 2 -file a", on: "file", off: "hint", rest: "-c 2 a"},
		{args: "-c=2 unit.cfg", on: "swallow", off: "hint", rest: "-c=2 unit.cfg"},
		{args: "-flags", on: "sim", rest: "-flags"},
		{args: "-V=full", on: "sim", rest: "-V=full"},
		{args: "-nosuch a", on: "blocking", rest: "-nosuch a"}, // the driver says that there is no such flag
		{args: "-channel=perhaps a", wrong: "turned on with -channel"},
		{args: "-sim -sim=false a", wrong: "both on and off"},
		{args: "-json", wrong: "no packages"},
		{args: "-background=false -blocking=false -callback=false -directive=false -goroutine=false -mutex=false -swallow=false a", wrong: "all rules are off"},
	} {
		rules, rest, err := choose(strings.Fields(test.args))
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s: %v, want an error with %q", test.args, err, test.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		var names []string
		for _, rule := range rules {
			names = append(names, rule.Name)
		}
		if !slices.Contains(names, test.on) || slices.Contains(names, test.off) {
			t.Errorf("%s: rules %q, want %s and not %s", test.args, names, test.on, test.off)
		}
		if got := strings.Join(rest, " "); got != test.rest {
			t.Errorf("%s: %q is left, want %q", test.args, got, test.rest)
		}
	}
}

func TestHelpTellsAboutRules(t *testing.T) {
	var out bytes.Buffer
	if err := help(&out, []string{"mutex"}); err != nil || !strings.Contains(out.String(), "asyncio.Lock") {
		t.Errorf("help mutex: %v, %q", err, out.String())
	}
	out.Reset()
	if err := help(&out, nil); err != nil || !strings.Contains(out.String(), "swallow") || !strings.Contains(out.String(), "maprange") {
		t.Errorf("help: %v, %q", err, out.String())
	}
	if err := help(&out, []string{"nosuch"}); err == nil {
		t.Error("help of a rule that there is not is no error")
	}
}

// The command works alone and for go vet, and what it writes as a fix compiles.
func TestCommandAloneAndForGoVet(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not there")
	}
	dir := t.TempDir()
	tool := filepath.Join(dir, "asyncvet.exe")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := program(t, dir)
	run := func(status int, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if got := cmd.ProcessState.ExitCode(); err != nil && !errors.As(err, &exit) || got != status {
			t.Fatalf("%s %q: %v, status %d, want %d\n%s", name, args, err, got, status, out)
		}
		return string(out)
	}
	const finding = ".Sleep blocks the loop; use asyncio.Sleep (blocking)"
	if out := run(3, tool, "."); !strings.Contains(out, finding) {
		t.Errorf("alone: %s", out)
	}
	if out := run(1, "go", "vet", "-vettool="+tool, "./plain"); !strings.Contains(out, "there is no rule nosuch") {
		t.Errorf("go vet: %s", out)
	}
	run(0, "go", "vet", "-vettool="+tool, "-directive=false", "-sim", "./plain")
	if out := run(2, tool, "-sim=maybe", "."); !strings.Contains(out, "-sim") {
		t.Errorf("wrong use: %s", out)
	}
	run(0, tool, "-fix", ".")
	run(0, "go", "build", "-o", os.DevNull, ".")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "asyncio.Sleep(ctx, time.Second)") {
		t.Errorf("fixed: %s", text)
	}
}

// program copies the module of testdata, whose program sleeps on its loop.
func program(t *testing.T, dir string) (file string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS("testdata/program")); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.sum": string(sum),
		"go.mod": strings.Replace(string(mod), "module github.com/asyncio-go/asyncio", "module vet.example/program", 1) +
			"\nrequire github.com/asyncio-go/asyncio v0.0.0\n\nreplace github.com/asyncio-go/asyncio => " + filepath.ToSlash(root) + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "main.go")
}
