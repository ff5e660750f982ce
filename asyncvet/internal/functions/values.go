package functions

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// An origin says what a reader or writer is made of.
type origin uint8

const (
	ofStream origin = 1 << iota // a stream, or something around one
	ofStdin                     // standard input, or something around it
)

// originOf returns what e reads from or writes to.
func (p *Package) originOf(e ast.Expr) origin {
	e = ast.Unparen(e)
	if t := p.info.TypeOf(e); t != nil && names.IsStream(t) {
		return ofStream
	}
	switch e := e.(type) {
	case *ast.Ident:
		return p.origins[p.variableOf(e)]
	case *ast.SelectorExpr:
		o := p.info.Uses[e.Sel]
		if names.Path(o) == "os" && o.Name() == "Stdin" {
			return ofStdin
		}
		if v, ok := o.(*types.Var); ok {
			return p.origins[v.Origin()]
		}
	case *ast.UnaryExpr:
		return p.originOf(e.X)
	case *ast.StarExpr:
		return p.originOf(e.X)
	case *ast.TypeAssertExpr:
		return p.originOf(e.X)
	case *ast.CallExpr:
		fn := p.callee(e)
		if fn == nil {
			return 0
		}
		if names.IsFunc(fn, names.Asyncio, names.ConnMethod) {
			return ofStream
		}
		if f := p.byObject[fn]; f != nil {
			return f.makes
		}
		if path := names.Path(fn); p.std(path) && makesIO(fn.Signature().Results()) {
			for _, arg := range e.Args {
				if from := p.originOf(arg); from != 0 {
					return from
				}
			}
		}
	}
	return 0
}

// originOfAll returns what all of the values have in common.
func (p *Package) originOfAll(values []ast.Expr) origin {
	from, any := ofStream|ofStdin, false
	for _, value := range values {
		if value == nil {
			return 0
		}
		if isNil(p.info, value) {
			continue
		}
		from &= p.originOf(value)
		any = true
	}
	if !any {
		return 0
	}
	return from
}

// makesIO reports whether the first result reads or writes.
func makesIO(results *types.Tuple) bool {
	return results.Len() > 0 && doesIO(results.At(0).Type())
}

func doesIO(t types.Type) bool {
	if t == nil {
		return false
	}
	methods := types.NewMethodSet(t)
	for i := range methods.Len() {
		if names.Method(methods.At(i).Obj().Name()) != names.Never {
			return true
		}
	}
	return false
}

// findOrigins follows streams through variables, fields, and the parameters of
// functions that nobody else calls.
func (p *Package) findOrigins() {
	for again := true; again; {
		again = false
		note := func(v *types.Var, values []ast.Expr) {
			if p.origins[v] != 0 {
				return
			}
			if from := p.originOfAll(values); from != 0 && !names.IsStream(v.Type()) && doesIO(v.Type()) {
				p.origins[v] = from
				again = true
			}
		}
		for _, f := range p.Funcs {
			if f.makes == 0 && len(f.returns) > 0 && doesIO(p.info.TypeOf(f.returns[0])) {
				f.makes = p.originOfAll(f.returns)
				again = again || f.makes != 0
			}
		}
		for _, v := range p.variables {
			note(v, p.assigned[v])
		}
		for v, values := range p.given {
			if p.private(v) {
				note(v, values)
			}
		}
	}
}

// private reports whether v is a parameter that only this package sets.
func (p *Package) private(v *types.Var) bool {
	f := p.paramOf[v]
	return f != nil && len(p.assigned[v]) == 0 && (f.Object == nil || !f.Object.Exported())
}

// A client says where the requests of an http.Client go.
type client uint8

const (
	unknownClient client = iota
	loopClient           // through asynchttp
	plainClient          // through net/http
)

