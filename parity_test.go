package asyncio_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestParityTablesNameTestsThatExist(t *testing.T) {
	var tests strings.Builder
	for _, name := range must(filepath.Glob("*_test.go")) {
		tests.Write(must(os.ReadFile(name)))
	}
	tables := must(filepath.Glob(filepath.Join("docs", "*-parity.md")))
	if len(tables) == 0 {
		t.Error("there is no table")
	}
	for _, table := range tables {
		for _, name := range regexp.MustCompile("`(Test[A-Z]\\w*)`").FindAllStringSubmatch(string(must(os.ReadFile(table))), -1) {
			if !strings.Contains(tests.String(), "func "+name[1]+"(") {
				t.Errorf("%s: there is no %s", table, name[1])
			}
		}
	}
}
