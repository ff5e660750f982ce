package asyncvet_test

import (
	"flag"
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/asyncio-go/asyncio/asyncvet/internal/blocking"
	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

var allMutations = flag.Bool("mutations", false, "put sleeps into the functions of the tests, too")

// A sleep at the head of nearly every function that runs on a loop and takes a
// context, a stream or an http.ResponseWriter is found, in the function or in what
// calls it.
func TestSleepsInTheProjectAreFound(t *testing.T) {
	patterns := []string{"../examples/...", "../cmd/asyncio/..."}
	if *allMutations {
		patterns = append(patterns, "../asynchttp", "../conformance", "..")
	}
	project := loadProject(t, "", *allMutations, patterns...)
	if !*allMutations { // some of the root package's tests block on purpose
		for _, d := range project.check(t, project.all...) {
			t.Errorf("%s: %s", project.fset.Position(d.Pos), d.Message)
		}
	}
	total, found, elsewhere := 0, 0, 0
	for _, pkg := range project.all {
		mutations := project.mutations(t, pkg)
		// All at once shows which are found where they are. The others may hide
		// behind each other, and are tried one by one.
		direct := project.direct(t, pkg, mutations)
		for _, m := range mutations {
			at := project.fset.Position(m.body.Pos())
			switch {
			case direct[m]:
				found++
			case m.elsewhere != "":
				elsewhere++
				t.Logf("rightly silent, for it %s: %s", m.elsewhere, at)
				continue
			case project.finds(t, pkg, m):
				found++
			default:
				t.Logf("not found: %s", at)
			}
			total++
		}
	}
	t.Logf("found %d of %d; %d more run elsewhere than on a loop", found, total, elsewhere)
	if total == 0 || found*10 < total*9 {
		t.Errorf("found %d of %d sleeps, want nine of ten", found, total)
	}
}

// A mutation is a function that gets a sleep.
type mutation struct {
	file      *ast.File
	body      *ast.BlockStmt
	elsewhere string // why it does not run on a loop, if so
}

func (p *project) mutations(t *testing.T, pkg *packages.Package) (all []*mutation) {
	t.Helper()
	if pkg.PkgPath == names.Asyncio || strings.HasSuffix(pkg.PkgPath, ".test") || p.hasTests(pkg) {
		return nil
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{functions.Analyzer}, []*packages.Package{pkg}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range graph.Roots[0].Result.(*functions.Package).Funcs {
		takes := func(is func(field *ast.Field) bool) bool { return slices.ContainsFunc(f.Type.Params.List, is) }
		writer := func(field *ast.Field) bool {
			return names.Is(pkg.TypesInfo.TypeOf(field.Type), "net/http", "ResponseWriter")
		}
		if f.Body == nil || !takes(writer) && !takes(func(field *ast.Field) bool {
			t := pkg.TypesInfo.TypeOf(field.Type)
			return names.IsContext(t) || names.IsStream(t)
		}) {
			continue
		}
		m := &mutation{body: f.Body}
		for _, file := range pkg.Syntax {
			if file.FileStart <= f.Body.Pos() && f.Body.Pos() < file.FileEnd {
				m.file = file
			}
		}
		switch {
		case f.Role&names.Thread != 0:
			m.elsewhere = "is given to " + f.UsedBy
		case f.Blocks[names.Nested] != "":
			m.elsewhere = "runs a loop itself: " + f.Blocks[names.Nested]
		case f.ForBothWorlds(f.Body.Pos()):
			m.elsewhere = "is for both worlds"
		case f.Role == 0 && takes(writer):
			m.elsewhere = "serves net/http"
		case p.looksIn(m):
			m.elsewhere = "looks into other processes, without a loop"
		}
		all = append(all, m)
	}
	return all
}

// looksIn reports whether a function is of the commands that have no loop of their own.
func (p *project) looksIn(m *mutation) bool {
	file := filepath.ToSlash(p.fset.Position(m.body.Pos()).Filename)
	return strings.Contains(file, "/cmd/asyncio/internal/look/") || strings.HasSuffix(file, "/cmd/asyncio/internal/cli/look.go")
}

// hasTests reports whether pkg is there a second time, with its tests.
func (p *project) hasTests(pkg *packages.Package) bool {
	return slices.ContainsFunc(p.all, func(other *packages.Package) bool {
		return other != pkg && other.PkgPath == pkg.PkgPath && len(other.Syntax) > len(pkg.Syntax)
	})
}

// sleep is a call of Sleep of package time, at the place of a brace.
func sleep(at token.Pos) ast.Stmt {
	return &ast.ExprStmt{X: &ast.CallExpr{
		Fun:    &ast.SelectorExpr{X: &ast.Ident{Name: "mutationtime", NamePos: at}, Sel: &ast.Ident{Name: "Sleep", NamePos: at}},
		Args:   []ast.Expr{&ast.BasicLit{Kind: token.INT, Value: "1", ValuePos: at}},
		Lparen: at, Rparen: at,
	}}
}

// put puts a sleep at the head of functions, until undo is called.
func put(mutations ...*mutation) (undo func()) {
	var undos []func()
	imported := make(map[*ast.File]bool)
	for _, m := range mutations {
		if !imported[m.file] {
			imported[m.file] = true
			decls := m.file.Decls
			spec := &ast.ImportSpec{Name: ast.NewIdent("mutationtime"), Path: &ast.BasicLit{Kind: token.STRING, Value: `"time"`}}
			m.file.Decls = append([]ast.Decl{&ast.GenDecl{Tok: token.IMPORT, Specs: []ast.Spec{spec}}}, decls...)
			m.file.Imports = append(m.file.Imports, spec)
			undos = append(undos, func() {
				m.file.Decls = decls
				m.file.Imports = m.file.Imports[:len(m.file.Imports)-1]
			})
		}
		list := m.body.List
		m.body.List = append([]ast.Stmt{sleep(m.body.Lbrace)}, list...)
		undos = append(undos, func() { m.body.List = list })
	}
	return func() {
		for _, undo := range undos {
			undo()
		}
	}
}

// direct returns the mutations that are found where they are.
func (p *project) direct(t *testing.T, pkg *packages.Package, mutations []*mutation) map[*mutation]bool {
	t.Helper()
	if len(mutations) == 0 {
		return nil
	}
	undo := put(mutations...)
	defer undo()
	found := make(map[*mutation]bool)
	for _, d := range p.check(t, p.again(t, pkg, nil)) {
		for _, m := range mutations {
			if m.body.Lbrace == d.Pos {
				found[m] = true
			}
		}
	}
	return found
}

// finds reports whether the checker finds a sleep, in its package or in one that
// imports it.
func (p *project) finds(t *testing.T, pkg *packages.Package, m *mutation) bool {
	t.Helper()
	undo := put(m)
	defer undo()
	changed := map[*packages.Package]*packages.Package{pkg: p.again(t, pkg, nil)}
	pkgs := []*packages.Package{changed[pkg]}
	for _, other := range p.all {
		for _, imported := range other.Imports {
			if changed[imported] != nil && changed[other] == nil {
				changed[other] = p.again(t, other, changed)
				pkgs = append(pkgs, changed[other])
			}
		}
	}
	return slices.ContainsFunc(p.check(t, pkgs...), func(d analysis.Diagnostic) bool {
		return strings.Contains(d.Message, ".Sleep blocks the loop")
	})
}

// check returns what the rule for what blocks finds in packages.
func (p *project) check(t *testing.T, pkgs ...*packages.Package) (found []analysis.Diagnostic) {
	t.Helper()
	graph, err := checker.Analyze([]*analysis.Analyzer{blocking.Analyzer}, pkgs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range graph.Roots {
		if action.Err != nil {
			t.Fatal(action.Err)
		}
		found = append(found, action.Diagnostics...)
	}
	return found
}
