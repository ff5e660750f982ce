package functions

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// collect finds the functions, what variables are set to, and who contains whom.
func (p *Package) collect() {
	var tables []table
	for _, file := range p.Pass.Files {
		var path []ast.Node
		var around []*Func
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				switch left := path[len(path)-1].(type) {
				case *ast.FuncDecl, *ast.FuncLit:
					around = around[:len(around)-1]
				case *ast.GenDecl:
					if len(path) == 2 && left.Tok == token.VAR {
						around = around[:len(around)-1]
					}
				}
				path = path[:len(path)-1]
				return false
			}
			if len(path) > 0 {
				p.parents[n] = path[len(path)-1]
			}
			path = append(path, n)
			switch n := n.(type) {
			case *ast.FuncDecl:
				f := &Func{Type: n.Type, Body: n.Body}
				if f.Object, _ = p.info.Defs[n.Name].(*types.Func); f.Object != nil {
					p.byObject[f.Object] = f
					if n.Recv != nil {
						p.methods[n.Name.Name] = append(p.methods[n.Name.Name], f)
					}
				}
				p.add(f)
				around = append(around, f)
			case *ast.GenDecl:
				if len(around) == 0 && n.Tok == token.VAR {
					f := &Func{Type: &ast.FuncType{Params: new(ast.FieldList)}, Body: &ast.BlockStmt{
						Lbrace: n.Pos(), List: []ast.Stmt{&ast.DeclStmt{Decl: n}}, Rbrace: n.End(),
					}}
					p.add(f)
					around = append(around, f)
				}
			case *ast.FuncLit:
				f := &Func{Type: n.Type, Body: n.Body, Lit: n}
				if len(around) > 0 {
					f.Outer = around[len(around)-1]
				}
				p.byLit[n] = f
				p.add(f)
				around = append(around, f)
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					v := p.variableOf(left)
					p.assign(v, n.Rhs, len(n.Lhs), i)
					p.setsTransport = p.setsTransport || v != nil && v.IsField() && v.Name() == "Transport" && names.Path(v) == "net/http"
					if at, ok := ast.Unparen(left).(*ast.IndexExpr); ok && len(n.Lhs) == len(n.Rhs) {
						if held := p.variableOf(at.X); held != nil {
							p.stored[held] = append(p.stored[held], n.Rhs[i])
						}
					}
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if len(n.Values) > 0 {
						p.assign(p.variableOf(id), n.Values, len(n.Names), i)
					}
				}
			case *ast.RangeStmt:
				p.assign(p.variableOf(n.Key), nil, 1, 0)
				if v := p.variableOf(n.Value); v != nil && isFunc(v.Type()) {
					tables = append(tables, table{v, n.X})
				} else {
					p.assign(v, nil, 1, 0)
				}
			case *ast.CompositeLit:
				p.collectFields(n)
			case *ast.ReturnStmt:
				if len(around) > 0 && len(n.Results) > 0 {
					f := around[len(around)-1]
					f.returns = append(f.returns, n.Results[0])
				}
			case *ast.UnaryExpr:
				// What has its address taken may be set anywhere, unless it is
				// a value that is made here.
				if id, ok := ast.Unparen(n.X).(*ast.Ident); ok && n.Op == token.AND {
					if v, ok := p.info.Uses[id].(*types.Var); ok && isFunc(v.Type()) {
						p.assign(v, nil, 1, 0)
					}
				}
			}
			return true
		})
	}
	p.expand(tables)
}

func (p *Package) add(f *Func) {
	p.Funcs = append(p.Funcs, f)
	for _, field := range f.Type.Params.List {
		for _, id := range field.Names {
			v, _ := p.info.Defs[id].(*types.Var)
			f.params = append(f.params, v)
			p.paramOf[v] = f
		}
		if len(field.Names) == 0 {
			f.params = append(f.params, nil)
		}
	}
}

// assign notes that v is set to values[i], or to a part of the only value.
func (p *Package) assign(v *types.Var, values []ast.Expr, lefts, i int) {
	if v == nil {
		return
	}
	var value ast.Expr
	switch {
	case len(values) == lefts:
		value = values[i]
	case len(values) == 1 && i == 0:
		value = values[0]
	}
	if _, ok := p.assigned[v]; !ok {
		p.variables = append(p.variables, v)
	}
	p.assigned[v] = append(p.assigned[v], value)
}

// variableOf returns the variable or field that e names, or nil.
func (p *Package) variableOf(e ast.Expr) *types.Var {
	if id := identOf(e); id != nil {
		if v, ok := p.object(id).(*types.Var); ok {
			return v.Origin()
		}
	}
	return nil
}

func (p *Package) object(id *ast.Ident) types.Object {
	if o := p.info.Defs[id]; o != nil {
		return o
	}
	return p.info.Uses[id]
}

