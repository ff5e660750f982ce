package asyncvet_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"testing"

	"golang.org/x/tools/go/packages"
)

// A project is a set of packages that are type-checked from source, and again
// when one of them has been changed. What they import else comes from the build
// cache, without syntax.
type project struct {
	fset *token.FileSet
	all  []*packages.Package // those that are imported come first
	time *types.Package
}

func loadProject(t *testing.T, dir string, tests bool, patterns ...string) *project {
	t.Helper()
	p := &project{fset: token.NewFileSet()}
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
	return p
}

// again type-checks a package whose syntax has changed, or one that imports it.
func (p *project) again(t *testing.T, pkg *packages.Package, changed map[*packages.Package]*packages.Package) *packages.Package {
	t.Helper()
	fresh := *pkg
	fresh.Imports = make(map[string]*packages.Package)
	byPath := importer{"time": p.time}
	for _, imported := range pkg.Types.Imports() {
		byPath[imported.Path()] = imported
	}
	for path, imported := range pkg.Imports {
		if other := changed[imported]; other != nil {
			imported = other
			byPath[imported.PkgPath] = imported.Types
		}
		fresh.Imports[path] = imported
	}
	fresh.TypesInfo = &types.Info{
		Types:        make(map[ast.Expr]types.TypeAndValue),
		Defs:         make(map[*ast.Ident]types.Object),
		Uses:         make(map[*ast.Ident]types.Object),
		Implicits:    make(map[ast.Node]types.Object),
		Instances:    make(map[*ast.Ident]types.Instance),
		Scopes:       make(map[ast.Node]*types.Scope),
		Selections:   make(map[*ast.SelectorExpr]*types.Selection),
		FileVersions: make(map[*ast.File]string),
	}
	config := types.Config{Importer: byPath, Sizes: pkg.TypesSizes}
	var err error
	if fresh.Types, err = config.Check(pkg.PkgPath, p.fset, pkg.Syntax, fresh.TypesInfo); err != nil {
		t.Fatalf("%s, changed: %v", pkg.PkgPath, err)
	}
	return &fresh
}

type importer map[string]*types.Package

func (i importer) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if pkg := i[path]; pkg != nil {
		return pkg, nil
	}
	return nil, fmt.Errorf("%s is not loaded", path)
}
