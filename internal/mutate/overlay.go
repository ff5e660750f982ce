package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
)

// guard is what a changed package has besides. It reads the number of the chosen
// mutant, 0 for none, and writes down which mutants are reached, if it is asked
// to: each once, and at once, since a test may end in any way. Its file is open
// from the start, since a test may use up all descriptors.
const guard = `package %s

import (
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutantChosen, _ = strconv.Atoi(os.Getenv("MUTATE_CHOSEN"))
	mutantTrace     = mutantOpen(os.Getenv("MUTATE_TRACE"))
	mutantSeen      [%d]atomic.Bool
)

func mutantOpen(name string) *os.File {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

func mutantReached(n int) {
	if mutantTrace != nil {
		mutantNote(n)
	}
}

//go:noinline
func mutantNote(n int) {
	if !mutantSeen[n].Swap(true) {
		mutantTrace.WriteString(strconv.Itoa(n) + "\n")
	}
}
`

const guardFile = "mutant_guard.go"

// A span is where a mutant's copy of its function stands in the changed text.
type span struct {
	start, end int
	m          *mutant
}

// An edit replaces bytes of a text.
type edit struct {
	start, end int
	with       string
}

func apply(text []byte, from, to int, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	for _, e := range edits {
		if e.start < from {
			continue // within what another edit has replaced
		}
		b.Write(text[from:e.start])
		b.WriteString(e.with)
		from = e.end
	}
	b.Write(text[from:to])
	return b.String()
}

// withMutants returns a file's text with the mutants in it, each in a copy of its
// function's body, and where these copies are. Line directives keep the places
// that the program itself tells.
func (p *project) withMutants(f *sourceFile, mutants []*mutant) (string, []span) {
	of := map[*ast.FuncDecl][]*mutant{}
	for _, m := range mutants {
		of[m.fn] = append(of[m.fn], m)
	}
	var out strings.Builder
	var spans []span
	done := 0
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || of[fn] == nil {
			continue
		}
		start, end := f.offset(fn.Body.Lbrace)+1, f.offset(fn.Body.Rbrace)
		out.Write(f.text[done:start])
		var notes []edit
		for _, m := range of[fn] {
			fmt.Fprintf(&out, " if mutantChosen == %d {", m.id)
			s := span{start: out.Len(), m: m}
			out.WriteString(p.line(f, start))
			out.WriteString(apply(f.text, start, end, append(renamedLabels(f, fn, m), edit{m.start, m.end, m.with})))
			s.end = out.Len()
			spans = append(spans, s)
			out.WriteString("} else")
			notes = append(notes, edit{m.before, m.before, fmt.Sprintf("mutantReached(%d); ", m.id)})
		}
		out.WriteString(" {" + p.line(f, start) + apply(f.text, start, end, notes) + "}" + p.line(f, end))
		done = end
	}
	out.Write(f.text[done:])
	return out.String(), spans
}

// line tells the compiler that what follows comes from there.
func (p *project) line(f *sourceFile, offset int) string {
	at := p.fset.Position(f.ast.FileStart + token.Pos(offset))
	return fmt.Sprintf("/*line %s:%d:%d*/", f.path, at.Line, at.Column)
}

// renamedLabels gives the labels of a copy names of their own, since the labels
// of a function must differ.
func renamedLabels(f *sourceFile, fn *ast.FuncDecl, m *mutant) []edit {
	var edits []edit
	rename := func(label *ast.Ident) {
		if start := f.offset(label.Pos()); label != nil && (start >= m.end || start < m.start) {
			end := f.offset(label.End())
			edits = append(edits, edit{start, end, fmt.Sprintf("%s_%d", label.Name, m.id)})
		}
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.LabeledStmt:
			rename(n.Label)
		case *ast.BranchStmt:
			if n.Label != nil {
				rename(n.Label)
			}
		}
		return true
	})
	return edits
}

// An overlay has the changed files of some packages, by their paths.
type overlay map[string]string

// overlay writes the changed files of a package. It also returns the mutants
// that do not compile; then the overlay is of no use.
func (p *project) overlay(pkg *sourcePackage, mutants []*mutant, ids int) (_ overlay, bad map[*mutant]bool, _ error) {
	o := overlay{filepath.Join(p.root, pkg.dir, guardFile): fmt.Sprintf(guard, pkg.name, ids+1)}
	for _, f := range pkg.files {
		o[f.path] = string(f.text)
	}
	bad = map[*mutant]bool{}
	spans := map[string][]span{}
	of := map[*sourceFile][]*mutant{}
	for _, m := range mutants {
		of[m.file] = append(of[m.file], m)
	}
	var files []*ast.File
	for path := range o {
		for _, f := range pkg.files {
			if f.path == path && of[f] != nil {
				o[path], spans[path] = p.withMutants(f, of[f])
			}
		}
		file, err := parser.ParseFile(p.fset, path, o[path], parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, fmt.Errorf("%s, changed: %w", path, err)
		}
		files = append(files, file)
	}
	var other error
	err := p.check(pkg, files, &types.Info{}, func(err error) {
		e, ok := err.(types.Error)
		if !ok {
			other = err
			return
		}
		at := p.fset.PositionFor(e.Pos, false)
		for _, s := range spans[at.Filename] {
			if s.start <= at.Offset && at.Offset <= s.end {
				bad[s.m] = true
				return
			}
		}
		if e.Msg == "missing return" && markEndless(spans[at.Filename], at.Offset, bad) {
			return
		}
		if !e.Soft {
			other = fmt.Errorf("%s: %w", at, err)
		}
	})
	if err == nil && len(bad) == 0 {
		err = other
	}
	return o, bad, err
}

// markEndless marks the mutants of the function that ends at offset which may let
// it run past its end: those that leave an endless loop, or no longer panic.
func markEndless(spans []span, offset int, bad map[*mutant]bool) (marked bool) {
	var last *mutant
	for _, s := range spans {
		if s.end <= offset {
			last = s.m
		}
	}
	for _, s := range spans {
		if last == nil || s.m.fn != last.fn {
			continue
		}
		dropped := string(s.m.file.text[s.m.start:s.m.end])
		if s.m.with == "break" || s.m.with == "" && strings.HasPrefix(dropped, "panic(") {
			bad[s.m], marked = true, true
		}
	}
	return marked
}