// collectFields notes what the fields of a struct literal are set to.
func (p *Package) collectFields(lit *ast.CompositeLit) {
	t := p.info.TypeOf(lit)
	if t == nil {
		return
	}
	if ptr, ok := t.Underlying().(*types.Pointer); ok {
		t = ptr.Elem()
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	if names.Is(t, names.HTTP, names.ServerType) {
		p.unset = true // unless its handler is set, here or later
	}
	for i, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if id, ok := pair.Key.(*ast.Ident); ok {
				p.assign(p.variableOf(id), []ast.Expr{pair.Value}, 1, 0)
			}
		} else if i < st.NumFields() {
			p.assign(st.Field(i).Origin(), []ast.Expr{element}, 1, 0)
		}
	}
}

// callee returns the function or method that a call names, or nil.
func (p *Package) callee(call *ast.CallExpr) *types.Func {
	fn, _ := typeutil.Callee(p.info, call).(*types.Func)
	if fn != nil {
		fn = fn.Origin()
	}
	return fn
}

// funcsOf returns the functions of this package that e may be, and reports
// whether there may be others.
func (p *Package) funcsOf(e ast.Expr) (funcs []*Func, more bool) {
	return p.funcsIn(e, make(map[ast.Node]bool))
}

func (p *Package) funcsIn(e ast.Expr, seen map[ast.Node]bool) (funcs []*Func, more bool) {
	if e == nil {
		return nil, true
	}
	e = ast.Unparen(e)
	if seen[e] {
		return nil, false
	}
	seen[e] = true
	all := func(list []ast.Expr) ([]*Func, bool) {
		for _, value := range list {
			found, others := p.funcsIn(value, seen)
			funcs = append(funcs, found...)
			more = more || others
		}
		return funcs, more || len(list) == 0
	}
	switch e := e.(type) {
	case *ast.FuncLit:
		return []*Func{p.byLit[e]}, false
	case *ast.Ident:
		if p.info.Types[e].IsNil() {
			return nil, false
		}
		switch o := p.object(e).(type) {
		case *types.Func:
			return p.declared(o)
		case *types.Var:
			return all(p.assigned[o.Origin()])
		}
	case *ast.SelectorExpr:
		switch o := p.info.Uses[e.Sel].(type) {
		case *types.Func:
			return p.declared(o)
		case *types.Var:
			return all(p.assigned[o.Origin()])
		}
	case *ast.IndexExpr:
		if _, ok := p.info.Instances[identOf(e.X)]; ok {
			return p.funcsIn(e.X, seen)
		}
		elements, _ := p.elementsOf(e.X)
		funcs, _ = all(elements)
		return funcs, true
	case *ast.CallExpr:
		if p.info.Types[e.Fun].IsType() && len(e.Args) == 1 {
			return p.funcsIn(e.Args[0], seen)
		}
		if f := p.byObject[p.callee(e)]; f != nil {
			return all(f.returns)
		}
		if lit, ok := ast.Unparen(e.Fun).(*ast.FuncLit); ok {
			return all(p.byLit[lit].returns)
		}
	}
	return nil, true
}

func (p *Package) declared(fn *types.Func) ([]*Func, bool) {
	if f := p.byObject[fn.Origin()]; f != nil {
		return []*Func{f}, false
	}
	return nil, true
}

func identOf(e ast.Expr) *ast.Ident {
	if e == nil {
		return nil
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return e.Sel
	}
	return nil
}

func isFunc(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Signature)
	return ok
}

// findCalls fills in what each function calls, and what else stops it.
func (p *Package) findCalls() {
	both := make(map[*Func]bool)
	for _, f := range p.Funcs {
		f.Walk(func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if o := p.info.Uses[n]; names.Path(o) == names.Asyncio {
					for _, name := range names.BothWorlds {
						if o.Name() == name {
							both[f.outermost()] = true
						}
					}
				}
			case *ast.CallExpr:
				call := p.call(n)
				if call == nil {
					return true
				}
				f.Calls = append(f.Calls, call)
				if call.known.Asks {
					p.asks(f, n)
				}
				p.give(call)
			default:
				p.addOp(f, n)
			}
			return true
		})
	}
	for _, f := range p.Funcs {
		if both[f.outermost()] {
			f.bothWorlds = true
		}
	}
	p.sqlWaits = p.findsSQLWaits()
	p.findRoutes()
	p.findOrigins()
	for _, f := range p.Funcs {
		for _, call := range f.Calls {
			p.judge(call)
		}
	}
}

func (f *Func) outermost() *Func {
	for f.Outer != nil {
		f = f.Outer
	}
	return f
}

// call makes a Call, or returns nil for a conversion.
func (p *Package) call(e *ast.CallExpr) *Call {
	if tv := p.info.Types[e.Fun]; tv.IsType() || tv.IsBuiltin() {
		return nil
	}
	c := &Call{Expr: e, Callee: p.callee(e)}
	switch p.parents[e].(type) {
	case *ast.GoStmt:
		c.Go = true
	case *ast.DeferStmt:
		c.Defer = true
	case *ast.RangeStmt: // the range's body is in a block of its own
		c.Range = true
	}
	if c.Callee != nil {
		c.Name = Named(c.Callee)
		if c.Callee.Pkg() != p.Pass.Pkg { // a known package's own functions are looked at
			c.known, c.inTable = names.Lookup(c.Callee)
		}
		c.impls, c.others = p.implementations(c.Callee)
		return c
	}
	c.lits, c.unsure = p.funcsOf(e.Fun)
	c.param = p.variableOf(e.Fun)
	return c
}

