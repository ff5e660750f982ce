package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet"
)

// choose takes the flags of rules out of the arguments, and returns the rules
// that are on and the arguments that are left. The flags of package multichecker
// would turn all rules off that are not named, and have none that are off by
// themselves.
func choose(args []string) (rules []*analysis.Analyzer, rest []string, err error) {
	var on, off []string
	packages := false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if isFlag(arg, "flags", "V") {
			return asyncvet.All(), args, nil // these are about every rule
		}
		if arg == "--" || !strings.HasPrefix(arg, "-") {
			rest = append(rest, args[i:]...)
			packages = true
			break
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !slices.ContainsFunc(asyncvet.All(), func(a *analysis.Analyzer) bool { return a.Name == name }) {
			rest = append(rest, arg)
			if takesValue(name) && !hasValue && i+1 < len(args) {
				i++
				rest = append(rest, args[i])
			}
			continue
		}
		enable := true
		if hasValue {
			if enable, err = strconv.ParseBool(value); err != nil {
				return nil, nil, fmt.Errorf("asyncvet: %s: a rule is turned on with -%s and off with -%[2]s=false", arg, name)
			}
		}
		if enable {
			on = append(on, name)
		} else {
			off = append(off, name)
		}
	}
	if !packages {
		return nil, nil, errors.New("asyncvet: no packages are named; ./... names all in this directory")
	}
	rules, err = asyncvet.Select(on, off)
	if err == nil && len(rules) == 0 {
		err = errors.New("asyncvet: all rules are off")
	}
	return rules, rest, err
}

func isFlag(arg string, names ...string) bool {
	if !strings.HasPrefix(arg, "-") {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return slices.Contains(names, name)
}

// takesValue reports whether the driver's flag of that name needs a value.
func takesValue(name string) bool {
	switch name {
	case "c", "cpuprofile", "debug", "memprofile", "tags", "trace":
		return true
	}
	return false
}
