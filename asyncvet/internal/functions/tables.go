package functions

import (
	"go/ast"
	"go/types"
)

// A function out of a map, a slice or an array is one of those that are put there.

// A table is what a variable ranges over.
type table struct {
	v  *types.Var
	of ast.Expr
}

// expand notes what the variables of ranges are set to. It is known when all is collected.
func (p *Package) expand(tables []table) {
	for _, t := range tables {
		elements, more := p.elementsOf(t.of)
		for _, e := range elements {
			p.assign(t.v, []ast.Expr{e}, 1, 0)
		}
		if more {
			p.assign(t.v, nil, 1, 0)
		}
	}
}

// elementsOf returns what is in a map, a slice or an array, as far as it is written
// down here, and reports whether there may be more.
func (p *Package) elementsOf(e ast.Expr) (elements []ast.Expr, more bool) {
	if lit, ok := ast.Unparen(e).(*ast.CompositeLit); ok {
		for _, element := range lit.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				element = pair.Value
			}
			elements = append(elements, element)
		}
		return elements, false
	}
	v := p.variableOf(e)
	for _, value := range p.assigned[v] {
		if lit, ok := value.(*ast.CompositeLit); ok {
			found, _ := p.elementsOf(lit)
			elements = append(elements, found...)
		}
	}
	return append(elements, p.stored[v]...), true
}