// implementations returns this package's methods that a call of an interface's
// method may be of, and reports whether it may be another package's, too: of a type that
// occurs here, or that a type of this package embeds. Only an interface that is not exported is asked for: of any
// other, other packages may have implementations that behave in other ways.
func (p *Package) implementations(fn *types.Func) (found []*Func, others bool) {
	recv := fn.Signature().Recv()
	if recv == nil || fn.Pkg() != p.Pass.Pkg {
		return nil, false
	}
	named, ok := types.Unalias(recv.Type()).(*types.Named)
	if !ok || named.Obj().Exported() || named.TypeParams() != nil {
		return nil, false
	}
	iface, ok := named.Underlying().(*types.Interface)
	if !ok {
		return nil, false
	}
	for _, f := range p.methods[fn.Name()] {
		t := f.Object.Signature().Recv().Type()
		if types.Implements(t, iface) || types.Implements(types.NewPointer(t), iface) {
			found = append(found, f)
		}
	}
	for _, t := range p.concreteTypes() {
		if types.Implements(t, iface) {
			m, _, _ := types.LookupFieldOrMethod(t, true, p.Pass.Pkg, fn.Name())
			others = others || m != nil && m.Pkg() != p.Pass.Pkg
		}
	}
	return found, others
}

// concreteTypes returns the types that have methods and values in this package.
func (p *Package) concreteTypes() []types.Type {
	if p.concrete != nil {
		return p.concrete
	}
	seen := make(map[types.Type]bool)
	add := func(t types.Type) {
		if t != nil && !seen[t] && !types.IsInterface(t) && types.NewMethodSet(t).Len() > 0 {
			seen[t] = true
			p.concrete = append(p.concrete, t)
		}
	}
	for _, v := range p.info.Types {
		add(v.Type)
	}
	return p.concrete
}

// give notes the arguments of a call of functions of this package.
func (p *Package) give(c *Call) {
	for _, f := range p.targets(c) {
		for i, v := range f.params {
			if v != nil && i < len(c.Expr.Args) {
				p.given[v] = append(p.given[v], c.Expr.Args[i])
			}
		}
	}
}

// targets returns the functions of this package that a call may be of.
func (p *Package) targets(c *Call) []*Func {
	if f := p.byObject[c.Callee]; f != nil {
		return []*Func{f}
	}
	return c.lits
}

// asks looks how the result of a question like RunningLoop is used.
func (p *Package) asks(f *Func, call *ast.CallExpr) {
	set, ok := p.parents[call].(*ast.AssignStmt)
	if !ok {
		// CurrentTask(ctx) == nil and the like.
		if test, ok := p.parents[call].(*ast.BinaryExpr); ok && isNil(p.info, test.Y) {
			f.bothWorlds = true
		}
		return
	}
	var branch *ast.IfStmt
	switch around := p.parents[set].(type) {
	case *ast.IfStmt:
		branch = around
	case *ast.BlockStmt:
		for i, s := range around.List {
			if s == set && i+1 < len(around.List) {
				branch, _ = around.List[i+1].(*ast.IfStmt)
			}
		}
	}
	if branch == nil {
		return
	}
	test, ok := branch.Cond.(*ast.BinaryExpr)
	if !ok || !isNil(p.info, test.Y) {
		return
	}
	isErr := types.Identical(p.info.TypeOf(test.X), types.Universe.Lookup("error").Type())
	if isErr == (test.Op == token.NEQ) { // the branch for no loop
		f.elsewhere = append(f.elsewhere, branch.Body)
		if branch.Else == nil && handsOn(branch.Body) {
			return
		}
	}
	f.bothWorlds = true
}

// handsOn reports whether a block does nothing but hand an error on: then the
// function is one for the loop only.
func handsOn(block *ast.BlockStmt) bool {
	only := true
	ast.Inspect(block, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name := types.ExprString(call.Fun)
			switch name[strings.LastIndexByte(name, '.')+1:] {
			case "Errorf", "New", "Join", "Fatal", "Fatalf", "panic", "yield": // to whom an iterator hands it
			default:
				only = false
			}
		}
		return only
	})
	return only
}

func isNil(info *types.Info, e ast.Expr) bool { return info.Types[e].IsNil() }

// ForBothWorlds reports whether the code at pos is meant for goroutines without
// a loop, too.
func (f *Func) ForBothWorlds(pos token.Pos) bool {
	if f.bothWorlds {
		return true
	}
	for _, block := range f.elsewhere {
		if block.Pos() <= pos && pos < block.End() {
			return true
		}
	}
	return false
}
