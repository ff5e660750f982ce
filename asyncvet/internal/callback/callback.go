// Package callback has the rule for waits outside of any task.
package callback

import (
	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
)

// Analyzer is the rule.
var Analyzer = &analysis.Analyzer{
	Name: "callback",
	Doc: `report waits in callbacks

A loop calls the function of CallSoon, CallLater or AddDoneCallback, and the
methods of a Protocol, outside of any task. There is nothing there that it could
suspend, so a function that waits returns ErrNotInTask:

	loop.CallSoon(func() {
		queue.Put(ctx, item) // ErrNotInTask
	})

Start a task with CreateTaskOn, or use what does not wait: PutNowait, SetResult.`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		if !f.Callback {
			continue
		}
		for _, c := range f.Calls {
			// A write in a callback is queued and does not wait.
			if why := p.Waits(c); why != nil && !why.Held && !why.Inner && !f.ForBothWorlds(c.Expr.Pos()) {
				p.Report(pass, c.Expr, nil, "%s waits, and in a callback (of %s) there is no task that could: it returns ErrNotInTask; start a task with asyncio.CreateTaskOn", why.Via, f.UsedBy)
			}
		}
	}
	return nil, nil
}
