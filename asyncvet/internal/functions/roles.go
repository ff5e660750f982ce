package functions

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// mark gives a function a role.
func (p *Package) mark(f *Func, role names.Role, by string) {
	if f == nil || f.Role|role == f.Role {
		return
	}
	f.Role |= role
	if f.UsedBy == "" || role != names.Called {
		f.UsedBy = by
	}
	p.changed = true
}

// markVariable gives a role to what a variable, field or parameter holds.
func (p *Package) markVariable(v *types.Var, role names.Role) {
	if v != nil && p.roles[v]|role != p.roles[v] {
		p.roles[v] |= role
		p.changed = true
	}
}

// findRoles does one round: what is done with functions in each call.
func (p *Package) findRoles() {
	for _, f := range p.Funcs {
		for _, c := range f.Calls {
			role := names.Called
			if c.Go {
				role = names.Thread
			}
			for _, target := range c.lits {
				switch {
				case target.Lit == nil: // it may be called in other ways, too
				case f.inside(target.Outer):
					p.mark(target, f.roleIn(target.Outer, role), "go")
				default:
					p.mark(target, f.world(role), "go")
				}
			}
			if c.param != nil {
				p.markVariable(c.param, f.roleHere(role))
			}
			for i, arg := range c.Expr.Args {
				role := p.roleOf(c, i)
				if c.Go && role&names.Called != 0 {
					role = role&^names.Called | names.Thread
				}
				if role != 0 {
					p.use(arg, f, role, c.Name, make(map[ast.Expr]bool))
				}
			}
		}
	}
	for _, v := range p.variables {
		if role := p.fields[v]; role != 0 {
			p.useAll(p.assigned[v], nil, role, v.Pkg().Name()+"."+v.Name(), make(map[ast.Expr]bool))
		}
		role := p.roles[v]
		for _, value := range p.assigned[v] {
			// Where a function is called that a variable holds, its calls are
			// looked at. That says nothing of the place where it is written.
			if role &^= names.Called; role != 0 && value != nil {
				p.use(value, nil, role, v.Name(), make(map[ast.Expr]bool))
			}
		}
	}
}

// roleHere returns what the role of something inside f means outside of the
// declared function that f is in: what a literal that runs as a task calls, runs
// in a task.
func (f *Func) roleHere(role names.Role) names.Role { return f.roleIn(nil, role) }

// roleIn is roleHere for the function outer, if f is inside of that.
func (f *Func) roleIn(outer *Func, role names.Role) names.Role {
	for role&names.Called != 0 && f.Lit != nil && f != outer {
		role &^= names.Called
		switch {
		case f.Role&names.Task != 0:
			role |= names.Task
		case f.Role&names.Callback != 0:
			role |= names.Callback
		case f.Role&names.Called != 0:
			role |= names.Called
		case f.Role&names.Thread != 0:
			role |= names.Thread
		}
		if f = f.Outer; f == nil {
			break
		}
	}
	return role
}

// world returns what the role of something that f has from elsewhere means there: what a
// task calls, runs in a task. It is 0 where nobody knows where f runs.
func (f *Func) world(role names.Role) names.Role {
	role = f.roleIn(nil, role)
	if role&names.Called == 0 {
		return role
	}
	outer := f.outermost()
	role = role&^names.Called | outer.Role&(names.Task|names.Callback|names.Thread)
	if outer.Waits != nil && !outer.bothWorlds {
		role |= names.Task
	}
	return role
}

// inside reports whether f is outer or a literal inside of it.
func (f *Func) inside(outer *Func) bool {
	for ; f != nil; f = f.Outer {
		if f == outer {
			return true
		}
	}
	return false
}

