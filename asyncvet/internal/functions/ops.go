package functions

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// addOp notes a channel's operation that may have to wait for another goroutine.
func (p *Package) addOp(f *Func, n ast.Node) {
	add := func(kind names.Kind, what string) {
		f.Ops = append(f.Ops, &Op{Node: n, Kind: kind, What: what})
	}
	switch n := n.(type) {
	case *ast.SendStmt:
		if !p.inSelect(n) && !p.buffered(n.Chan) {
			add(names.Channel, "a send on a channel")
		}
	case *ast.UnaryExpr:
		if n.Op == token.ARROW && !p.inSelect(n) {
			switch fn := p.calleeOf(n.X); {
			case names.IsFunc(fn, "context", "Context.Done"):
				add(names.Done, "a receive from "+types.ExprString(n.X))
			case names.IsFunc(fn, "time", "After", "Tick"):
				add(names.Sleep, "a receive from "+types.ExprString(n.X))
			default:
				add(names.Channel, "a receive from a channel")
			}
		}
	case *ast.RangeStmt:
		if t := p.info.TypeOf(n.X); t != nil {
			if _, ok := t.Underlying().(*types.Chan); ok {
				add(names.Channel, "a range over a channel")
			}
		}
	case *ast.SelectStmt:
		for _, clause := range n.Body.List {
			if clause.(*ast.CommClause).Comm == nil {
				return // with a default it goes on at once
			}
		}
		if len(n.Body.List) == 0 {
			add(names.Sync, "select {}")
		} else {
			add(names.Channel, "a select")
		}
	}
}

func (p *Package) calleeOf(e ast.Expr) *types.Func {
	if call, ok := ast.Unparen(e).(*ast.CallExpr); ok {
		return p.callee(call)
	}
	return nil
}

// inSelect reports whether n is the operation of a select's case.
func (p *Package) inSelect(n ast.Node) bool {
	for at := n; at != nil; at = p.parents[at] {
		switch around := at.(type) {
		case *ast.CommClause:
			return around.Comm != nil && around.Comm.Pos() <= n.Pos() && n.End() <= around.Comm.End()
		case *ast.BlockStmt, *ast.FuncLit:
			return false
		}
	}
	return false
}

// buffered reports whether a channel is always made with room: what is sent there
// is mostly a result, once.
func (p *Package) buffered(e ast.Expr) bool {
	values := p.assigned[p.variableOf(e)]
	for _, value := range values {
		call, ok := value.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return false
		}
	}
	return len(values) > 0
}
