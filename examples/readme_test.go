package examples_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// readmeImports are the imports that the README leaves out.
const readmeImports = `package main

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/asyncio-go/asyncio"
)

`

// buildReadme builds the README's program, which serves on any free port and
// prints its address.
func buildReadme(t *testing.T) (binary string) {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no program")
	}
	program := readmeImports + string(block[1])
	for _, change := range [][2]string{
		{`"127.0.0.1:8080"`, `"127.0.0.1:0"`},
		{`return srv.ServeForever(ctx)`, `fmt.Println(srv.Addr()); return srv.ServeForever(ctx)`},
	} {
		if !strings.Contains(program, change[0]) {
			t.Fatalf("the README's program has no %s", change[0])
		}
		program = strings.Replace(program, change[0], change[1], 1)
	}

	// The program belongs to this module, and to no file of it.
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "source.go"), filepath.Join(dir, "overlay.json")
	binary = filepath.Join(dir, "readme.exe")
	place, err := filepath.Abs("readme/main.go")
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{place: source}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{source: program, overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./readme").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, program)
	}
	return binary
}

func TestProgramOfTheReadme(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, buildReadme(t))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel() // it serves for ever, and is killed
		_ = cmd.Wait()
	}()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}

	// Each visitor stays while the next ones come.
	for i := range 3 {
		conn, err := net.Dial("tcp", strings.TrimSpace(address))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(conn)
		for _, want := range []string{fmt.Sprintf("You are visitor %d.\n", i+1), "hello\n", "again\n"} {
			if !strings.HasPrefix(want, "You") {
				fmt.Fprint(conn, want)
			}
			if got, err := lines.ReadString('\n'); got != want || err != nil {
				t.Errorf("visitor %d got %q, %v; want %q", i+1, got, err, want)
			}
		}
	}
}
