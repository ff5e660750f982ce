package conformance_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shown is how many programs that differ are shown in full.
const shown = 3

func TestProgramsGiveTheTracesOfCPython(t *testing.T) {
	if *fuzzFlag > 0 {
		t.Skip("comparing fresh programs instead")
	}
	pattern := filepath.Join("testdata", "*.json.gz")
	if *programsFlag != "" {
		pattern = *programsFlag
	}
	programs := load(t, pattern)
	if *programsFlag != "" || *driverFlag != "" {
		check(t, programs, driver(t))
		return
	}
	for name, options := range drivers {
		t.Run(name, func(t *testing.T) { check(t, programs, options) })
	}
}

func check(t *testing.T, programs []*conformance.Program, options []asyncio.Option) {
	t.Helper()
	results := conformance.Check(programs, runtime.GOMAXPROCS(0), options...)
	equal, differ := 0, 0
	for _, r := range results {
		if r.Equal() {
			equal++
			continue
		}
		if differ++; differ <= shown {
			fmt.Println(r)
		}
	}
	if differ > 0 {
		t.Errorf("%d programs differ from CPython", differ)
	}
	fmt.Printf("conformance: %d of %d programs equal\n", equal, len(results))
}

func load(t *testing.T, pattern string) []*conformance.Program {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err == nil && len(files) == 0 { // tests run in the package's directory, their users often above it
		files, err = filepath.Glob(filepath.Join("..", pattern))
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no file matches %s", pattern)
	}
	var programs []*conformance.Program
	for _, name := range files {
		ps, err := conformance.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, ps...)
	}
	return programs
}
