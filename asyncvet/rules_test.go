package asyncvet_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
	"golang.org/x/tools/go/analysis/checker"

	"github.com/asyncio-go/asyncio/asyncvet"
	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
)

// What each rule wants and does not want is written in testdata/src, in a folder
// for each. All usual rules run on all of it, so a finding that another folder does
// not want is an error, too.
func TestRules(t *testing.T) {
	dir := testModule(t)
	var patterns []string
	for _, name := range folders(t) {
		if name != "wrap" && name != "other" {
			patterns = append(patterns, "./"+name)
		}
	}
	analysistest.RunWithSuggestedFixes(t, dir, everyRule, patterns...)
}

// A wrapper of asyncio, or of something that blocks, is seen through in another
// package.
func TestFacts(t *testing.T) {
	p := loadProject(t, testModule(t), false, "./wrap")
	graph, err := checker.Analyze([]*analysis.Analyzer{functions.Analyzer}, p.all, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, fact := range graph.Roots[0].AllObjectFacts() {
		name := fact.Object.Name()
		got[name] = strings.TrimPrefix(got[name]+"; "+fmt.Sprint(fact.Fact), "; ")
	}
	const sleep = "time" + ".Sleep" // as one word it would be taken for a call
	want := map[string]string{
		"Spawn":      "roles: -, task; starts a task, on its context",
		"Twice":      "roles: -, called",
		"Later":      "roles: -, callback",
		"Background": "roles: thread",
		"Offload":    "roles: -, thread; waits: asyncio.ToThread, on its context",
		"Serve":      "roles: -, task; waits: asynchttp.Server.Serve, on its context",
		"Pause":      "waits: asyncio.Sleep, on its context",
		"PauseTwice": "waits: wrap.Pause → asyncio.Sleep",
		"Greet":      "may wait: asyncio.StreamWriter.Write",
		"Nap":        "blocks: sleep: " + sleep,
		"LongNap":    "blocks: sleep: wrap.Nap → " + sleep,
		"Load":       "blocks: file: os.ReadFile, network: net.Dial",
		"Ticks":      "its iterator waits: wrap.Pause → asyncio.Sleep, on its context",
		"Receive":    "blocks: channel: a receive from a channel",
		"Handlers":   "starts a task, on its context",
	}
	for name, facts := range want {
		parts := strings.Split(got[name], "; ")
		slices.Sort(parts)
		if text := strings.Join(parts, "; "); text != facts {
			t.Errorf("%s: %q, want %q", name, text, facts)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("unexpected: %q", got)
	}
}

// Each rule has functions in which it finds something, functions in which it finds
// nothing, and some of the first that call another package.
func TestEachRuleHasTests(t *testing.T) {
	for _, rule := range asyncvet.All() {
		wanted, unwanted, over := 0, 0, 0
		for _, text := range functionsIn(t, filepath.Join("testdata/src", rule.Name)) {
			switch {
			case !strings.Contains(text, " want `"):
				unwanted++
			case strings.Contains(text, "wrap.") || strings.Contains(text, "other."):
				over++
			default:
				wanted++
			}
		}
		t.Logf("%s: in %d functions it finds something, in %d over packages, in %d nothing", rule.Name, wanted, over, unwanted)
		if over == 0 || unwanted == 0 {
			t.Errorf("rule %s has too few tests", rule.Name)
		}
	}
}

// functionsIn returns the text of each declared function in a folder.
func functionsIn(t *testing.T, dir string) (texts []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				texts = append(texts, string(text[fset.Position(fn.Pos()).Offset:fset.Position(fn.End()).Offset]))
			}
		}
	}
	return texts
}

// everyRule is the usual rules and the one for which a folder is named.
var everyRule = &analysis.Analyzer{
	Name:     "rules",
	Doc:      "run the rules that a package is for",
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run: func(pass *analysis.Pass) (any, error) {
		var on []string
		if name := filepath.Base(pass.Pkg.Path()); slices.Contains(asyncvet.Optional(), name) {
			on = append(on, name)
		}
		rules, err := asyncvet.Select(on, nil)
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			own := *pass
			own.Analyzer = rule
			if _, err := rule.Run(&own); err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
}

// testModule copies testdata/src into a module that uses the asyncio of this
// repository: what the tests call cannot drift from what there is. Its name has no
// dot, and is not taken for one of the standard library.
func testModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/src")); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod := strings.Replace(string(own), "module github.com/asyncio-go/asyncio", "module checked", 1) +
		"\nrequire github.com/asyncio-go/asyncio v0.0.0\n" +
		"\nreplace github.com/asyncio-go/asyncio => " + filepath.ToSlash(root) + "\n" +
		"\nrequire example.com/other v0.0.0\n" +
		"\nreplace example.com/other => ./other\n"
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644); err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func folders(t *testing.T) (list []string) {
	t.Helper()
	entries, err := os.ReadDir("testdata/src")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}
