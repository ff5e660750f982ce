package asyncvet_test

import (
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/packages"

	"github.com/asyncio-go/asyncio/asyncvet/internal/blocking"
	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
)

// A project is a set of packages that are type-checked from source, once, and
// looked at again when the syntax of one of them has been changed. What they import
// else comes from the build cache, without syntax.
type project struct {
	fset *token.FileSet
	all  []*packages.Package // those that are imported come first
	time *types.Package
	is   map[*types.Package]*analysed // as the source has it
}

// analysed is what the rule for what blocks makes of a package.
type analysed struct {
	functions *functions.Package
	facts     map[factKey]analysis.Fact
	found     []analysis.Diagnostic
}

type factKey struct {
	of   types.Object
	kind reflect.Type
}

func loadProject(t *testing.T, dir string, tests bool, patterns ...string) *project {
	t.Helper()
	p := &project{fset: token.NewFileSet(), is: make(map[*types.Package]*analysed)}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedTypes |
			packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
		Dir:   dir,
		Fset:  p.fset,
		Tests: tests,
	}, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]*packages.Package)
	for _, pkg := range loaded {
		for _, err := range pkg.Errors {
			t.Fatal(err)
		}
		byID[pkg.ID] = pkg
	}
	var add func(*packages.Package)
	add = func(pkg *packages.Package) {
		if slices.Contains(p.all, pkg) {
			return
		}
		for path, imported := range pkg.Imports {
			if mine := byID[imported.ID]; mine != nil {
				pkg.Imports[path] = mine
				add(mine)
			} else {
				delete(pkg.Imports, path)
			}
		}
		p.all = append(p.all, pkg)
		for _, imported := range pkg.Types.Imports() {
			if imported.Path() == "time" {
				p.time = imported
			}
		}
	}
	for _, pkg := range loaded {
		add(pkg)
	}
	for _, pkg := range p.all {
		p.is[pkg.Types] = p.analyze(t, pkg, nil)
	}
	return p
}

// analyze looks at a package. The facts of those in changed are other ones than the
// source has.
func (p *project) analyze(t *testing.T, pkg *packages.Package, changed map[*types.Package]*analysed) *analysed {
	t.Helper()
	made := &analysed{facts: make(map[factKey]analysis.Fact)}
	pass := &analysis.Pass{
		Fset: p.fset, Files: pkg.Syntax, Pkg: pkg.Types, TypesInfo: pkg.TypesInfo, TypesSizes: pkg.TypesSizes,
		ResultOf: make(map[*analysis.Analyzer]any),
		Report:   func(d analysis.Diagnostic) { made.found = append(made.found, d) },
		ExportObjectFact: func(of types.Object, fact analysis.Fact) {
			made.facts[factKey{of, reflect.TypeOf(fact)}] = fact
		},
		ImportObjectFact: func(of types.Object, fact analysis.Fact) bool {
			from := made
			if of.Pkg() != pkg.Types {
				if from = changed[of.Pkg()]; from == nil {
					from = p.is[of.Pkg()]
				}
			}
			if from == nil {
				return false
			}
			known := from.facts[factKey{of, reflect.TypeOf(fact)}]
			if known != nil {
				reflect.ValueOf(fact).Elem().Set(reflect.ValueOf(known).Elem())
			}
			return known != nil
		},
	}
	pass.ExportPackageFact = func(fact analysis.Fact) { pass.ExportObjectFact(nil, fact) }
	pass.ImportPackageFact = func(of *types.Package, fact analysis.Fact) bool {
		from := changed[of]
		if from == nil {
			from = p.is[of]
		}
		return from != nil && from.facts[factKey{nil, reflect.TypeOf(fact)}] != nil
	}
	if pkg.Module != nil {
		pass.Module = &analysis.Module{Path: pkg.Module.Path, Version: pkg.Module.Version, GoVersion: pkg.Module.GoVersion}
	}
	for _, a := range []*analysis.Analyzer{functions.Analyzer, blocking.Analyzer} {
		pass.Analyzer = a
		result, err := a.Run(pass)
		if err != nil {
			t.Fatal(err)
		}
		pass.ResultOf[a] = result
	}
	made.functions = functions.Of(pass)
	return made
}

// findings returns what is found in a package whose syntax has been changed, and in
// those that import it and find other facts there.
func (p *project) findings(t *testing.T, pkg *packages.Package) []analysis.Diagnostic {
	t.Helper()
	changed := make(map[*types.Package]*analysed)
	var found []analysis.Diagnostic
	for _, at := range p.all[slices.Index(p.all, pkg):] {
		affected := at == pkg
		for _, imported := range at.Types.Imports() {
			affected = affected || changed[imported] != nil
		}
		if !affected {
			continue
		}
		now := p.analyze(t, at, changed)
		found = append(found, now.found...)
		if !reflect.DeepEqual(now.facts, p.is[at.Types].facts) {
			changed[at.Types] = now
		}
	}
	return found
}
