package main

import (
	"fmt"
	"os"
	"strings"
)

// An equivalent is a mutant that no test can notice, as equivalent.txt tells it:
//
//	internal/ring Ring.grow
//	- if n < 8 {
//	+ if n <= 8 {
//	Why the program behaves the same; one line or more.
//
// The first line has the package's directory and the function, the two others the
// lines in which the mutant is, before and after. So an entry is good for as long
// as its line is the same, wherever it stands.
type equivalent struct {
	dir, function, before, after string
	reason                       string

	line int // of the list
	used bool
}

func (e *equivalent) describes(m *mutant) bool {
	before, after := m.lines()
	return e.dir == m.file.pkg.dir && e.function == functionName(m.fn) && e.before == before && e.after == after
}

// readEquivalents reads a list. Entries are parted by empty lines; a line that
// begins with "#" is a comment.
func readEquivalents(file string) ([]*equivalent, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []*equivalent
	var e *equivalent
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			e = nil
		case e == nil:
			dir, function, ok := strings.Cut(line, " ")
			if !ok {
				return nil, fmt.Errorf("%s:%d: want a package's directory and a function, not %q", file, i+1, line)
			}
			e = &equivalent{dir: dir, function: function, line: i + 1}
			list = append(list, e)
		case e.before == "" && strings.HasPrefix(line, "- "):
			e.before = oneLine(line[2:])
		case e.after == "" && strings.HasPrefix(line, "+"):
			e.after = oneLine(line[1:])
		default:
			e.reason = oneLine(e.reason + " " + line)
		}
	}
	for _, e := range list {
		if e.before == "" || e.reason == "" {
			return nil, fmt.Errorf("%s:%d: an entry has a line before, a line after and a reason", file, e.line)
		}
	}
	return list, nil
}
