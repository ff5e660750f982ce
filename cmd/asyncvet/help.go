package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/asyncio-go/asyncio/asyncvet"
)

// help writes what the command is for, or what the named rules are about.
func help(w io.Writer, about []string) error {
	all := asyncvet.All()
	for _, name := range about {
		found := false
		for _, rule := range all {
			if rule.Name == name {
				fmt.Fprintf(w, "%s: %s\n\n", rule.Name, rule.Doc)
				found = true
			}
		}
		if !found {
			return fmt.Errorf("asyncvet: there is no rule %q; see asyncvet help", name)
		}
	}
	if len(about) > 0 {
		return nil
	}
	fmt.Fprint(w, `Asyncvet checks programs that use asyncio for what the compiler cannot see.

	asyncvet [flags] packages
	go vet -vettool=$(which asyncvet) [flags] packages
	asyncvet help [rule ...]

The rules that are on, unless -RULE=false turns one off:

`)
	for _, rule := range all {
		if !slices.Contains(asyncvet.Optional(), rule.Name) {
			fmt.Fprintf(w, "	%-12s%s\n", rule.Name, firstLine(rule.Doc))
		}
	}
	fmt.Fprint(w, "\nThose that -RULE turns on:\n\n")
	for _, rule := range all {
		if slices.Contains(asyncvet.Optional(), rule.Name) {
			fmt.Fprintf(w, "	%-12s%s\n", rule.Name, firstLine(rule.Doc))
		}
	}
	fmt.Fprint(w, `
Other flags:

	-fix         apply the fixes; with -diff, show them instead
	-json        write the findings as JSON
	-test=false  leave test files out
	-c N         show N lines around each finding

A comment silences a rule, on its line and the next, or in the function whose
comment it is in:

	//asyncvet:ignore RULE REASON

The exit status is 0 without findings and 3 with some (1 under go vet), 1 when
packages cannot be loaded, and 2 after wrong use.
`)
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
