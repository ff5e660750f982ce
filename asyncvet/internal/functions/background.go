package functions

import (
	"go/ast"
	"go/types"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Background returns the function that made the context e, when that is one of no
// loop, as context.Background, or "".
func (p *Package) Background(e ast.Expr) string { return p.background(e, 0) }

func (p *Package) background(e ast.Expr, depth int) string {
	if e == nil || depth > 8 {
		return ""
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		fn := p.callee(e)
		switch {
		case names.IsFunc(fn, "context", "Background", "TODO"):
			return Named(fn)
		case names.IsFunc(fn, "testing", "common.Context", "TB.Context"):
			return types.ExprString(e.Fun)
		case names.IsFunc(fn, "context", "WithCancel", "WithCancelCause", "WithTimeout", "WithTimeoutCause",
			"WithDeadline", "WithDeadlineCause", "WithValue", "WithoutCancel"),
			names.IsFunc(fn, "os/signal", "NotifyContext"):
			return p.background(e.Args[0], depth+1)
		}
	case *ast.Ident:
		v := p.variableOf(e)
		if v != nil && !v.IsField() && len(p.assigned[v]) == 1 && p.isLocal(v) {
			return p.background(p.assigned[v][0], depth+1)
		}
	}
	return ""
}

// isLocal reports whether v belongs to a function: another package may set any
// other.
func (p *Package) isLocal(v *types.Var) bool {
	return v.Parent() != nil && v.Parent() != p.Pass.Pkg.Scope()
}

// Context returns the name of the context that the code at the call has as a
// parameter, if that name means it there, or "".
func (p *Package) Context(f *Func, at ast.Node) string {
	for ; f != nil; f = f.Outer {
		for _, field := range f.Type.Params.List {
			if !names.IsContext(p.info.TypeOf(field.Type)) {
				continue
			}
			for _, id := range field.Names {
				scope := p.Pass.Pkg.Scope().Innermost(at.Pos())
				if id.Name == "_" || scope == nil {
					continue
				}
				if _, o := scope.LookupParent(id.Name, at.Pos()); o == p.info.Defs[id] {
					return id.Name
				}
			}
		}
	}
	return ""
}
