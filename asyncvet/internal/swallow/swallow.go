// Package swallow has the rule for loops that pass over cancellations.
package swallow

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Analyzer is the rule.
var Analyzer = &analysis.Analyzer{
	Name: "swallow",
	Doc: `report endless loops that go on after a cancellation

A cancelled task gets a CancelledError from the wait at which it stands, once. A
loop without end that drops that error, or logs it and goes on, makes a task that
does not end:

	for {
		item, err := queue.Get(ctx)
		if err != nil {
			log.Print(err) // a cancellation, too
			continue
		}
		handle(item)
	}

Return the error when asyncio.IsCancelled reports that it is one. Loops that have
a condition, or that look at errors with errors.Is or at ctx.Err, are left alone.`,
	Requires: []*analysis.Analyzer{functions.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		if !f.OnLoop || f.Callback {
			continue
		}
		c := &checker{pass: pass, p: p, waits: make(map[*ast.CallExpr]string)}
		for _, call := range f.Calls {
			if why := p.Waits(call); why != nil && !why.Held && !call.Defer && !f.ForBothWorlds(call.Expr.Pos()) && returnsError(pass, call.Expr) {
				c.waits[call.Expr] = why.Via
			}
		}
		if len(c.waits) == 0 {
			continue
		}
		f.Walk(func(n ast.Node) bool {
			if loop, ok := n.(*ast.ForStmt); ok && loop.Cond == nil && !c.looks(loop) {
				c.block(loop.Body.List)
			}
			return true
		})
	}
	return nil, nil
}

type checker struct {
	pass  *analysis.Pass
	p     *functions.Package
	waits map[*ast.CallExpr]string // those that return an error, and how they wait
}

// looks reports whether the loop looks what kind of error it has, or whether it
// has been cancelled.
func (c *checker) looks(loop *ast.ForStmt) (looks bool) {
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			fn := c.p.Callee(call)
			looks = looks || names.IsFunc(fn, "errors", "Is", "As", "AsType") ||
				names.IsFunc(fn, "context", "Context.Err", "Context.Done", "Cause") ||
				names.IsFunc(fn, names.Asyncio, names.IsCancelled, names.Cancelling)
		}
		return !looks
	})
	return looks
}

func (c *checker) block(list []ast.Stmt) {
	for i, statement := range list {
		switch s := statement.(type) {
		case *ast.ExprStmt:
			if via, ok := c.waits[callOf(s.X)]; ok {
				c.dropped(s, via)
			}
		case *ast.AssignStmt:
			via, ok := c.wait(s)
			if !ok {
				continue
			}
			err := s.Lhs[len(s.Lhs)-1]
			if id, ok := err.(*ast.Ident); ok && id.Name == "_" {
				c.dropped(s, via)
			} else if i+1 < len(list) {
				if test, ok := list[i+1].(*ast.IfStmt); ok && test.Init == nil {
					c.test(test, err, via)
				}
			}
		case *ast.IfStmt:
			if set, ok := s.Init.(*ast.AssignStmt); ok {
				if via, ok := c.wait(set); ok {
					c.test(s, set.Lhs[len(set.Lhs)-1], via)
				}
			}
			c.block(s.Body.List)
			if other, ok := s.Else.(*ast.BlockStmt); ok {
				c.block(other.List)
			}
		case *ast.BlockStmt:
			c.block(s.List)
		}
	}
}

func (c *checker) dropped(n ast.Node, via string) {
	c.p.Report(c.pass, n, nil, "the error of %s is dropped in a loop without end: a task that is cancelled there does not end; return the error", via)
}

// test reports a branch for an error that leads back into the loop.
func (c *checker) test(s *ast.IfStmt, err ast.Expr, via string) {
	test, ok := s.Cond.(*ast.BinaryExpr)
	if !ok || test.Op != token.NEQ || types.ExprString(test.X) != types.ExprString(err) || types.ExprString(test.Y) != "nil" {
		return
	}
	if s.Else == nil && !leaves(s.Body) && !handsOver(s.Body, types.ExprString(err)) {
		c.p.Report(c.pass, s, nil, "the error of %s may be a cancellation, and the loop goes on after it: the task does not end; return the error when asyncio.IsCancelled(%s)", via, types.ExprString(err))
	}
}

func (c *checker) wait(s *ast.AssignStmt) (via string, ok bool) {
	if len(s.Rhs) != 1 {
		return "", false
	}
	via, ok = c.waits[callOf(s.Rhs[0])]
	return via, ok
}

func callOf(e ast.Expr) *ast.CallExpr {
	call, _ := ast.Unparen(e).(*ast.CallExpr)
	return call
}

// returnsError reports whether the last result of a call is an error.
func returnsError(pass *analysis.Pass, call *ast.CallExpr) bool {
	t := pass.TypesInfo.TypeOf(call)
	if results, ok := t.(*types.Tuple); ok {
		if results.Len() == 0 {
			return false
		}
		t = results.At(results.Len() - 1).Type()
	}
	return t != nil && types.Identical(t, types.Universe.Lookup("error").Type())
}

// leaves reports whether a block has a way out of the loop around it.
func leaves(block *ast.BlockStmt) (out bool) {
	functions.WalkIn(block, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ReturnStmt:
			out = true
		case *ast.BranchStmt:
			out = out || n.Tok != token.CONTINUE
		case *ast.CallExpr:
			name := types.ExprString(n.Fun)
			name = name[strings.LastIndexByte(name, '.')+1:]
			out = out || name == "panic" || name == "Exit" || strings.HasPrefix(name, "Fatal") || name == "Goexit"
		}
		return !out
	})
	return out
}

// handsOver reports whether the error goes into a variable or a field, where
// something else may look at it.
func handsOver(block *ast.BlockStmt, err string) (over bool) {
	functions.WalkIn(block, func(n ast.Node) bool {
		if set, ok := n.(*ast.AssignStmt); ok {
			for _, value := range set.Rhs {
				over = over || types.ExprString(value) == err
			}
		}
		return !over
	})
	return over
}
