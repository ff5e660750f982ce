// Package functions finds out, for each function of a package, what it waits
// for, what it blocks on, and where it runs: in a task, in a callback, on another
// goroutine. All rules of the checker stand on it.
//
// It looks at syntax and types only. A call is followed where the callee is
// written down: a function, a method of a type, a literal, a variable that holds
// one. A call through an interface that only this package knows is followed to the
// methods there; one through any other interface, or of a stored function of
// unknown origin, is not. Call graphs that follow those find paths that no program takes, and
// most of what they reported was wrong.
//
// Over packages the findings travel as facts: [Waits], [Blocks] and [Roles].
package functions

import (
	"go/ast"
	"go/types"
	"maps"
	"reflect"
	"slices"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Analyzer makes a [*Package] of each package.
var Analyzer = &analysis.Analyzer{
	Name:       "asyncfunctions",
	Doc:        "find out what each function waits for, what it blocks on, and where it runs",
	Run:        run,
	ResultType: reflect.TypeFor[*Package](),
	FactTypes:  []analysis.Fact{new(Waits), new(Blocks), new(Roles), new(SQLWaits)},
}

// A Package is what is known of a package's functions.
type Package struct {
	Pass  *analysis.Pass
	Funcs []*Func // in the order of the text, literals after what they are in

	info          *types.Info
	byObject      map[*types.Func]*Func
	byLit         map[*ast.FuncLit]*Func
	methods       map[string][]*Func // by their names, without their types'
	concrete      []types.Type       // see concreteTypes
	parents       map[ast.Node]ast.Node
	variables     []*types.Var              // those that are assigned, in the order of the text
	assigned      map[*types.Var][]ast.Expr // what a variable or field is set to; nil for an unknown value
	stored        map[*types.Var][]ast.Expr // what is put into a map, slice or array, after it is made
	given         map[*types.Var][]ast.Expr // what a parameter is called with in this package
	paramOf       map[*types.Var]*Func      // whose parameter a variable is
	roles         map[*types.Var]names.Role // of parameters, variables and fields
	fields        map[*types.Var]names.Role // of asyncio's own structs
	routes        map[*types.Var][]ast.Expr // handlers given to a router
	defaults      []ast.Expr                // handlers of http.DefaultServeMux
	sqlWaits      bool                      // see [SQLWaits]
	setsTransport bool                      // an http.Client gets its Transport after it is made
	unset         bool                      // an asynchttp.Server is made without a handler: it has http.DefaultServeMux
	served        []*ast.CallExpr           // what made the handlers that a server of the loop has
	origins       map[*types.Var]origin
	ignored       *ignored
	changed       bool // in this round of solve
}

// A Func is a declared function, a literal, or a declaration of variables, whose
// values are found when the program begins.
type Func struct {
	Object *types.Func  // nil for a literal and for variables
	Lit    *ast.FuncLit // nil for anything else
	Type   *ast.FuncType
	Body   *ast.BlockStmt
	Outer  *Func // what a literal is in
	Calls  []*Call
	Ops    []*Op

	Role   names.Role
	UsedBy string // what gave it its role: "asyncio.Go"
	Waits  *Reason
	Blocks map[names.Kind]string // on what, and by which chain of calls

	OnLoop   bool // it runs on a loop's goroutine
	Callback bool // there, and outside of any task
	Thread   bool // it runs on another goroutine

	bothWorlds bool             // it expects to be called with and without a loop
	elsewhere  []*ast.BlockStmt // branches for when there is no loop
	onContext  bool             // it waits with its first parameter, a context
	params     []*types.Var
	returns    []ast.Expr // what it returns first
	makes      origin     // what that reads from or writes to
	iterates   *Reason    // why a range over that waits
}

// A Reason says why a function waits.
type Reason struct {
	Via  string // the chain of calls: "load → asyncio.Sleep"
	Held bool   // it waits only while a peer is slow

	// Inner says that it is a literal that waits, which is called here: a rule
	// that looks at both has found it there.
	Inner bool
}

// A Call is a call in a function's body.
type Call struct {
	Expr   *ast.CallExpr
	Callee *types.Func // nil when it is not known by name
	Name   string      // of the callee, for messages
	Go     bool        // of a go statement
	Defer  bool        // of a defer statement
	Range  bool        // a statement ranges over the function that it returns

	known   names.Func // what the table has on it
	inTable bool
	self    names.Wait // how it waits by itself
	blocks  names.Kind // on what it blocks by itself
	lits    []*Func    // what is called when it is no declared function
	unsure  bool       // and there may be more than lits
	param   *types.Var // the variable that is called
	impls   []*Func    // the methods that a call through an interface of this package may be of
	others  bool       // it may be of methods of other packages, too
}

// An Op is a statement that waits for another goroutine: a channel's operation.
type Op struct {
	Node ast.Node
	Kind names.Kind
	What string
}

func run(pass *analysis.Pass) (any, error) {
	p := &Package{
		Pass:     pass,
		info:     pass.TypesInfo,
		byObject: make(map[*types.Func]*Func),
		byLit:    make(map[*ast.FuncLit]*Func),
		methods:  make(map[string][]*Func),
		parents:  make(map[ast.Node]ast.Node),
		assigned: make(map[*types.Var][]ast.Expr),
		stored:   make(map[*types.Var][]ast.Expr),
		given:    make(map[*types.Var][]ast.Expr),
		paramOf:  make(map[*types.Var]*Func),
		roles:    make(map[*types.Var]names.Role),
		fields:   make(map[*types.Var]names.Role),
		routes:   make(map[*types.Var][]ast.Expr),
		origins:  make(map[*types.Var]origin),
		ignored:  readIgnored(pass),
	}
	if !p.skipped() {
		for _, pkg := range slices.Concat(pass.Pkg.Imports(), []*types.Package{pass.Pkg}) {
			maps.Copy(p.fields, names.Fields(pkg))
		}
		p.collect()
		p.findCalls()
		p.solve()
		p.export()
	}
	return p, nil
}

// skipped reports whether the package is not looked at: those that are known by
// name, the insides of the loop, and the standard library.
func (p *Package) skipped() bool {
	path := p.Pass.Pkg.Path()
	if path == names.Asyncio || inside(path, names.Asyncio+"/internal") && !p.usesAsyncio() {
		return true
	}
	return p.std(path)
}

// usesAsyncio reports whether the package imports asyncio: it stands above the loop.
func (p *Package) usesAsyncio() bool {
	return slices.ContainsFunc(p.Pass.Pkg.Imports(), func(pkg *types.Package) bool { return pkg.Path() == names.Asyncio })
}

// std reports whether path is that of a package of the standard library. A module
// may have a name without a dot, too, but then it is the one that is looked at.
func (p *Package) std(path string) bool { return names.Std(path) && !p.inModule(path) }

// inModule reports whether path is in the module of this package.
func (p *Package) inModule(path string) bool {
	module := p.Pass.Module
	return module != nil && module.Path != "" && module.Path != "std" && inside(path, module.Path)
}

// inside reports whether path is that of a package in the tree at root.
func inside(path, root string) bool {
	return path == root || len(path) > len(root) && path[:len(root)] == root && path[len(root)] == '/'
}

// Walk calls visit for each node of the function's body, but not for the insides
// of the literals in it. When visit returns false, the node's children are left
// out.
func (f *Func) Walk(visit func(ast.Node) bool) {
	if f.Body != nil {
		WalkIn(f.Body, visit)
	}
}

// WalkIn is [Func.Walk] for a part of a body.
func WalkIn(n ast.Node, visit func(ast.Node) bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if n == nil {
			return false
		}
		if !visit(n) {
			return false
		}
		_, lit := n.(*ast.FuncLit)
		return !lit
	})
}

// Named returns the function's name with its package, as a program writes it.
func Named(fn *types.Func) string {
	if fn.Pkg() == nil {
		return names.Of(fn)
	}
	return fn.Pkg().Name() + "." + names.Of(fn)
}
