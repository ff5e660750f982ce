// Package directive has the rule for the comments that silence other rules.
package directive

import (
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
)

// New returns the rule, which knows the others by their names.
func New(rules []string) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name: "directive",
		Doc: `report directives of asyncvet that are wrong

A directive silences one rule, on its line and the next, or in the whole function
whose comment it is in; and what it silences is not found through the function's
callers, either. It names the rule and says why:

	//asyncvet:ignore blocking the loop has nothing else to do here
	time.Sleep(time.Millisecond)

One without a reason, or of a rule that does not exist, is a finding itself.`,
		Requires: []*analysis.Analyzer{functions.Analyzer},
		Run: func(pass *analysis.Pass) (any, error) {
			p := functions.Of(pass)
			for _, file := range pass.Files {
				for _, group := range file.Comments {
					for _, comment := range group.List {
						rule, reason, ok := functions.ParseDirective(comment.Text)
						switch {
						case !ok:
							if strings.HasPrefix(comment.Text, "//asyncvet:") {
								p.Report(pass, comment, nil, "the only directive is %s RULE REASON", functions.Directive)
							}
						case rule == "":
							p.Report(pass, comment, nil, "the directive names no rule: write %s RULE REASON", functions.Directive)
						case !slices.Contains(rules, rule):
							p.Report(pass, comment, nil, "there is no rule %s; the rules are %s", rule, strings.Join(rules, ", "))
						case reason == "":
							p.Report(pass, comment, nil, "the directive says no reason: write %s %s REASON", functions.Directive, rule)
						}
					}
				}
			}
			return nil, nil
		},
	}
}
