package docs_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are those whose snippets are tested.
func documents(t *testing.T) []string {
	t.Helper()
	here, err := filepath.Glob("*.md")
	if err != nil || len(here) == 0 {
		t.Fatal("no documents", err)
	}
	return append(here, "../README.md", "../CONTRIBUTING.md")
}

// A snippet is a block of a document in one of the languages.
type snippet struct {
	file string
	line int
	text string
}

func (s snippet) String() string { return fmt.Sprintf("%s:%d", s.file, s.line) }

func snippets(t *testing.T, language string) (all []snippet) {
	t.Helper()
	block := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	for _, file := range documents(t) {
		text := readFile(t, file)
		for _, at := range block.FindAllStringSubmatchIndex(text, -1) {
			all = append(all, snippet{file, 2 + strings.Count(text[:at[0]], "\n"), text[at[2]:at[3]]})
		}
	}
	return all
}

// packages are what snippets import without saying so, by name.
var packages = map[string]string{
	"asyncio":    "github.com/asyncio-go/asyncio",
	"asynchttp":  "github.com/asyncio-go/asyncio/asynchttp",
	"cluster":    "github.com/asyncio-go/asyncio/cluster",
	"insight":    "github.com/asyncio-go/asyncio/insight",
	"sql":        "database/sql",
	"tls":        "crypto/tls",
	"smtp":       "net/smtp",
	"http":       "net/http",
	"httptest":   "net/http/httptest",
	"json":       "encoding/json",
	"exec":       "os/exec",
	"signal":     "os/signal",
	"slog":       "log/slog",
	"multipart":  "mime/multipart",
	"prometheus": "github.com/asyncio-go/asyncio/asynchttp/prometheus",
	"asyncfile":  "github.com/asyncio-go/asyncio/asyncfile",
	"asyncsql":   "github.com/asyncio-go/asyncio/asyncsql",
	"fs":         "io/fs",
	"sim":        "github.com/asyncio-go/asyncio/sim",
	"history":    "github.com/asyncio-go/asyncio/sim/history",
}

func init() {
	for _, p := range []string{
		"bufio", "bytes", "context", "errors", "fmt", "io", "iter", "log", "net", "os", "slices",
		"strconv", "strings", "sync", "syscall", "testing", "time",
	} {
		packages[p] = p
	}
}

// program makes a file of a snippet: of a whole one as it is, of declarations
// with the imports they need, and of statements as the body of a coroutine.
func program(s snippet) (text string, err error) {
	fset := token.NewFileSet()
	if strings.HasPrefix(s.text, "package ") {
		return s.text, nil
	}
	name := "snippet"
	if strings.Contains(s.text, "func main() {") {
		name = "main"
	}
	body := s.text
	f, err := parser.ParseFile(fset, "", "package p\n"+body, 0)
	if err != nil {
		body = "func _(ctx context.Context) error {\n" + body
		if f, err = parser.ParseFile(fset, "", "package p\n"+body+"\n}", 0); err != nil {
			return "", err
		}
		main := f.Decls[0].(*ast.FuncDecl).Body
		if _, returns := main.List[len(main.List)-1].(*ast.ReturnStmt); !returns {
			// A fragment need not use all that it declares.
			for _, id := range declared(main.List) {
				body += "\n_ = " + id
			}
			body += "\nreturn nil"
		} else {
			body += "\n"
		}
		body += "\n}"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\n", name)
	for _, p := range imports(f) {
		fmt.Fprintf(&b, "import %q\n", p)
	}
	b.WriteString("\n" + body)
	return b.String(), nil
}

// declared returns the names that statements declare in their own block.
func declared(list []ast.Stmt) (names []string) {
	take := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok && id.Name != "_" && !slices.Contains(names, id.Name) {
			names = append(names, id.Name)
		}
	}
	for _, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				for _, e := range s.Lhs {
					take(e)
				}
			}
		case *ast.DeclStmt:
			if d, ok := s.Decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
				for _, spec := range d.Specs {
					for _, id := range spec.(*ast.ValueSpec).Names {
						take(id)
					}
				}
			}
		}
	}
	return names
}

// imports returns the packages whose names a file uses and does not declare.
func imports(f *ast.File) []string {
	found := map[string]bool{}
	unresolved := map[*ast.Ident]bool{}
	for _, id := range f.Unresolved {
		unresolved[id] = true
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && unresolved[id] && packages[id.Name] != "" {
				found[packages[id.Name]] = true
			}
		}
		return true
	})
	return slices.Sorted(maps.Keys(found))
}

