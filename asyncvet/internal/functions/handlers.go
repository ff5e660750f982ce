package functions

import (
	"go/ast"
	"go/types"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// An HTTP handler runs on the loop only if it reaches an asynchttp.Server: the
// same types serve net/http, on goroutines.

// isHandler reports whether t is an http.Handler, a mux or router for example.
func isHandler(t types.Type) bool {
	o, _, _ := types.LookupFieldOrMethod(t, true, nil, "ServeHTTP")
	fn, ok := o.(*types.Func)
	return ok && serves(fn.Signature())
}

// serves reports whether a function with this signature serves a request.
func serves(s *types.Signature) bool {
	return s.Params().Len() == 2 && names.Is(s.Params().At(0).Type(), "net/http", "ResponseWriter") &&
		names.Is(s.Params().At(1).Type(), "net/http", "Request")
}

// makesHandler reports whether t is a function that returns a handler.
func makesHandler(t types.Type) bool {
	s, ok := t.Underlying().(*types.Signature)
	if !ok || s.Results().Len() == 0 {
		return false
	}
	result := s.Results().At(0).Type()
	inner, ok := result.Underlying().(*types.Signature)
	return isHandler(result) || ok && serves(inner)
}

// routed reports whether t is something that a router is given.
func routed(t types.Type) bool {
	if t == nil {
		return false
	}
	s, ok := t.Underlying().(*types.Signature)
	return isHandler(t) || ok && (serves(s) || makesHandler(t))
}

// findServers looks for what is served by an asynchttp.Server.
func (p *Package) findServers() {
	const by = "an asynchttp.Server"
	set := false
	for _, v := range p.variables {
		if v.IsField() && v.Name() == names.ServerHandler && names.Path(v) == names.HTTP {
			p.useAll(p.assigned[v], nil, names.Task, by, make(map[ast.Expr]bool))
			set = true
		}
	}
	if p.unset && !set {
		p.useAll(p.defaults, nil, names.Task, by, make(map[ast.Expr]bool))
	}
}

// findRoutes notes what routers are given, so that it is known when one of them
// reaches a server.
func (p *Package) findRoutes() {
	for _, f := range p.Funcs {
		for _, c := range f.Calls {
			if names.IsFunc(c.Callee, "net/http", "Handle", "HandleFunc") {
				p.defaults = append(p.defaults, c.Expr.Args[1])
			}
			selector, ok := ast.Unparen(c.Expr.Fun).(*ast.SelectorExpr)
			if !ok || c.Callee == nil || c.Callee.Signature().Recv() == nil || !isHandler(p.info.TypeOf(selector.X)) {
				continue
			}
			router := p.variableOf(selector.X)
			if router == nil {
				continue
			}
			for _, arg := range c.Expr.Args {
				if routed(p.info.TypeOf(arg)) {
					p.routes[router] = append(p.routes[router], arg)
				}
			}
		}
	}
}

// useHandler follows a handler to the functions that serve its requests.
func (p *Package) useHandler(e ast.Expr, in *Func, role names.Role, by string, seen map[ast.Expr]bool) {
	if o, _, _ := types.LookupFieldOrMethod(p.info.TypeOf(e), true, p.Pass.Pkg, "ServeHTTP"); o != nil {
		if fn, ok := o.(*types.Func); ok {
			p.mark(p.byObject[fn.Origin()], role, by)
		}
	}
	switch at := e.(type) {
	case *ast.Ident, *ast.SelectorExpr:
		o := p.variableOf(e)
		p.useAll(p.assigned[o], in, role, by, seen)
		p.useAll(p.routes[o], in, role, by, seen)
	case *ast.UnaryExpr:
		p.use(at.X, in, role, by, seen)
	case *ast.CompositeLit:
		for _, element := range at.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				element = pair.Value
			}
			if routed(p.info.TypeOf(element)) {
				p.use(element, in, role, by, seen)
			}
		}
	case *ast.CallExpr:
		for _, arg := range at.Args { // a conversion's too
			if routed(p.info.TypeOf(arg)) {
				p.use(arg, in, role, by, seen)
			}
		}
		if f := p.byObject[p.callee(at)]; f != nil {
			p.useAll(f.returns, in, role, by, seen)
		}
	}
}

// findProtocols marks the methods that a loop calls on a protocol.
func (p *Package) findProtocols() {
	for _, pkg := range p.Pass.Pkg.Imports() {
		if pkg.Path() != names.Asyncio {
			continue
		}
		for _, name := range names.Protocols {
			o := pkg.Scope().Lookup(name)
			if o == nil {
				continue
			}
			if protocol, ok := o.Type().Underlying().(*types.Interface); ok {
				p.findMethods(protocol, "an asyncio."+name)
			}
		}
	}
}

func (p *Package) findMethods(protocol *types.Interface, by string) {
	for _, f := range p.Funcs {
		if f.Object == nil || f.Object.Signature().Recv() == nil {
			continue
		}
		called := false
		for method := range protocol.Methods() {
			called = called || method.Name() == f.Object.Name()
		}
		t := f.Object.Signature().Recv().Type()
		if called && (types.Implements(t, protocol) || types.Implements(types.NewPointer(t), protocol)) {
			p.mark(f, names.Callback, by)
		}
	}
}