// clientOf follows an http.Client to where it is made.
func (p *Package) clientOf(e ast.Expr, depth int) client {
	if e == nil || depth > 8 {
		return unknownClient
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.UnaryExpr:
		return p.clientOf(e.X, depth+1)
	case *ast.SelectorExpr:
		if o := p.info.Uses[e.Sel]; names.Path(o) == "net/http" && o.Name() == "DefaultClient" {
			return plainClient
		}
		return p.clientOfAll(p.assigned[p.variableOf(e)], depth)
	case *ast.Ident:
		v := p.variableOf(e)
		if p.private(v) {
			return p.clientOfAll(p.given[v], depth)
		}
		return p.clientOfAll(p.assigned[v], depth)
	case *ast.CallExpr:
		fn := p.callee(e)
		if names.IsFunc(fn, names.HTTP, names.ClientFunc) {
			return loopClient
		}
		if f := p.byObject[fn]; f != nil {
			return p.clientOfAll(f.returns, depth)
		}
	case *ast.CompositeLit:
		if !names.Is(p.info.TypeOf(e), "net/http", "Client") {
			return unknownClient
		}
		for _, element := range e.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok && types.ExprString(pair.Key) == "Transport" {
				return transportOf(p.info.TypeOf(pair.Value))
			}
		}
		if p.setsTransport {
			return unknownClient
		}
		return plainClient
	}
	return unknownClient
}

// transportOf returns where the requests of a client go whose transport has a type.
func transportOf(t types.Type) client {
	named := names.Named(t)
	switch {
	case named == nil:
	case names.Path(named.Obj()) == names.HTTP:
		return loopClient
	case names.Is(t, "net/http", "Transport"):
		return plainClient
	}
	return unknownClient
}

func (p *Package) clientOfAll(values []ast.Expr, depth int) (all client) {
	for i, value := range values {
		is := p.clientOf(value, depth+1)
		if i > 0 && is != all {
			return unknownClient
		}
		all = is
	}
	return all
}

// findsSQLWaits reports whether the package opens databases and has a dialer of the loop,
// or imports a package that does.
func (p *Package) findsSQLWaits() bool {
	opens, dials := false, false
	for _, f := range p.Funcs {
		for _, c := range f.Calls {
			opens = opens || names.IsFunc(c.Callee, "database/sql", "OpenDB")
			dials = dials || names.IsFunc(c.Callee, names.Asyncio, names.DialerFunc)
		}
	}
	return opens && dials || slices.ContainsFunc(p.Pass.Pkg.Imports(), func(pkg *types.Package) bool {
		return p.Pass.ImportPackageFact(pkg, new(SQLWaits))
	})
}

// judge finds out how a call waits or blocks by itself.
func (p *Package) judge(c *Call) {
	fn := c.Callee
	if fn == nil {
		return
	}
	if c.inTable {
		c.self, c.blocks = c.known.Waits, c.known.Blocks
		return
	}
	c.blocks = names.Blocks(fn)
	if c.blocks == names.SQL && p.sqlWaits {
		c.blocks = ""
	}
	if !p.std(names.Path(fn)) {
		return
	}
	receiver, from := ast.Expr(nil), origin(0)
	if selector, ok := ast.Unparen(c.Expr.Fun).(*ast.SelectorExpr); ok && fn.Signature().Recv() != nil {
		receiver = selector.X
		from = p.originOf(receiver)
	}
	if receiver != nil && slices.Contains(names.ClientMethods, names.Of(fn)) && names.Path(fn) == "net/http" {
		switch p.clientOf(receiver, 0) {
		case loopClient:
			c.self = names.Always
		case plainClient:
			c.blocks = names.Network
		}
		return
	}
	wait := names.Method(fn.Name())
	if receiver == nil {
		wait = names.OverStream(fn)
		for _, arg := range c.Expr.Args {
			from |= p.originOf(arg)
		}
	}
	switch {
	case wait == names.Never:
	case from&ofStream != 0:
		c.self, c.blocks = wait, ""
	case from&ofStdin != 0 && wait == names.Always:
		c.blocks = names.Stdin
	}
}
