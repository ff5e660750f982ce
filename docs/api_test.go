// Package docs_test holds the documentation against the code: the names in
// parity.md exist, every exported name says what it is, and what the documents
// show compiles.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// api is the exported names of a package, on every system: "Loop.CallSoon",
// "Run".
type api struct {
	names    map[string]*name
	embedded map[string][]string // by type, what it embeds
}

type name struct {
	doc  string
	at   token.Position
	kind string // "type", "func", "method", "field", "value"
}

// readAPI parses the package in a directory.
func readAPI(t *testing.T, dir string) *api {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal("no package in", dir, err)
	}
	a := &api{names: map[string]*name{}, embedded: map[string][]string{}}
	fset := token.NewFileSet()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			a.declaration(fset, d)
		}
	}
	return a
}

// add takes a name in. What differs from system to system is declared more than
// once: one comment will do.
func (a *api) add(fset *token.FileSet, id *ast.Ident, full, kind string, docs ...*ast.CommentGroup) {
	if !id.IsExported() {
		return
	}
	n := a.names[full]
	if n == nil {
		n = &name{at: fset.Position(id.Pos()), kind: kind}
		a.names[full] = n
	}
	for _, d := range docs {
		if n.doc == "" {
			n.doc = d.Text()
		}
	}
}

func (a *api) declaration(fset *token.FileSet, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			a.add(fset, d.Name, d.Name.Name, "func", d.Doc)
		} else {
			a.add(fset, d.Name, typeName(d.Recv.List[0].Type)+"."+d.Name.Name, "method", d.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				a.add(fset, s.Name, s.Name.Name, "type", s.Doc, d.Doc)
				a.typeParts(fset, s)
			case *ast.ValueSpec:
				for _, id := range s.Names {
					a.add(fset, id, id.Name, "value", s.Doc, s.Comment, d.Doc)
				}
			}
		}
	}
}

// typeParts takes the fields of a struct and the methods of an interface in.
func (a *api) typeParts(fset *token.FileSet, s *ast.TypeSpec) {
	var list []*ast.Field
	kind := "field"
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields.List
	case *ast.InterfaceType:
		list, kind = t.Methods.List, "method"
	}
	for _, f := range list {
		if len(f.Names) == 0 {
			a.embedded[s.Name.Name] = append(a.embedded[s.Name.Name], typeName(f.Type))
		}
		for _, id := range f.Names {
			a.add(fset, id, s.Name.Name+"."+id.Name, kind, f.Doc, f.Comment)
		}
	}
}

// typeName returns the name of a type, without pointer, package and parameters.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// find returns a name, which a type may also have from what it embeds.
func (a *api) find(full string) *name {
	if n := a.names[full]; n != nil {
		return n
	}
	if typ, member, ok := strings.Cut(full, "."); ok {
		for _, inner := range a.embedded[typ] {
			if n := a.find(inner + "." + member); n != nil {
				return n
			}
		}
	}
	return nil
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
