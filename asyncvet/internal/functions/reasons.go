package functions

import (
	"go/ast"
	"slices"
	"strings"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// arrow stands between the functions of a chain of calls.
const arrow = " → "

// chain puts a function before a chain of calls, and keeps it short.
func chain(first, rest string) string {
	if first == "" {
		return rest
	}
	if parts := strings.Split(rest, arrow); len(parts) > 5 {
		rest = strings.Join(append(parts[:3:3], "…", parts[len(parts)-1]), arrow)
	}
	return first + arrow + rest
}

// Waits returns why a call suspends the task, or nil.
func (p *Package) Waits(c *Call) *Reason {
	if c.Go {
		return nil
	}
	if c.self != names.Never {
		return &Reason{Via: c.Name, Held: c.self == names.Held}
	}
	var fact *Waits
	if f := p.byObject[c.Callee]; f != nil && !f.bothWorlds {
		fact = f.waitsFact()
	} else if f == nil && c.Callee != nil && !c.inTable {
		if imported := new(Waits); p.Pass.ImportObjectFact(c.Callee, imported) {
			fact = imported
		}
	}
	if fact != nil && fact.Via != "" && (!fact.Iterates || c.Range) {
		return &Reason{Via: chain(c.Name, fact.Via), Held: fact.Held}
	}
	if why := p.allWait(c.lits); why != nil && !c.unsure {
		return &Reason{Via: why.Via, Held: why.Held, Inner: c.lits[0].Lit != nil}
	}
	if why := p.allWait(c.impls); why != nil && !c.others {
		return &Reason{Via: chain(c.Name, why.Via), Held: why.Held}
	}
	for _, f := range p.calledArguments(c) {
		if f.Waits != nil && !f.bothWorlds {
			return &Reason{Via: f.Waits.Via, Held: f.Waits.Held, Inner: f.Lit != nil}
		}
	}
	return nil
}

// allWait returns why the first of the functions waits, if all do.
func (p *Package) allWait(funcs []*Func) *Reason {
	for _, f := range funcs {
		if f.Waits == nil || f.bothWorlds {
			return nil
		}
	}
	if len(funcs) == 0 {
		return nil
	}
	return funcs[0].Waits
}

// waits reports whether one of the functions waits. An interface of which one
// implementation waits on a loop, and another blocks, is for both worlds.
func waits(funcs []*Func) bool {
	return slices.ContainsFunc(funcs, func(f *Func) bool { return f.Waits != nil })
}

// calledArguments returns the functions that a call is given and calls.
func (p *Package) calledArguments(c *Call) (called []*Func) {
	for i, arg := range c.Expr.Args {
		if isFunc(p.info.TypeOf(arg)) && p.roleOf(c, i)&names.Called != 0 {
			funcs, _ := p.funcsOf(arg)
			called = append(called, funcs...)
		}
	}
	return called
}

// findWaits does one round of what functions wait for.
func (p *Package) findWaits() {
	for _, f := range p.Funcs {
		if f.bothWorlds {
			continue
		}
		for _, c := range f.Calls {
			if f.Waits != nil && !f.Waits.Held {
				break
			}
			if why := p.Waits(c); why != nil && (f.Waits == nil || !why.Held) && !f.ForBothWorlds(c.Expr.Pos()) {
				f.Waits = why
				p.changed = true
			}
		}
		if f.iterates == nil && len(f.returns) > 0 {
			if f.iterates = p.iterates(f); f.iterates != nil {
				p.changed = true
			}
		}
		if !f.onContext && len(f.params) > 0 && f.params[0] != nil && names.IsContext(f.params[0].Type()) {
			calls := f.Calls
			if f.iterates != nil {
				for _, lit := range p.iterators(f) {
					calls = slices.Concat(calls, lit.Calls)
				}
			}
			for _, c := range calls {
				if p.NeedsLoop(c) && p.isParam(f, c.Expr.Args[0]) && !f.ForBothWorlds(c.Expr.Pos()) {
					f.onContext = true
					p.changed = true
					break
				}
			}
		}
	}
}

// isParam reports whether e is the first parameter of f, as it was given.
func (p *Package) isParam(f *Func, e ast.Expr) bool {
	id, ok := ast.Unparen(e).(*ast.Ident)
	return ok && p.info.Uses[id] == f.params[0] && len(p.assigned[f.params[0]]) == 0
}

// NeedsLoop reports whether a call fails when its first argument is a context of
// no loop.
func (p *Package) NeedsLoop(c *Call) bool {
	if c.Callee == nil || c.Go || len(c.Expr.Args) == 0 || !names.ContextFirst(c.Callee) {
		return false
	}
	if c.inTable {
		return c.known.Waits == names.Always || c.known.Starts
	}
	if f := p.byObject[c.Callee]; f != nil {
		return f.onContext && (f.iterates == nil || f.Waits != nil || c.Range)
	}
	var fact Waits
	return p.Pass.ImportObjectFact(c.Callee, &fact) && fact.OnContext && (!fact.Iterates || c.Range)
}

// Blocks returns on what a call blocks the goroutine, and by which chain of calls.
// What runs on the loop itself is not followed: it has its own findings.
func (p *Package) Blocks(c *Call) map[names.Kind]string {
	if c.Go || c.self != names.Never {
		return nil
	}
	if c.blocks != "" {
		return map[names.Kind]string{c.blocks: c.Name}
	}
	var found map[names.Kind]string
	add := func(kind names.Kind, via string) {
		if found == nil {
			found = make(map[names.Kind]string)
		}
		if found[kind] == "" {
			found[kind] = chain(c.Name, via)
		}
	}
	follow := func(f *Func, name string) {
		if f.OnLoop || f.bothWorlds {
			return
		}
		for kind, via := range f.Blocks {
			add(kind, chain(name, via))
		}
	}
	var fact Blocks
	if f := p.byObject[c.Callee]; f != nil {
		follow(f, "")
	} else if c.Callee != nil && !c.inTable && p.Pass.ImportObjectFact(c.Callee, &fact) {
		for _, why := range fact.Reasons {
			if p.believed(names.Path(c.Callee), why.Kind) {
				add(why.Kind, why.Via)
			}
		}
	}
	if len(c.lits) == 1 && !c.unsure {
		follow(c.lits[0], "")
	}
	if !waits(c.impls) {
		for _, f := range c.impls {
			follow(f, names.Of(f.Object))
		}
	}
	for _, f := range p.calledArguments(c) {
		if f.Lit != nil || !f.Thread {
			follow(f, "")
		}
	}
	return found
}

// believed reports whether a finding about a function of another package counts.
// In other modules a channel, a lock or a connection mostly belongs to something
// that does not block its caller for long.
func (p *Package) believed(path string, kind names.Kind) bool {
	switch kind {
	case names.Sleep, names.Process, names.Nested, names.Outside:
		return true
	case names.SQL:
		return !p.sqlWaits
	}
	return p.inModule(path)
}

// findBlocks does one round of what functions block on. What a directive silences is no
// matter of those who call the function, either.
func (p *Package) findBlocks() {
	for _, f := range p.Funcs {
		if f.bothWorlds {
			continue
		}
		add := func(kind names.Kind, via string) {
			if f.Blocks == nil {
				f.Blocks = make(map[names.Kind]string)
			}
			if f.Blocks[kind] == "" {
				f.Blocks[kind] = via
				p.changed = true
			}
		}
		for _, op := range f.Ops {
			if !f.ForBothWorlds(op.Node.Pos()) && !p.silent(op.Kind.Rule(), op.Node.Pos()) {
				add(op.Kind, op.What)
			}
		}
		for _, c := range f.Calls {
			if !f.ForBothWorlds(c.Expr.Pos()) {
				for kind, via := range p.Blocks(c) {
					if !p.silent(kind.Rule(), c.Expr.Pos()) {
						add(kind, via)
					}
				}
			}
		}
	}
}
