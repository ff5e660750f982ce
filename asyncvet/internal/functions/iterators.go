package functions

import (
	"go/types"
	"slices"
)

// A function that returns an iterator does not wait: a range over the iterator does.

// iterators returns the literals that f returns and that are iterators.
func (p *Package) iterators(f *Func) (lits []*Func) {
	if t := p.info.TypeOf(f.returns[0]); t == nil || !isIterator(t) {
		return nil
	}
	for _, e := range f.returns {
		funcs, _ := p.funcsOf(e)
		lits = append(lits, funcs...)
	}
	return slices.DeleteFunc(lits, func(lit *Func) bool { return lit.Outer != f })
}

// iterates returns why a range over what f returns waits, or nil.
func (p *Package) iterates(f *Func) *Reason {
	for _, lit := range p.iterators(f) {
		if lit.Waits != nil {
			return lit.Waits
		}
	}
	return nil
}

// isIterator reports whether t is an iterator, as those of package iter.
func isIterator(t types.Type) bool {
	s, ok := t.Underlying().(*types.Signature)
	return ok && s.Params().Len() == 1 && s.Results().Len() == 0 && isFunc(s.Params().At(0).Type())
}
