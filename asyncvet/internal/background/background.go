// Package background has the rule for contexts of no loop.
package background

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
)

// Analyzer is the rule.
var Analyzer = &analysis.Analyzer{
	Name: "background",
	Doc: `report contexts of no loop that are given to what waits

A function that waits finds its loop and its task in the context. One that does
not come from a coroutine has neither, and the wait returns ErrNoRunningLoop:

	err := asyncio.Sleep(context.Background(), time.Second) // ErrNoRunningLoop

Pass the context that the coroutine was given, or one derived from it. For what
must go on after a cancellation, derive it with context.WithoutCancel.`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		for _, c := range f.Calls {
			if !p.NeedsLoop(c) || f.ForBothWorlds(c.Expr.Pos()) {
				continue
			}
			arg := c.Expr.Args[0]
			made := p.Background(arg)
			if made == "" {
				continue
			}
			var fix *analysis.SuggestedFix
			if _, direct := arg.(*ast.CallExpr); direct && f.OnLoop && len(arg.(*ast.CallExpr).Args) == 0 {
				if ctx := p.Context(f, arg); ctx != "" {
					fix = &analysis.SuggestedFix{
						Message:   "Pass " + ctx,
						TextEdits: []analysis.TextEdit{{Pos: arg.Pos(), End: arg.End(), NewText: []byte(ctx)}},
					}
				}
			}
			p.Report(pass, arg, fix, "the context of %s belongs to no loop, and %s fails with ErrNoRunningLoop; pass the context of the coroutine", made, c.Name)
		}
	}
	return nil, nil
}
