package docs_test

import (
	"regexp"
	"strings"
	"testing"
)

// testdata/asyncio-api.txt holds the names of asyncio, those of CPython 3.13 and
// a few that came later.

var (
	parityRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+?) \\|(.*)\\|$")
	quoted    = regexp.MustCompile("`([^`]+)`")
)

type row struct {
	python string
	goes   []string // none: it has no counterpart
	note   string
}

func parityRows(t *testing.T) (rows []row) {
	t.Helper()
	for _, m := range parityRow.FindAllStringSubmatch(readFile(t, "parity.md"), -1) {
		r := row{python: m[1], note: strings.TrimSpace(m[3])}
		if m[2] != "none" {
			for _, q := range quoted.FindAllStringSubmatch(m[2], -1) {
				r.goes = append(r.goes, q[1])
			}
			if rest := strings.Trim(quoted.ReplaceAllString(m[2], ""), ", "); rest != "" || len(r.goes) == 0 {
				t.Errorf("the row of %s has %q where Go names belong", r.python, m[2])
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func TestEachNameOfAsyncioHasARow(t *testing.T) {
	rows := map[string]int{}
	for _, r := range parityRows(t) {
		rows[r.python]++
	}
	for python := range strings.Lines(readFile(t, "testdata/asyncio-api.txt")) {
		python = strings.TrimSpace(python)
		if rows[python] != 1 {
			t.Errorf("%s has %d rows", python, rows[python])
		}
		delete(rows, python)
	}
	for python := range rows {
		t.Errorf("%s is no name of asyncio's", python)
	}
}

func TestARowSaysWhyThereIsNone(t *testing.T) {
	for _, r := range parityRows(t) {
		if r.goes == nil && len(r.note) < len("as above") {
			t.Errorf("%s has no counterpart, and no reason is given", r.python)
		}
	}
}

func TestEachGoNameInARowExistsAndNamesPython(t *testing.T) {
	a := readAPI(t, "..")
	for _, r := range parityRows(t) {
		for _, g := range r.goes {
			switch n := a.find(g); {
			case n == nil:
				t.Errorf("%s: there is no %s", r.python, g)
			case n.doc == "":
				t.Errorf("%s: %s is not documented", r.python, g)
			case !strings.Contains(n.doc, "Python:"):
				t.Errorf("%v: %s does not say that it is Python's %s", n.at, g, r.python)
			}
		}
	}
}

// What a row's note mentions in backticks may be a name of this module too.
func TestNamesInNotesExist(t *testing.T) {
	a := readAPI(t, "..")
	member := regexp.MustCompile(`^([A-Z]\w*)\.[A-Z]\w*$`)
	for _, r := range parityRows(t) {
		for _, q := range quoted.FindAllStringSubmatch(r.note, -1) {
			if member.MatchString(q[1]) && a.find(q[1]) == nil {
				t.Errorf("%s: there is no %s", r.python, q[1])
			}
		}
	}
}
