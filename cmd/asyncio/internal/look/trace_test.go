package look

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/simtrace"
)

func TestABrowserSeesATraceThroughTheBridge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "12.json")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	trace := &simtrace.Trace{Head: simtrace.Head{Test: "TestPayments", Hosts: []simtrace.Host{{ID: 1, Name: "server"}}},
		Events: []simtrace.Event{{At: time.Second, Host: 1, Kind: "boot", Group: "host", Text: "starts"}}}
	if err := trace.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	p := openWeb(t, file)
	p.Wait(`document.querySelector("#test").textContent === "TestPayments"`)
	p.Wait(`document.querySelector("#body .ev").textContent.includes("server: starts")`)
}

func TestAFileThatIsNoTraceIsNotShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{file: "no trace", "missing.json": "there is no trace"} {
		if err := Web(context.Background(), &Screen{Out: io.Discard}, name, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}
