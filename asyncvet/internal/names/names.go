// Package names is what the checker knows about functions by their names: those
// of asyncio in asyncio.go, those of the standard library and of a few well-known
// modules in std.go. A name is resolved by types, so an alias of an import or an
// embedded type does not hide it.
//
// A function is written Func or Type.Method, without a star.
package names

import (
	"go/types"
	"strings"
)

// A Role is what becomes of a function that is given to another one. A function
// may have several.
type Role uint8

const (
	Called   Role = 1 << iota // the callee calls it before it returns
	Task                      // it runs as a task of a loop, or as an HTTP handler on one
	Callback                  // a loop calls it, outside of any task
	Thread                    // it runs on another goroutine
)

// A Wait says whether a function suspends the task that calls it.
type Wait uint8

const (
	Never Wait = iota
	Held       // only while a peer is slow: writing to a stream
	Always
)

// A Kind says what a function that blocks its goroutine blocks on.
type Kind string

const (
	Sleep   Kind = "sleep"   // the clock
	Network Kind = "network" // a connection, a name
	Process Kind = "process" // another program
	SQL     Kind = "sql"     // a database
	Sync    Kind = "sync"    // other goroutines
	Stdin   Kind = "stdin"   // somebody at a keyboard
	Nested  Kind = "nested"  // a loop's run, which fails inside of another
	Outside Kind = "outside" // what is for other goroutines than the loop's
	Done    Kind = "done"    // the end of a context
	Channel Kind = "channel" // another operation on a channel
	File    Kind = "file"    // a file
)

// Rule returns the name of the rule that reports what blocks on this.
func (k Kind) Rule() string {
	switch k {
	case Channel, File:
		return string(k)
	}
	return "blocking"
}

// Of returns the function's name as the tables have it.
func Of(fn *types.Func) string {
	if t := Receiver(fn); t != "" {
		return t + "." + fn.Name()
	}
	return fn.Name()
}

// Receiver returns the name of the type whose method fn is, or "".
func Receiver(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return ""
	}
	if named := Named(recv.Type()); named != nil {
		return named.Obj().Name()
	}
	return "interface"
}

// Named returns the named type that t is, or points to, or nil.
func Named(t types.Type) *types.Named {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	named, _ := types.Unalias(t).(*types.Named)
	return named
}

// Path returns the import path of the package of o, or "".
func Path(o types.Object) string {
	if o == nil || o.Pkg() == nil {
		return ""
	}
	return o.Pkg().Path()
}

// Is reports whether t is the named type, or a pointer to it.
func Is(t types.Type, path, name string) bool {
	named := Named(t)
	return named != nil && named.Obj().Name() == name && Path(named.Obj()) == path
}

// IsContext reports whether t is context.Context.
func IsContext(t types.Type) bool { return Is(t, "context", "Context") }

// IsFunc reports whether fn is the function of the package at path.
func IsFunc(fn *types.Func, path string, names ...string) bool {
	if fn == nil || Path(fn) != path {
		return false
	}
	own := Of(fn)
	for _, name := range names {
		if own == name {
			return true
		}
	}
	return false
}

// Std reports whether path looks like that of a package of the standard library:
// its first element has no dot. A module of such a name is taken for it.
func Std(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// entry looks fn up in a table of packages.
func entry[V any](table map[string]map[string]V, fn *types.Func) (v V, ok bool) {
	if fn == nil || fn.Pkg() == nil {
		return v, false
	}
	v, ok = table[fn.Pkg().Path()][Of(fn)]
	return v, ok
}
