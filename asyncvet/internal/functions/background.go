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

// Context returns the name of the context that the code at the node is to wait
// with: the parameter of the function that it runs in, if the name means that
// there. It returns "" when there is none.
func (p *Package) Context(f *Func, at ast.Node) string {
	for ; f != nil; f = f.Outer {
		for i, v := range f.params {
			if !names.IsContext(p.info.TypeOf(fieldOf(f.Type.Params, i).Type)) {
				continue
			}
			scope := p.Pass.Pkg.Scope().Innermost(at.Pos())
			if v == nil || v.Name() == "_" || scope == nil {
				return ""
			}
			if _, o := scope.LookupParent(v.Name(), at.Pos()); o != v {
				return ""
			}
			return v.Name()
		}
		if f.Role&^names.Called != 0 {
			break // what is around it is another task
		}
	}
	return ""
}

// fieldOf returns the field that declares parameter i.
func fieldOf(list *ast.FieldList, i int) *ast.Field {
	for _, field := range list.List {
		if i -= max(1, len(field.Names)); i < 0 {
			return field
		}
	}
	return nil
}