// given makes a file of those given declarations that a snippet has not itself.
func given(t *testing.T, packageName, program string) string {
	t.Helper()
	fset := token.NewFileSet()
	taken := map[string]bool{}
	own, err := parser.ParseFile(fset, "", program, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range own.Decls {
		for _, id := range declares(d) {
			taken[id] = true
		}
	}
	f, err := parser.ParseFile(fset, "testdata/given.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kept := &ast.File{Name: ast.NewIdent("p")}
	var b strings.Builder
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok {
			if g.Tok == token.IMPORT {
				continue
			}
			g.Specs = slices.DeleteFunc(g.Specs, func(s ast.Spec) bool {
				return slices.ContainsFunc(specNames(s), func(id string) bool { return taken[id] })
			})
			if len(g.Specs) == 0 {
				continue
			}
		} else if slices.ContainsFunc(declares(d), func(id string) bool { return taken[id] }) {
			continue
		}
		kept.Decls = append(kept.Decls, d)
		if err := format.Node(&b, fset, d); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n")
	}
	kept, err = parser.ParseFile(token.NewFileSet(), "", "package p\n"+b.String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var head strings.Builder
	fmt.Fprintf(&head, "package %s\n\n", packageName)
	for _, p := range imports(kept) {
		fmt.Fprintf(&head, "import %q\n", p)
	}
	return head.String() + b.String()
}

// declares returns the names of a declaration; of a method, its type's.
func declares(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			return []string{typeName(d.Recv.List[0].Type)}
		}
		return []string{d.Name.Name}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			names = append(names, specNames(s)...)
		}
	}
	return names
}

func specNames(s ast.Spec) (names []string) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return []string{s.Name.Name}
	case *ast.ValueSpec:
		for _, id := range s.Names {
			names = append(names, id.Name)
		}
	}
	return names
}

// An overlay is files that belong to this module for the go command alone.
type overlay struct {
	t     *testing.T
	dir   string
	files map[string]string
}

func newOverlay(t *testing.T) *overlay {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not there")
	}
	return &overlay{t, t.TempDir(), map[string]string{}}
}

func (o *overlay) add(place, text string) {
	o.t.Helper()
	source := filepath.Join(o.dir, strings.ReplaceAll(place, "/", "_"))
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	abs, err := filepath.Abs(place)
	if err != nil {
		o.t.Fatal(err)
	}
	o.files[abs] = source
}

// build runs "go build" or "go test -c" with the files.
func (o *overlay) build(args ...string) (out string, err error) {
	o.t.Helper()
	text, err := json.Marshal(map[string]any{"Replace": o.files})
	if err != nil {
		o.t.Fatal(err)
	}
	file := filepath.Join(o.dir, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		o.t.Fatal(err)
	}
	b, err := exec.Command("go", slices.Insert(args, 1, "-overlay", file)...).CombinedOutput()
	return string(b), err
}

func TestGoSnippetsCompile(t *testing.T) {
	o := newOverlay(t)
	var packages []string
	places := map[string]snippet{}
	for i, s := range snippets(t, "go") {
		text, err := program(s)
		if err != nil {
			t.Errorf("%v: %v\n%s", s, err, s.text)
			continue
		}
		place := fmt.Sprintf("snippet%d", i)
		places[place] = s
		packageName := "snippet"
		if strings.HasPrefix(text, "package main") {
			packageName = "main"
		}
		o.add(place+"/snippet.go", text)
		if !strings.HasPrefix(s.text, "package ") {
			o.add(place+"/given.go", given(t, packageName, text))
		}
		packages = append(packages, "./"+place)
	}
	if out, err := o.build(append([]string{"build"}, packages...)...); err != nil {
		t.Errorf("%v\n%s", err, regexp.MustCompile(`snippet\d+`).ReplaceAllStringFunc(out, func(place string) string {
			return place + " (" + places[place].String() + ")"
		}))
	}
}

// Whole programs are run, and tests too.
func TestWholeSnippetsRun(t *testing.T) {
	want := map[string]string{
		"from-python.md":        "Hello, you\n",
		"for-go-programmers.md": "PASS\n",
		"http.md":               "is there an echo?\n",
	}
	seen := map[string]bool{}
	for _, s := range snippets(t, "go") {
		if !strings.HasPrefix(s.text, "package ") {
			continue
		}
		o := newOverlay(t)
		name, args := "main.go", []string{"build"}
		if strings.Contains(s.text, "*testing.T)") {
			name, args = "whole_test.go", []string{"test", "-c", "-vet=off"}
		}
		o.add("whole/"+name, s.text)
		binary := filepath.Join(o.dir, "whole.exe")
		if out, err := o.build(append(args, "-o", binary, "./whole")...); err != nil {
			t.Errorf("%v: %v, %s", s, err, out)
			continue
		}
		out, err := exec.Command(binary).CombinedOutput()
		if err != nil || string(out) != want[s.file] {
			t.Errorf("%v: %v, %q", s, err, out)
		}
		seen[s.file] = true
	}
	for file := range want {
		if !seen[file] {
			t.Errorf("%s has no whole program", file)
		}
	}
}

func TestGoSnippetsAreFormatted(t *testing.T) {
	for _, s := range snippets(t, "go") {
		formatted, err := format.Source([]byte(s.text))
		if err == nil && string(formatted) != s.text {
			t.Errorf("%v: should be\n%s", s, formatted)
		}
	}
}

func TestPythonSnippetsCompile(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not there")
	}
	check := `import sys, json, textwrap
for where, text in json.load(sys.stdin):
    try:
        compile("async def _():\n" + textwrap.indent(text, " "), where, "exec")
    except SyntaxError as e:
        print(where, e)`
	var all [][2]string
	for _, s := range snippets(t, "python") {
		all = append(all, [2]string{s.String(), s.text})
	}
	in, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", check)
	cmd.Stdin = strings.NewReader(string(in))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
