// Package mutex has the rule for mutexes that are held over a wait.
package mutex

import (
	"go/ast"
	"go/types"
	"maps"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Analyzer is the rule.
var Analyzer = &analysis.Analyzer{
	Name: "mutex",
	Doc: `report sync mutexes that are held over a wait

While a task waits, others run on the same goroutine. If one of them locks the
mutex that the waiting task holds, it blocks the goroutine that would have to go
on with the first: the loop stands still for ever.

	mu.Lock()
	defer mu.Unlock()
	return asyncio.Sleep(ctx, time.Second) // the next mu.Lock never returns

Use asyncio.Lock, or unlock before the wait. What only tasks of one loop share
needs no mutex at all between two waits.`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		if f.Body == nil || f.Thread {
			continue
		}
		w := &walker{pass: pass, p: p, waits: make(map[*ast.CallExpr]*functions.Reason)}
		for _, c := range f.Calls {
			if why := p.Waits(c); why != nil && !c.Defer && !f.ForBothWorlds(c.Expr.Pos()) {
				w.waits[c.Expr] = why
			}
		}
		if len(w.waits) > 0 {
			w.block(f.Body.List, make(held))
		}
	}
	return nil, nil
}

// held has the mutexes that are surely locked, as they are written.
type held map[string]bool

type walker struct {
	pass  *analysis.Pass
	p     *functions.Package
	waits map[*ast.CallExpr]*functions.Reason
}

// block follows a list of statements. It returns what is held at its end, and
// reports whether the end is never reached.
func (w *walker) block(list []ast.Stmt, h held) (held, bool) {
	for _, s := range list {
		var ends bool
		if h, ends = w.statement(s, h); ends {
			return h, true
		}
	}
	return h, false
}

func (w *walker) statement(s ast.Stmt, h held) (held, bool) {
	switch s := s.(type) {
	case nil:
	case *ast.ExprStmt:
		if mutex, locks := w.locks(s.X); mutex != "" {
			h = maps.Clone(h)
			if locks {
				h[mutex] = true
			} else {
				delete(h, mutex)
			}
			return h, false
		}
		w.check(s, h)
		if call, ok := s.X.(*ast.CallExpr); ok {
			id, ok := call.Fun.(*ast.Ident)
			return h, ok && id.Name == "panic"
		}
	case *ast.DeferStmt, *ast.GoStmt:
		// Neither runs here.
	case *ast.BlockStmt:
		return w.block(s.List, h)
	case *ast.LabeledStmt:
		return w.statement(s.Stmt, h)
	case *ast.ReturnStmt:
		w.check(s, h)
		return h, true
	case *ast.BranchStmt:
		return h, true
	case *ast.IfStmt:
		h, _ = w.statement(s.Init, h)
		w.check(s.Cond, h)
		then, thenEnds := w.block(s.Body.List, h)
		other, otherEnds := w.statement(s.Else, h)
		switch {
		case thenEnds:
			return other, otherEnds
		case otherEnds:
			return then, false
		}
		return both(then, other), false
	case *ast.ForStmt:
		h, _ = w.statement(s.Init, h)
		if s.Cond != nil {
			w.check(s.Cond, h)
		}
		after, ends := w.block(s.Body.List, h)
		if !ends {
			after, _ = w.statement(s.Post, after)
			h = both(h, after)
		}
		return h, false
	case *ast.RangeStmt:
		w.check(s.X, h)
		if after, ends := w.block(s.Body.List, h); !ends {
			h = both(h, after)
		}
		return h, false
	case *ast.SwitchStmt:
		h, _ = w.statement(s.Init, h)
		if s.Tag != nil {
			w.check(s.Tag, h)
		}
		return w.cases(s.Body, h), false
	case *ast.TypeSwitchStmt:
		h, _ = w.statement(s.Init, h)
		return w.cases(s.Body, h), false
	case *ast.SelectStmt:
		return w.cases(s.Body, h), false
	default:
		w.check(s, h)
	}
	return h, false
}

func (w *walker) cases(body *ast.BlockStmt, h held) held {
	out := h
	for _, clause := range body.List {
		var list []ast.Stmt
		switch clause := clause.(type) {
		case *ast.CaseClause:
			for _, e := range clause.List {
				w.check(e, h)
			}
			list = clause.Body
		case *ast.CommClause:
			list = clause.Body
		}
		if after, ends := w.block(list, h); !ends {
			out = both(out, after)
		}
	}
	return out
}

// both returns what is held either way.
func both(a, b held) held {
	h := make(held)
	for mutex := range a {
		if b[mutex] {
			h[mutex] = true
		}
	}
	return h
}

// locks returns the mutex that a call locks or unlocks, as it is written, and
// reports whether it locks it.
func (w *walker) locks(e ast.Expr) (mutex string, locks bool) {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return "", false
	}
	selector, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	fn := w.p.Callee(call)
	switch {
	case names.IsFunc(fn, "sync", "Mutex.Lock", "RWMutex.Lock", "RWMutex.RLock", "Locker.Lock"):
		return types.ExprString(selector.X), true
	case names.IsFunc(fn, "sync", "Mutex.Unlock", "RWMutex.Unlock", "RWMutex.RUnlock", "Locker.Unlock"):
		return types.ExprString(selector.X), false
	}
	return "", false
}

// check reports the waits in n while something is held.
func (w *walker) check(n ast.Node, h held) {
	if len(h) == 0 {
		return
	}
	functions.WalkIn(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || w.waits[call] == nil {
			return true
		}
		mutex := ""
		for name := range h {
			if mutex == "" || name < mutex {
				mutex = name
			}
		}
		does := "waits"
		if w.waits[call].Held {
			does = "may wait"
		}
		w.p.Report(w.pass, call, nil, "%s %s while %s is locked: the next task that locks it stops the loop for good; use asyncio.Lock, or unlock before", w.waits[call].Via, does, mutex)
		return true
	})
}