// roleOf returns what a call does with its argument i.
func (p *Package) roleOf(c *Call, i int) (role names.Role) {
	if c.Callee == nil {
		for _, f := range c.lits {
			if i < len(f.params) {
				role |= p.roles[f.params[i]]
			}
		}
		return role
	}
	if c.inTable {
		if isFunc(p.info.TypeOf(c.Expr.Args[i])) {
			return c.known.Runs
		}
		return 0
	}
	if c.Callee.Pkg() != p.Pass.Pkg {
		if role, ok := names.Runs(c.Callee); ok {
			return role
		}
	}
	params := c.Callee.Signature().Params()
	i = min(i, params.Len()-1)
	if i < 0 {
		return 0
	}
	var fact Roles
	if c.Callee.Pkg() == p.Pass.Pkg {
		return p.roles[params.At(i)]
	} else if p.Pass.ImportObjectFact(c.Callee, &fact) && i < len(fact.Params) {
		return fact.Params[i]
	}
	return 0
}

// use notes that what e is has a role: a function, a variable that holds one, or
// an HTTP handler. in is the function that uses it, and by is what it was given
// to.
func (p *Package) use(e ast.Expr, in *Func, role names.Role, by string, seen map[ast.Expr]bool) {
	if e = ast.Unparen(e); seen[e] {
		return
	}
	seen[e] = true
	t := p.info.TypeOf(e)
	if t == nil {
		return
	}
	if call, ok := e.(*ast.CallExpr); ok && role&names.Task != 0 && routed(t) && !slices.Contains(p.served, call) {
		p.served = append(p.served, call)
	}
	if isFunc(t) {
		funcs, _ := p.funcsOf(e)
		for _, f := range funcs {
			if f.Lit != nil || role != names.Called {
				p.mark(f, role, by)
			}
			if role&names.Task != 0 && makesHandler(t) { // a middleware
				p.useAll(f.returns, in, role, by, seen)
			}
		}
	}
	handler := role&names.Task != 0 && isHandler(t)
	if v := p.variableOf(e); v != nil && (handler || isFunc(t)) {
		here := role
		if in != nil {
			here = in.roleHere(role)
		}
		p.markVariable(v, here)
	}
	if handler {
		p.useHandler(e, in, role, by, seen)
	}
}

func (p *Package) useAll(list []ast.Expr, in *Func, role names.Role, by string, seen map[ast.Expr]bool) {
	for _, e := range list {
		if e != nil {
			p.use(e, in, role, by, seen)
		}
	}
}

// solve finds roles and waits, then places, then what blocks, each until nothing
// changes any more.
func (p *Package) solve() {
	for p.changed = true; p.changed; {
		p.changed = false
		p.findRoles()
		p.findServers()
		p.findProtocols()
		p.findWaits()
	}
	for _, f := range p.Funcs { // what is outside comes first
		f.place()
	}
	for p.changed = true; p.changed; {
		p.changed = false
		p.findBlocks()
	}
}

// place says where a function runs.
func (f *Func) place() {
	called := f.Lit != nil && f.Role&names.Called != 0 && f.Outer != nil
	if f.Role&(names.Task|names.Callback) == 0 {
		f.Thread = f.Role&names.Thread != 0 && !called || called && f.Outer.Thread
	}
	if f.Thread {
		return
	}
	f.OnLoop = f.Role&(names.Task|names.Callback) != 0 || called && f.Outer.OnLoop ||
		!f.bothWorlds && (f.Waits != nil || f.startsTasks())
	f.Callback = f.Role&names.Task == 0 && (f.Role&names.Callback != 0 || called && f.Outer.Callback)
	if f.UsedBy == "" || f.Role == names.Called && called {
		f.UsedBy = f.usedByOuter()
	}
}

func (f *Func) usedByOuter() string {
	if f.Outer != nil {
		return f.Outer.UsedBy
	}
	return f.UsedBy
}

// startsTasks reports whether a function calls what panics elsewhere than on a
// loop's goroutine.
func (f *Func) startsTasks() bool {
	return slices.ContainsFunc(f.Calls, func(c *Call) bool {
		return c.known.Starts && !c.Go && !f.ForBothWorlds(c.Expr.Pos())
	})
}
