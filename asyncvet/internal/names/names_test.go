package names

import (
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/tools/go/packages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T, paths ...string) map[string]*types.Package {
	t.Helper()
	// The packages are read by another program; so that a result that was kept does not
	// stand when they change, this one looks at their files, too.
	files, err := filepath.Glob("../../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedTypes}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	byPath := make(map[string]*types.Package)
	for _, pkg := range loaded {
		for _, err := range pkg.Errors {
			t.Fatal(err)
		}
		byPath[pkg.PkgPath] = pkg.Types
	}
	return byPath
}

// exists reports whether a package has the function, or the method.
func exists(pkg *types.Package, name string) bool {
	typ, method, isMethod := strings.Cut(name, ".")
	o := pkg.Scope().Lookup(typ)
	if o == nil || !isMethod {
		return o != nil
	}
	found, _, _ := types.LookupFieldOrMethod(o.Type(), true, pkg, method)
	fn, ok := found.(*types.Func)
	return ok && Of(fn.Origin()) == name
}

func TestEachNameOfAsyncioExists(t *testing.T) {
	var paths []string
	for path := range asyncio {
		paths = append(paths, path)
	}
	pkgs := load(t, paths...)
	for path, table := range asyncio {
		for name := range table {
			if !exists(pkgs[path], name) {
				t.Errorf("%s has no %s", path, name)
			}
		}
	}
	for _, name := range slices.Concat(StreamTypes, Protocols, BothWorlds, []string{ConnMethod, DialerFunc, IsCancelled, Cancelling}) {
		if !exists(pkgs[Asyncio], name) {
			t.Errorf("%s has no %s", Asyncio, name)
		}
	}
	for _, name := range []string{ServerType, ClientFunc} {
		if !exists(pkgs[HTTP], name) {
			t.Errorf("%s has no %s", HTTP, name)
		}
	}
	server := pkgs[HTTP].Scope().Lookup(ServerType).Type()
	if field, _, _ := types.LookupFieldOrMethod(server, true, pkgs[HTTP], ServerHandler); field == nil {
		t.Errorf("%s.%s has no field %s", HTTP, ServerType, ServerHandler)
	}
}

// What a field is set to runs somewhere, too.
func TestEachFieldThatIsAFunctionIsKnown(t *testing.T) {
	pkgs := load(t, Asyncio, HTTP, Asyncio+"/asyncfile", Asyncio+"/asyncsql", Asyncio+"/flow")
	for path, table := range fields {
		if known := Fields(pkgs[path]); len(known) != len(table) {
			t.Errorf("%s has %d of the %d fields of the table", path, len(known), len(table))
		}
	}
	for path, pkg := range pkgs {
		known := Fields(pkg)
		for _, name := range pkg.Scope().Names() {
			o := pkg.Scope().Lookup(name)
			s, ok := o.Type().Underlying().(*types.Struct)
			if _, isType := o.(*types.TypeName); !isType || !o.Exported() || !ok {
				continue
			}
			for field := range s.Fields() {
				if _, isFunc := field.Type().Underlying().(*types.Signature); isFunc && field.Exported() && known[field] == 0 {
					t.Errorf("%s.%s.%s is a function, and the table does not say what becomes of it", path, name, field.Name())
				}
			}
		}
	}
}

func TestEachNameOfTheStandardLibraryExists(t *testing.T) {
	want := make(map[string][]string)
	note := func(path, name string) {
		if Std(path) {
			want[path] = append(want[path], name)
		}
	}
	for path, table := range kinds {
		for name := range table {
			note(path, name)
		}
	}
	for path, table := range roles {
		for name := range table {
			note(path, name)
		}
	}
	for path, table := range overStream {
		for name := range table {
			note(path, name)
		}
	}
	for path, table := range middleware {
		for name := range table {
			note(path, name)
		}
	}
	for _, name := range ClientMethods {
		note("net/http", name)
	}
	var paths []string
	for path := range want {
		paths = append(paths, path)
	}
	pkgs := load(t, paths...)
	for path, list := range want {
		for _, name := range list {
			if !exists(pkgs[path], name) {
				t.Errorf("%s has no %s", path, name)
			}
		}
	}
}

// A new function that is given functions needs its row, or the checker does not
// know where they run.
func TestEachFunctionThatIsGivenOneIsKnown(t *testing.T) {
	// These look at values, and run nothing for long.
	plain := []string{"NewPriorityQueue", "WithControl", "NewThreadsafeFuture"}
	pkg := load(t, Asyncio)[Asyncio]
	check := func(fn *types.Func) {
		if !fn.Exported() || slices.Contains(plain, Of(fn)) || asyncio[Asyncio][Of(fn)].Runs != 0 {
			return
		}
		params := fn.Signature().Params()
		for i := range params.Len() {
			if _, ok := params.At(i).Type().Underlying().(*types.Signature); ok && (i < params.Len()-1 || !fn.Signature().Variadic()) {
				t.Errorf("%s is given a function, and the table does not say what becomes of it", Of(fn))
			}
		}
	}
	for _, name := range pkg.Scope().Names() {
		switch o := pkg.Scope().Lookup(name).(type) {
		case *types.Func:
			check(o)
		case *types.TypeName:
			if named, ok := o.Type().(*types.Named); ok && o.Exported() {
				for method := range named.Methods() {
					check(method.Origin())
				}
				if iface, ok := named.Underlying().(*types.Interface); ok {
					for method := range iface.ExplicitMethods() {
						check(method)
					}
				}
			}
		}
	}
}
