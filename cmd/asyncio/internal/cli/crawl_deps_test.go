package cli_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The program speaks to NATS servers, and is none: that would double its size.
func TestTheProgramHasNoServerOfNATS(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/asyncio-go/asyncio/cmd/asyncio").Output()
	if err != nil {
		t.Skip("go list cannot be run: ", err)
	}
	if strings.Contains(string(out), "nats-server") || !strings.Contains(string(out), "nats.go") {
		t.Error("it has the server, or not the client")
	}
}
