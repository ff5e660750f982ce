package asyncvet_test

import (
	"flag"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/packages"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

var allMutations = flag.Bool("mutations", false, "put sleeps into the functions of the tests, too")

// A sleep at the head of nearly every function that runs on a loop and takes a
// context, a stream or an http.ResponseWriter is found, in the function or in what
// calls it.
func TestSleepsInTheProjectAreFound(t *testing.T) {
	patterns := []string{"../examples/...", "../cmd/asyncio/..."}
	if *allMutations {
		patterns = []string{"../..."}
	}
	project := loadProject(t, "", *allMutations, patterns...)
	for _, pkg := range project.all {
		for _, d := range project.is[pkg.Types].found {
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
			// A helper of a handler takes its writer, too, and is found where it is called.
			tried := m.elsewhere == "" || m.elsewhere == servesNetHTTP
			switch {
			case direct[m] || tried && project.finds(t, pkg, m):
				found++
			case m.elsewhere != "":
				elsewhere++
				t.Logf("rightly silent, for it %s: %s", m.elsewhere, at)
				continue
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
	body      *ast.BlockStmt
	sleep     ast.Stmt
	elsewhere string // why it does not run on a loop, if so
}

const servesNetHTTP = "serves net/http"

func (p *project) mutations(t *testing.T, pkg *packages.Package) (all []*mutation) {
	t.Helper()
	if pkg.PkgPath == names.Asyncio || strings.HasSuffix(pkg.PkgPath, ".test") || p.hasTests(pkg) {
		return nil
	}
	for _, f := range p.is[pkg.Types].functions.Funcs {
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
		m := &mutation{body: f.Body, sleep: p.sleep(t, pkg, f.Body.Lbrace)}
		switch {
		case f.Role&names.Thread != 0:
			m.elsewhere = "is given to " + f.UsedBy
		case f.Blocks[names.Nested] != "":
			m.elsewhere = "runs a loop itself: " + f.Blocks[names.Nested]
		case f.ForBothWorlds(f.Body.Pos()):
			m.elsewhere = "is for both worlds"
		case f.Role == 0 && takes(writer):
			m.elsewhere = servesNetHTTP
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

// sleep returns a call of Sleep of package time, at the place of a brace of pkg. The
// type checker resolves it there, once, and the rest of the package stays as it is.
func (p *project) sleep(t *testing.T, pkg *packages.Package, at token.Pos) ast.Stmt {
	t.Helper()
	call := &ast.CallExpr{
		Fun:    &ast.SelectorExpr{X: &ast.Ident{Name: "time", NamePos: at}, Sel: &ast.Ident{Name: "Sleep", NamePos: at}},
		Args:   []ast.Expr{&ast.BasicLit{Kind: token.INT, Value: "1", ValuePos: at}},
		Lparen: at, Rparen: at,
	}
	scratch := types.NewPackage("scratch", "scratch")
	scratch.Scope().Insert(types.NewPkgName(token.NoPos, scratch, "time", p.time))
	if err := types.CheckExpr(p.fset, scratch, token.NoPos, call, pkg.TypesInfo); err != nil {
		t.Fatal(err)
	}
	return &ast.ExprStmt{X: call}
}

// put puts their sleeps at the head of functions, until undo is called.
func put(mutations ...*mutation) (undo func()) {
	for _, m := range mutations {
		m.body.List = append([]ast.Stmt{m.sleep}, m.body.List...)
	}
	return func() {
		for _, m := range mutations {
			m.body.List = m.body.List[1:]
		}
	}
}

// direct returns the mutations that are found where they are.
func (p *project) direct(t *testing.T, pkg *packages.Package, mutations []*mutation) map[*mutation]bool {
	t.Helper()
	defer put(mutations...)()
	at := make(map[token.Pos]bool)
	for _, d := range p.analyze(t, pkg, nil).found {
		at[d.Pos] = true
	}
	found := make(map[*mutation]bool)
	for _, m := range mutations {
		found[m] = at[m.body.Lbrace]
	}
	return found
}

// finds reports whether the checker finds a sleep, in its package or in one that
// imports it.
func (p *project) finds(t *testing.T, pkg *packages.Package, m *mutation) bool {
	t.Helper()
	defer put(m)()
	return slices.ContainsFunc(p.findings(t, pkg), func(d analysis.Diagnostic) bool {
		return strings.Contains(d.Message, ".Sleep blocks the loop")
	})
}
