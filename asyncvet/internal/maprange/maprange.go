// Package maprange has the rule for maps that change while a task ranges over
// them.
package maprange

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
)

// Analyzer is the rule, which must be asked for.
var Analyzer = &analysis.Analyzer{
	Name: "maprange",
	Doc: `report waits in a range over a map that others change

Between two waits nothing else runs, but a range whose body waits is not between
two waits: other tasks add and delete meanwhile, and what the range sees of that
is not specified.

	for name, client := range clients {
		client.Drain(ctx) // clients come and go
	}

Range over a copy: maps.Clone(clients), slices.Sorted(maps.Keys(clients)).`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		if !f.OnLoop {
			continue
		}
		waits := make(map[*ast.CallExpr]string)
		for _, c := range f.Calls {
			if why := p.Waits(c); why != nil && !c.Defer && !f.ForBothWorlds(c.Expr.Pos()) {
				waits[c.Expr] = why.Via
			}
		}
		if len(waits) == 0 {
			continue
		}
		f.Walk(func(n ast.Node) bool {
			loop, ok := n.(*ast.RangeStmt)
			if !ok {
				return true
			}
			t := pass.TypesInfo.TypeOf(loop.X)
			if t == nil {
				return true
			}
			if _, ok := t.Underlying().(*types.Map); !ok {
				return true
			}
			v := p.Variable(loop.X)
			if v == nil || !changedElsewhere(p, f, v) {
				return true
			}
			functions.WalkIn(loop.Body, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && waits[call] != "" {
					p.Report(pass, call, nil, "%s waits within a range over %s, which others change meanwhile; range over a copy", waits[call], types.ExprString(loop.X))
				}
				return true
			})
			return true
		})
	}
	return nil, nil
}

// changedElsewhere reports whether another function adds to the map or deletes
// from it.
func changedElsewhere(p *functions.Package, f *functions.Func, v *types.Var) (changed bool) {
	for _, other := range p.Funcs {
		if other == f {
			continue
		}
		other.Walk(func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if index, ok := left.(*ast.IndexExpr); ok && p.Variable(index.X) == v {
						changed = true
					}
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 && p.Variable(n.Args[0]) == v {
					changed = true
				}
			}
			return !changed
		})
	}
	return changed
}
