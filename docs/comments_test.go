package docs_test

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, dir := range []string{"..", "../asynchttp", "../asyncfile", "../asyncsql", "../cluster"} {
		a := readAPI(t, dir)
		for full, n := range a.names {
			typ, member, isMember := strings.Cut(full, ".")
			switch {
			case isMember && !a.reachable(typ, member), member == "Error", member == "String": // their signatures say all
			case n.kind == "field" && (n.doc != "" || a.mentions(typ, member)):
			case member == "Err" && a.names[typ+".Unwrap"] != nil: // which says what it is
			case n.doc == "":
				t.Errorf("%v: %s has no comment", n.at, full)
			}
		}
	}
}

func TestCommentsBeginWithTheName(t *testing.T) {
	for _, dir := range []string{"..", "../asynchttp", "../asyncfile", "../asyncsql", "../cluster"} {
		a := readAPI(t, dir)
		for full, n := range a.names {
			typ, short, isMember := strings.Cut(full, ".")
			if !isMember {
				short = full
			}
			if n.doc == "" || n.kind == "field" || n.kind == "value" || isMember && !a.reachable(typ, short) {
				continue
			}
			begin := strings.TrimPrefix(strings.TrimPrefix(n.doc, "A "), "An ")
			if !strings.HasPrefix(begin, short) {
				t.Errorf("%v: the comment of %s does not begin with its name", n.at, full)
			}
		}
	}
}

// reachable reports whether who uses the package can name a member: its type is
// exported, or embedded in one that is and has no member of that name itself.
func (a *api) reachable(typ, member string) bool {
	if ast.IsExported(typ) {
		return true
	}
	for outer, inner := range a.embedded {
		if slices.Contains(inner, typ) && a.names[outer+"."+member] == nil && a.reachable(outer, member) {
			return true
		}
	}
	return false
}

// mentions reports whether the comment of a type, or of another field of it, says
// what a field is: several are often said together.
func (a *api) mentions(typ, field string) bool {
	word := regexp.MustCompile(`\b` + field + `\b`)
	for full, n := range a.names {
		if (full == typ || strings.HasPrefix(full, typ+".")) && word.MatchString(n.doc) {
			return true
		}
	}
	return false
}
