// Package asyncvet checks programs that use asyncio: for what blocks a loop, for
// what is used on the wrong goroutine, and for cancellations that are lost. The
// compiler cannot see any of it.
//
// The command github.com/asyncio-go/asyncio/cmd/asyncvet runs it, alone or for
// go vet; package asyncvet/golangci makes it a plugin of golangci-lint. This
// package is for other programs that run analyzers.
//
// Each rule is an analyzer whose Doc tells what is wrong, why, and what to write
// instead. What they find over packages travels as facts, so a wrapper of asyncio
// or of something that blocks is seen through in whichever module it is.
package asyncvet

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/background"
	"github.com/asyncio-go/asyncio/asyncvet/internal/blocking"
	"github.com/asyncio-go/asyncio/asyncvet/internal/callback"
	"github.com/asyncio-go/asyncio/asyncvet/internal/directive"
	"github.com/asyncio-go/asyncio/asyncvet/internal/goroutine"
	"github.com/asyncio-go/asyncio/asyncvet/internal/hint"
	"github.com/asyncio-go/asyncio/asyncvet/internal/maprange"
	"github.com/asyncio-go/asyncio/asyncvet/internal/mutex"
	"github.com/asyncio-go/asyncio/asyncvet/internal/simulated"
	"github.com/asyncio-go/asyncio/asyncvet/internal/swallow"
)

// usual are the rules whose findings are nearly always right.
var usual = []*analysis.Analyzer{
	background.Analyzer,
	blocking.Analyzer,
	callback.Analyzer,
	goroutine.Analyzer,
	mutex.Analyzer,
	swallow.Analyzer,
}

// optional are the rules that one must want: their findings depend on what the
// program is for.
var optional = []*analysis.Analyzer{
	blocking.Channel,
	blocking.File,
	hint.Analyzer,
	maprange.Analyzer,
	simulated.Analyzer,
}

var directives = directive.New(ruleNames(slices.Concat(usual, optional)))

// All returns the analyzers of all rules, in alphabetical order.
func All() []*analysis.Analyzer {
	all := slices.Concat(usual, optional, []*analysis.Analyzer{directives})
	slices.SortFunc(all, func(a, b *analysis.Analyzer) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Optional returns the names of the rules that are off unless they are asked for.
func Optional() []string { return ruleNames(optional) }

// Select returns the analyzers of the usual rules, with those of the rules in on
// and without those of the rules in off. It returns an error for a name that no
// rule has, and for one that is in both.
func Select(on, off []string) ([]*analysis.Analyzer, error) {
	all := All()
	for _, name := range slices.Concat(on, off) {
		if !slices.Contains(ruleNames(all), name) {
			return nil, fmt.Errorf("asyncvet: there is no rule %q; the rules are %s", name, strings.Join(ruleNames(all), ", "))
		}
		if slices.Contains(on, name) && slices.Contains(off, name) {
			return nil, fmt.Errorf("asyncvet: rule %s is both on and off", name)
		}
	}
	return slices.DeleteFunc(all, func(a *analysis.Analyzer) bool {
		return slices.Contains(off, a.Name) || slices.Contains(optional, a) && !slices.Contains(on, a.Name)
	}), nil
}

func ruleNames(rules []*analysis.Analyzer) (list []string) {
	for _, rule := range rules {
		list = append(list, rule.Name)
	}
	slices.Sort(list)
	return list
}
