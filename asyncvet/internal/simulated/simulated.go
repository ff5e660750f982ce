// Package simulated has the rule for what makes two runs of one seed differ.
package simulated

import (
	"go/ast"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Analyzer is the rule, which must be asked for.
var Analyzer = &analysis.Analyzer{
	Name: "sim",
	Doc: `report what a simulation cannot repeat

In a simulation, and on a virtual clock, a program is to run the same way each
time. On a loop it does, but for what takes its choices from elsewhere: a select
with several cases that are ready, the real clock, the random numbers of the
process.

	deadline := time.Now().Add(time.Minute) // Loop.Time is the loop's clock
	jitter := rand.Int63n(100)              // a rand.New with a seed of the test

The rule is for programs that are simulated, and off by default.`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		if !f.OnLoop {
			continue
		}
		deadlines := inDeadlines(f)
		for _, c := range f.Calls {
			switch {
			case names.IsFunc(c.Callee, "time", "Now") && deadlines[c.Expr]:
				p.Report(pass, c.Expr, nil, "a deadline follows the real clock, and a simulated run differs by it each time; use asyncio.Timeout")
			case names.IsFunc(c.Callee, "time", "Now", "Since", "Until"):
				p.Report(pass, c.Expr, nil, "%s reads the real clock; a simulated run has the loop's, Loop.Time", c.Name)
			case names.GlobalRandom(c.Callee):
				p.Report(pass, c.Expr, nil, "%s is different in each run; use a rand.Rand with a seed of the run", c.Name)
			}
		}
		f.Walk(func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectStmt); ok && operations(s) > 1 {
				p.Report(pass, s, nil, "which case a select takes when several are ready is different in each run; use asyncio.Wait")
			}
			return true
		})
	}
	return nil, nil
}

// inDeadlines returns the calls that are made for the argument of a SetDeadline, or its like.
func inDeadlines(f *functions.Func) map[ast.Node]bool {
	calls := make(map[ast.Node]bool)
	for _, c := range f.Calls {
		if c.Callee == nil || !strings.HasPrefix(c.Callee.Name(), "Set") || !strings.HasSuffix(c.Callee.Name(), "Deadline") {
			continue
		}
		for _, arg := range c.Expr.Args {
			ast.Inspect(arg, func(n ast.Node) bool {
				calls[n] = true
				return true
			})
		}
	}
	return calls
}

// operations counts the cases of a select but for its default.
func operations(s *ast.SelectStmt) (n int) {
	for _, clause := range s.Body.List {
		if clause.(*ast.CommClause).Comm != nil {
			n++
		}
	}
	return n
}
