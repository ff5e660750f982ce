package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"
)

// A mutant is one small change to one function.
type mutant struct {
	id   int // of the sample; what the environment variable chooses
	area *area
	file *sourceFile
	fn   *ast.FuncDecl

	start, end int    // the bytes of the file that are replaced
	with       string // by this
	before     int    // where the statement begins in which that is

	verdict verdict
	by      string   // the test that noticed
	doubt   []string // the tests that noticed once, and not again
}

// edges are the comparisons that differ in one value.
var edges = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.EQL: "!=", token.NEQ: "==",
	token.LAND: "||", token.LOR: "&&",
	token.ADD: "-", token.SUB: "+",
	token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.INC: "--", token.DEC: "++",
}

// A finder lists the mutants of a file.
type finder struct {
	file  *sourceFile
	info  *types.Info
	fn    *ast.FuncDecl
	path  []ast.Node // from the function's body to the node that is looked at
	found []*mutant
}

// mutantsOf returns every mutant of a file, in the order of the text.
func mutantsOf(file *sourceFile, info *types.Info) []*mutant {
	f := finder{file: file, info: info}
	for _, d := range file.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		f.fn = fn
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if n == nil {
				f.path = f.path[:len(f.path)-1]
				return true
			}
			f.path = append(f.path, n)
			f.look(n)
			return true
		})
	}
	return f.found
}

func (f *finder) look(n ast.Node) {
	switch n := n.(type) {
	case *ast.ExprStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
		f.drop(n)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			f.drop(n)
		}
		if len(n.Rhs) == 1 && f.isInteger(n.Rhs[0]) {
			f.operator(n.TokPos, n.Tok)
		}
	case *ast.IncDecStmt:
		f.drop(n)
		f.operator(n.TokPos, n.Tok)
	case *ast.ReturnStmt:
		f.returns(n)
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			f.negate(n.Cond)
		}
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.BasicLit:
		f.literal(n)
	case *ast.CallExpr:
		f.swap(n)
	case *ast.BranchStmt:
		switch {
		case n.Tok == token.BREAK && n.Label == nil:
			f.replace(n, "continue")
		case n.Tok == token.CONTINUE && n.Label == nil:
			f.replace(n, "break")
		}
	}
}

// drop takes a statement away.
func (f *finder) drop(n ast.Node) {
	if f.inList(len(f.path) - 1) {
		f.replace(n, "")
	}
}

// negate turns a condition round. Where the condition is a comparison or joins
// others, the change of its operator is a mutant too.
func (f *finder) negate(cond ast.Expr) {
	if b, ok := cond.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
		return // the same as to change the operator
	}
	if u, ok := cond.(*ast.UnaryExpr); ok && u.Op == token.NOT {
		f.replace(u, f.text(u.X))
		return
	}
	f.replace(cond, "!("+f.text(cond)+")")
}

func (f *finder) binary(n *ast.BinaryExpr) {
	switch n.Op {
	case token.LAND, token.LOR:
		f.operator(n.OpPos, n.Op)
		for _, x := range []ast.Expr{n.X, n.Y} {
			if _, ok := x.(*ast.BinaryExpr); !ok {
				f.negate(x)
			}
		}
	case token.ADD, token.SUB:
		if tv := f.info.Types[n]; tv.Value == nil && f.isInteger(n) {
			f.operator(n.OpPos, n.Op)
		}
	default:
		f.operator(n.OpPos, n.Op)
	}
}

// operator puts another one in an operator's place.
func (f *finder) operator(pos token.Pos, op token.Token) {
	with, ok := edges[op]
	if !ok {
		return
	}
	start := f.file.offset(pos)
	f.add(start, start+len(op.String()), with)
}

// literal moves a whole number by one.
func (f *finder) literal(n *ast.BasicLit) {
	if n.Kind != token.INT || !f.isInteger(n) {
		return
	}
	switch f.info.Types[n].Value.String() {
	case "0":
		f.replace(n, "1")
	case "1":
		f.replace(n, "2")
	default:
		f.replace(n, "("+n.Value+"+1)")
	}
}

