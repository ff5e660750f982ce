// Package goroutine has the rule for what belongs to a loop and is used on
// another goroutine.
package goroutine

import (
	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Analyzer is the rule.
var Analyzer = &analysis.Analyzer{
	Name: "goroutine",
	Doc: `report waits and objects of a loop on other goroutines

What a loop owns is for its goroutine. A wait elsewhere returns
ErrWrongGoroutine, and SetResult, Cancel or PutNowait elsewhere is a data race:

	go func() {
		asyncio.Sleep(ctx, time.Second) // ErrWrongGoroutine
		future.SetResult(1)             // a race with the loop
	}()

The same holds in functions given to ToThread, RunInExecutor, WaitGroup.Go,
errgroup or time.AfterFunc. Start a task with asyncio.Go instead of a goroutine.
From a goroutine, use Loop.CallSoonThreadsafe or RunCoroutineThreadsafe.`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		elsewhere := f.Thread && f.Lit != nil && !ownsLoop(f)
		for _, c := range f.Calls {
			if f.ForBothWorlds(c.Expr.Pos()) {
				continue
			}
			switch {
			case c.Go:
				if why := p.WaitsOnGo(c); why != nil && !why.Held {
					p.Report(pass, c.Expr, nil, "%s waits, and on a goroutine of its own it fails with ErrWrongGoroutine; use asyncio.Go", why.Via)
				}
			case elsewhere:
				check(pass, p, f, c)
			}
		}
	}
	return nil, nil
}

func check(pass *analysis.Pass, p *functions.Package, f *functions.Func, c *functions.Call) {
	where := "on another goroutine"
	if f.UsedBy != "go" && f.UsedBy != "" {
		where += " (that of " + f.UsedBy + ")"
	}
	if why := p.Waits(c); why != nil {
		if why.Inner {
			return
		}
		p.Report(pass, c.Expr, nil, "%s waits, and %s it fails with ErrWrongGoroutine; use asyncio.RunCoroutineThreadsafe", why.Via, where)
		return
	}
	known, ok := names.Lookup(c.Callee)
	switch {
	case !ok:
	case known.OnLoop:
		p.Report(pass, c.Expr, nil, "%s is for the loop's goroutine, and is called %s; use Loop.CallSoonThreadsafe", c.Name, where)
	case known.Starts:
		p.Report(pass, c.Expr, nil, "%s panics %s; use asyncio.RunCoroutineThreadsafe", c.Name, where)
	}
}

// ownsLoop reports whether the goroutine runs a loop of its own.
func ownsLoop(f *functions.Func) bool {
	for ; f != nil && f.Thread; f = f.Outer {
		for _, c := range f.Calls {
			if known, ok := names.Lookup(c.Callee); ok && known.Owns {
				return true
			}
		}
	}
	return false
}
