package functions

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Directive begins a comment that silences a rule: on a finding's line, on the
// line before it, or in the comment of a declared function for all of it.
const Directive = "//asyncvet:ignore"

// ignored says where which rules are silent.
type ignored struct {
	lines map[line]map[string]bool
	decls []silent
}

type line struct {
	file   string
	number int
}

type silent struct {
	rule       string
	start, end token.Pos
}

func readIgnored(pass *analysis.Pass) *ignored {
	found := &ignored{lines: make(map[line]map[string]bool)}
	for _, file := range pass.Files {
		for _, group := range file.Comments {
			for _, comment := range group.List {
				rule, _, ok := ParseDirective(comment.Text)
				if !ok {
					continue
				}
				at := pass.Fset.Position(comment.Pos())
				for _, number := range []int{at.Line, at.Line + 1} {
					key := line{at.Filename, number}
					if found.lines[key] == nil {
						found.lines[key] = make(map[string]bool)
					}
					found.lines[key][rule] = true
				}
			}
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Doc == nil {
				continue
			}
			for _, comment := range fn.Doc.List {
				if rule, _, ok := ParseDirective(comment.Text); ok {
					found.decls = append(found.decls, silent{rule, fn.Pos(), fn.End()})
				}
			}
		}
	}
	return found
}

// ParseDirective takes a directive apart. It reports false for any other comment.
func ParseDirective(comment string) (rule, reason string, ok bool) {
	rest, ok := strings.CutPrefix(comment, Directive)
	if !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return "", "", false
	}
	rule, reason, _ = strings.Cut(strings.TrimSpace(rest), " ")
	return rule, strings.TrimSpace(reason), true
}

// Report reports a finding of a rule, unless a directive silences it. A fix may
// be nil.
func (p *Package) Report(rule *analysis.Pass, at ast.Node, fix *analysis.SuggestedFix, format string, args ...any) {
	if p.silent(rule.Analyzer.Name, at.Pos()) {
		return
	}
	found := analysis.Diagnostic{
		Pos:      at.Pos(),
		End:      at.End(),
		Category: rule.Analyzer.Name,
		Message:  fmt.Sprintf(format, args...) + " (" + rule.Analyzer.Name + ")",
	}
	if fix != nil {
		found.SuggestedFixes = []analysis.SuggestedFix{*fix}
	}
	rule.Report(found)
}

// silent reports whether a directive silences a rule at a place.
func (p *Package) silent(rule string, at token.Pos) bool {
	position := p.Pass.Fset.Position(at)
	return p.ignored.lines[line{position.Filename, position.Line}][rule] ||
		slices.ContainsFunc(p.ignored.decls, func(s silent) bool {
			return s.rule == rule && s.start <= at && at < s.end
		})
}

// Of returns the result of [Analyzer] in the pass of a rule.
func Of(rule *analysis.Pass) *Package { return rule.ResultOf[Analyzer].(*Package) }
