package blocking

import (
	"fmt"
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// sleepFix writes asyncio.Sleep for time.Sleep, where the result compiles: the
// call is a statement of a function that has a context and returns an error
// alone, and both packages are imported and stay in use.
func sleepFix(pass *analysis.Pass, f *functions.Func, c *functions.Call) *analysis.SuggestedFix {
	if f.Callback || c.Defer || !names.IsFunc(c.Callee, "time", "Sleep") || !returnsError(pass, f) {
		return nil
	}
	p := functions.Of(pass)
	ctx := p.Context(f, c.Expr)
	library := imported(pass, c.Expr, names.Asyncio)
	if ctx == "" || library == "" || !p.IsStatement(c.Expr) || !timeStays(pass, c.Expr) {
		return nil
	}
	text := fmt.Sprintf("if err := %s.Sleep(%s, %s); err != nil {\nreturn err\n}", library, ctx, types.ExprString(c.Expr.Args[0]))
	return &analysis.SuggestedFix{
		Message:   "Use asyncio.Sleep",
		TextEdits: []analysis.TextEdit{{Pos: c.Expr.Pos(), End: c.Expr.End(), NewText: []byte(text)}},
	}
}

func returnsError(pass *analysis.Pass, f *functions.Func) bool {
	results := f.Type.Results
	return results != nil && len(results.List) == 1 && len(results.List[0].Names) < 2 &&
		types.Identical(pass.TypesInfo.TypeOf(results.List[0].Type), types.Universe.Lookup("error").Type())
}

func fileOf(pass *analysis.Pass, n ast.Node) *ast.File {
	for _, file := range pass.Files {
		if file.FileStart <= n.Pos() && n.Pos() < file.FileEnd {
			return file
		}
	}
	return nil
}

// imported returns the name by which the code at n knows the package at path.
func imported(pass *analysis.Pass, n ast.Node, path string) string {
	scope := pass.Pkg.Scope().Innermost(n.Pos())
	for _, spec := range fileOf(pass, n).Imports {
		name := pass.TypesInfo.PkgNameOf(spec)
		if name == nil || name.Imported().Path() != path {
			continue
		}
		if _, o := scope.LookupParent(name.Name(), n.Pos()); o == name {
			return name.Name()
		}
	}
	return ""
}

// timeStays reports whether the file uses package time for more than to sleep, so
// that the import is in use when the fix is applied to each sleep.
func timeStays(pass *analysis.Pass, n ast.Node) (stays bool) {
	ast.Inspect(fileOf(pass, n), func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok && selector.Sel.Name != "Sleep" {
			if id, ok := selector.X.(*ast.Ident); ok {
				if name, ok := pass.TypesInfo.Uses[id].(*types.PkgName); ok && name.Imported().Path() == "time" {
					stays = true
				}
			}
		}
		return !stays
	})
	return stays
}
