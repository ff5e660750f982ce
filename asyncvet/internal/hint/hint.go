// Package hint has the rule for what works on a loop, and mostly not as it was
// meant.
package hint

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Analyzer is the rule, which must be asked for.
var Analyzer = &analysis.Analyzer{
	Name: "hint",
	Doc: `report what mostly does not work on a loop as it was meant

A tls.Conn over Stream.Conn that two tasks use: its mutexes are held over waits,
and the second task stops the loop. Stream.StartTLS has none.

	conn := tls.Client(stream.Conn(), config)
	g.Go(func(ctx context.Context) error { return read(conn) })
	g.Go(func(ctx context.Context) error { return write(conn) })

Middleware that starts a goroutine for the handler, as http.TimeoutHandler does,
or that holds requests back on a channel, as chi's Throttle does, in an
asynchttp.Server: what waits in the handler fails, or the loop blocks. Use
asyncio.Timeout and asyncio.Semaphore.

A loop that writes to many streams, one after another: the slowest reader holds
up all others. Give each a task with a queue.`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, call := range p.Served() {
		if fn := p.Callee(call); names.Middleware(fn) != "" {
			p.Report(pass, call, nil, "%s serves a loop's requests and %s; use %s", functions.Named(fn), names.Middleware(fn), "asyncio.Timeout or asyncio.Semaphore in the handler")
		}
	}
	for _, f := range p.Funcs {
		for _, c := range f.Calls {
			if names.IsFunc(c.Callee, "crypto/tls", "Client", "Server") && p.OverStream(c.Expr.Args[0]) {
				sharedTLS(pass, p, f, c)
			}
		}
		if f.OnLoop {
			writeLoops(pass, p, f)
		}
	}
	return nil, nil
}

// sharedTLS reports a tls.Conn over a stream that is used in two functions at
// least, one of which is a task of its own.
func sharedTLS(pass *analysis.Pass, p *functions.Package, f *functions.Func, c *functions.Call) {
	v := p.AssignedTo(c.Expr)
	if v == nil {
		return
	}
	users, tasks := 0, 0
	for _, user := range p.Funcs {
		uses := 0
		user.Walk(func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && pass.TypesInfo.Uses[id] == v {
				uses++
			}
			return true
		})
		if uses > 0 {
			users++
			if user.Role&names.Task != 0 && user != f {
				tasks++
			}
		}
	}
	if users > 1 && tasks > 0 {
		p.Report(pass, c.Expr, nil, "two tasks use %s, a %s over a stream: they meet on its mutexes, which are held over waits, and stop the loop; use Stream.StartTLS", v.Name(), c.Name)
	}
}

// writeLoops reports ranges over streams that write to each.
func writeLoops(pass *analysis.Pass, p *functions.Package, f *functions.Func) {
	f.Walk(func(n ast.Node) bool {
		loop, ok := n.(*ast.RangeStmt)
		if !ok {
			return true
		}
		for _, e := range []ast.Expr{loop.Key, loop.Value} {
			v := p.Variable(e)
			if v == nil {
				continue
			}
			for _, c := range f.Calls {
				if loop.Body.Pos() > c.Expr.Pos() || c.Expr.End() > loop.Body.End() || c.Go {
					continue
				}
				if why := p.Waits(c); why != nil && why.Held && writesTo(pass.TypesInfo, c.Expr, v) {
					p.Report(pass, c.Expr, nil, "%s to one stream after another: the slowest reader holds up the others; give each a task with a queue", c.Name)
					return true
				}
			}
		}
		return true
	})
}

// writesTo reports whether a call's receiver or first argument is v, or a field
// of it, and a stream.
func writesTo(info *types.Info, call *ast.CallExpr, v *types.Var) bool {
	var places []ast.Expr
	if selector, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
		places = append(places, selector.X)
	}
	if len(call.Args) > 0 {
		places = append(places, call.Args[0])
	}
	for _, place := range places {
		t := info.TypeOf(place)
		if t == nil || !names.IsStream(t) {
			continue
		}
		place = ast.Unparen(place)
		for {
			selector, ok := place.(*ast.SelectorExpr)
			if !ok {
				break
			}
			place = ast.Unparen(selector.X)
		}
		if id, ok := place.(*ast.Ident); ok && info.Uses[id] == v {
			return true
		}
	}
	return false
}
