package functions

import (
	"go/ast"
	"go/types"
)

// Callee returns the function or method that a call names, or nil.
func (p *Package) Callee(call *ast.CallExpr) *types.Func { return p.callee(call) }

// Variable returns the variable or field that e names, or nil.
func (p *Package) Variable(e ast.Expr) *types.Var { return p.variableOf(e) }

// IsStatement reports whether a call stands for itself.
func (p *Package) IsStatement(call *ast.CallExpr) bool {
	_, ok := p.parents[call].(*ast.ExprStmt)
	return ok
}

// OverStream reports whether e reads from a stream or writes to one.
func (p *Package) OverStream(e ast.Expr) bool { return p.originOf(e)&ofStream != 0 }

// WaitsOnGo returns why the function of a go statement waits, or nil.
func (p *Package) WaitsOnGo(c *Call) *Reason {
	if c.Callee == nil {
		return nil // a literal, whose calls have their own findings
	}
	plain := *c
	plain.Go = false
	return p.Waits(&plain)
}

// AssignedTo returns the only variable that a call's first result is assigned to,
// or nil.
func (p *Package) AssignedTo(call *ast.CallExpr) *types.Var {
	for _, v := range p.variables {
		for _, value := range p.assigned[v] {
			if value == ast.Expr(call) && !v.IsField() {
				return v
			}
		}
	}
	return nil
}

// Served returns the calls that make handlers for an asynchttp.Server.
func (p *Package) Served() []*ast.CallExpr { return p.served }
