//go:build linux

package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed point.go.txt
var pointText string

// A changed module is one whose statements have places before them.
type changed struct {
	root, path string // its directory and import path
	dir        string // where the changed files are
	places     []string
	files      map[string]string // what stands for a file
}

// overlay changes the files of these directories, and writes down what stands for what.
func overlay(root, path, dir string, packages []string) (*changed, error) {
	c := &changed{root: root, path: path, dir: dir, files: map[string]string{}}
	for _, p := range packages {
		names, err := filepath.Glob(filepath.Join(p, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := c.change(name); err != nil {
				return nil, err
			}
		}
	}
	if len(c.places) == 0 {
		return nil, fmt.Errorf("there are no statements in %s", strings.Join(packages, ", "))
	}
	if err := c.write(filepath.Join(root, "pausepoint", "pausepoint.go"), fmt.Sprintf(pointText, len(c.places))); err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"Replace": c.files})
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(c.name(), text, 0o600)
}

// name is that of the file for -overlay.
func (c *changed) name() string { return filepath.Join(c.dir, "overlay.json") }

// write has text stand for a file.
func (c *changed) write(name, text string) error {
	to := filepath.Join(c.dir, fmt.Sprint(len(c.files), ".go"))
	c.files[name] = to
	return os.WriteFile(to, []byte(text), 0o600)
}

// change puts places into a file.
func (c *changed) change(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if strings.Contains(string(text), "//go:linkname") {
		return nil // it is part of the runtime, which has its own rules
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(c.root, name)
	if err != nil {
		return err
	}
	var at []int // in the text
	for _, s := range statements(f) {
		at = append(at, set.Position(s.Pos()).Offset)
	}
	if len(at) == 0 {
		return nil
	}
	slices.Sort(at)
	var b strings.Builder
	from := set.Position(f.Name.End()).Offset
	fmt.Fprintf(&b, "%s; import pausepoint %q", text[:from], c.path+"/pausepoint")
	for _, offset := range at {
		fmt.Fprintf(&b, "%spausepoint.At(%d); ", text[from:offset], len(c.places))
		from = offset
		c.places = append(c.places, fmt.Sprintf("%s:%d", relative, set.Position(set.File(f.Pos()).Pos(offset)).Line))
	}
	b.Write(text[from:])
	return c.write(name, b.String())
}

// statements returns those before which a place can stand. Functions that tell the
// compiler something are left alone: one may have no room for a call, or be none of the race
// detector's.
func statements(f *ast.File) (all []ast.Stmt) {
	add := func(list []ast.Stmt) {
		for _, s := range list {
			switch s.(type) {
			case *ast.EmptyStmt, *ast.CaseClause, *ast.CommClause: // the clauses are the block of a switch
			default:
				all = append(all, s)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			return n.Doc == nil || !slices.ContainsFunc(n.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:") })
		case *ast.BlockStmt:
			add(n.List)
		case *ast.CaseClause:
			add(n.Body)
		case *ast.CommClause:
			add(n.Body)
		}
		return true
	})
	return all
}
