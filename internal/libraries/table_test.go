package libraries

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The table of the page for Go programmers names the versions that are run here.
func TestTheTableNamesTheVersions(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/for-go-programmers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Libraries, as tried")
	table, _, _ = strings.Cut(table, "\n## ")
	required := regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`).FindAllStringSubmatch(string(mod), -1)
	if len(required) < 20 {
		t.Fatalf("only %d modules are required", len(required))
	}
	for _, m := range required {
		switch m[1] {
		case "github.com/asyncio-go/asyncio", "go.uber.org/goleak":
			continue
		}
		version := m[2]
		if date, ok := strings.CutPrefix(version, "v0.0.0-"); ok {
			version = "v0.0.0-" + date[:8]
		}
		if !strings.Contains(table, version) {
			t.Errorf("the table does not name %s of %s", version, m[1])
		}
	}
}
