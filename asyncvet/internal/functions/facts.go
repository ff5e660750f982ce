package functions

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Waits is the fact that a function suspends the task that calls it, or at least
// fails with a context of no loop.
type Waits struct {
	Via       string // the chain of calls; empty when it does not wait
	Held      bool   // it waits only while a peer is slow
	OnContext bool   // its first parameter must be a context of the loop
	Iterates  bool   // all that holds of a range over what it returns, and not of the call
}

// Blocks is the fact that a function blocks its goroutine.
type Blocks struct{ Reasons []Blocked }

// Blocked says on what, and by which chain of calls.
type Blocked struct {
	Kind names.Kind
	Via  string
}

// Roles is the fact of what a function does with those of its parameters that are
// functions or HTTP handlers.
type Roles struct{ Params []names.Role }

// SQLWaits is the fact that a package opens databases whose connections are the loop's,
// or imports one that does. What database/sql does there need not block.
type SQLWaits struct{}

func (*Waits) AFact()    {}
func (*Blocks) AFact()   {}
func (*Roles) AFact()    {}
func (*SQLWaits) AFact() {}

func (f *Waits) String() string {
	text := "waits: " + f.Via
	switch {
	case f.Via == "":
		text = "starts a task"
	case f.Held:
		text = "may wait: " + f.Via
	}
	if f.OnContext {
		text += ", on its context"
	}
	if f.Iterates {
		text = "its iterator " + text
	}
	return text
}

func (*SQLWaits) String() string { return "databases over the loop" }

func (f *Blocks) String() string {
	var all []string
	for _, why := range f.Reasons {
		all = append(all, fmt.Sprintf("%s: %s", why.Kind, why.Via))
	}
	return "blocks: " + strings.Join(all, ", ")
}

func (f *Roles) String() string {
	var all []string
	for _, role := range f.Params {
		var of []string
		for i, name := range []string{"called", "task", "callback", "thread"} {
			if role&(1<<i) != 0 {
				of = append(of, name)
			}
		}
		if of == nil {
			of = []string{"-"}
		}
		all = append(all, strings.Join(of, "|"))
	}
	return "roles: " + strings.Join(all, ", ")
}

// export makes facts of what is found, for the packages that import this one.
func (p *Package) export() {
	if p.sqlWaits {
		p.Pass.ExportPackageFact(new(SQLWaits))
	}
	for _, f := range p.Funcs {
		if f.Object == nil || f.bothWorlds {
			continue
		}
		if fact := f.waitsFact(); fact != nil {
			p.Pass.ExportObjectFact(f.Object, fact)
		}
		if !f.OnLoop && len(f.Blocks) > 0 {
			fact := new(Blocks)
			for kind, via := range f.Blocks {
				fact.Reasons = append(fact.Reasons, Blocked{kind, via})
			}
			slices.SortFunc(fact.Reasons, func(a, b Blocked) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
			p.Pass.ExportObjectFact(f.Object, fact)
		}
		p.exportRoles(f.Object)
	}
}

// waitsFact returns the fact of how the function waits, or nil.
func (f *Func) waitsFact() *Waits {
	fact := &Waits{OnContext: f.onContext}
	switch {
	case f.Waits != nil:
		fact.Via, fact.Held = f.Waits.Via, f.Waits.Held
	case f.iterates != nil:
		fact.Via, fact.Held, fact.Iterates = f.iterates.Via, f.iterates.Held, true
	case !f.onContext:
		return nil
	}
	return fact
}

func (p *Package) exportRoles(fn *types.Func) {
	fact := new(Roles)
	any := false
	for v := range fn.Signature().Params().Variables() {
		fact.Params = append(fact.Params, p.roles[v])
		any = any || p.roles[v] != 0
	}
	if any {
		p.Pass.ExportObjectFact(fn, fact)
	}
}