// swap changes places of two arguments of the same type. It leaves min and max,
// for which that is nothing.
func (f *finder) swap(call *ast.CallExpr) {
	if fun := f.info.Types[call.Fun]; fun.IsType() || fun.IsBuiltin() && (f.text(call.Fun) == "min" || f.text(call.Fun) == "max") {
		return
	}
	for i := 1; i < len(call.Args); i++ {
		a, b := call.Args[i-1], call.Args[i]
		ta, tb := f.info.Types[a].Type, f.info.Types[b].Type
		if ta == nil || tb == nil || !types.Identical(types.Default(ta), types.Default(tb)) || f.text(a) == f.text(b) {
			continue
		}
		between := string(f.file.text[f.file.offset(a.End()):f.file.offset(b.Pos())])
		f.add(f.file.offset(a.Pos()), f.file.offset(b.End()), f.text(b)+between+f.text(a))
	}
}

// returns puts the zero value in place of each result, and drops a return
// without results.
func (f *finder) returns(n *ast.ReturnStmt) {
	if len(n.Results) == 0 {
		f.drop(n)
		return
	}
	for _, r := range n.Results {
		tv := f.info.Types[r]
		if tv.Type == nil || tv.IsNil() {
			continue
		}
		switch t := tv.Type.Underlying().(type) {
		case *types.Basic:
			switch {
			case t.Info()&types.IsBoolean != 0 && tv.Value != nil:
				f.replace(r, map[bool]string{true: "false", false: "true"}[constant.BoolVal(tv.Value)])
			case t.Info()&types.IsBoolean != 0:
				if _, ok := r.(*ast.BinaryExpr); !ok {
					f.negate(r)
				}
			case t.Info()&types.IsNumeric != 0 && tv.Value == nil:
				f.replace(r, "0")
			case t.Info()&types.IsString != 0 && (tv.Value == nil || constant.StringVal(tv.Value) != ""):
				f.replace(r, `""`)
			}
		case *types.Pointer, *types.Interface, *types.Slice, *types.Map, *types.Chan, *types.Signature:
			if _, ok := tv.Type.(*types.TypeParam); !ok {
				f.replace(r, "nil")
			}
		}
	}
}

func (f *finder) isInteger(e ast.Expr) bool {
	t := f.info.Types[e].Type
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

// inList reports whether the i-th node of the path is a statement of a block,
// and not part of another statement.
func (f *finder) inList(i int) bool {
	if i == 0 {
		return false
	}
	switch f.path[i].(type) {
	case *ast.CaseClause, *ast.CommClause:
		return false
	}
	n, ok := f.path[i].(ast.Stmt)
	if !ok {
		return false
	}
	switch parent := f.path[i-1].(type) {
	case *ast.BlockStmt, *ast.CaseClause:
		return true
	case *ast.CommClause:
		return n != parent.Comm
	}
	return false
}

func (f *finder) text(n ast.Node) string {
	return string(f.file.text[f.file.offset(n.Pos()):f.file.offset(n.End())])
}

func (f *finder) replace(n ast.Node, with string) {
	f.add(f.file.offset(n.Pos()), f.file.offset(n.End()), with)
}

func (f *finder) add(start, end int, with string) {
	m := &mutant{area: f.file.area, file: f.file, fn: f.fn, start: start, end: end, with: with}
	for i := len(f.path) - 1; i > 0; i-- {
		if f.inList(i) {
			m.before = f.file.offset(f.path[i].Pos())
			break
		}
	}
	f.found = append(f.found, m)
}

// functionName is as in "Queue.Put".
func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}

// lines returns the lines of the file in which the mutant is, before and after,
// each in one line without the space around it.
func (m *mutant) lines() (before, after string) {
	text := m.file.text
	start := strings.LastIndexByte(string(text[:m.start]), '\n') + 1
	end := m.end
	if i := strings.IndexByte(string(text[end:]), '\n'); i >= 0 {
		end += i
	} else {
		end = len(text)
	}
	return oneLine(string(text[start:end])), oneLine(string(text[start:m.start]) + m.with + string(text[m.end:end]))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
