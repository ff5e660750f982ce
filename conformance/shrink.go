package conformance

import (
	"encoding/json"
	"maps"
	"slices"
)

// A Judge says which of the programs is the first to differ from the
// reference, or -1. It is given many at a time, because asking the reference
// costs the start of a process.
type Judge func([]*Program) (int, error)

// Shrink makes a program that differs as small as it can, by taking away ops
// while it still differs.
func Shrink(p *Program, judge Judge) (*Program, error) {
	const batch = 64
	for {
		smaller := false
		for candidates := range slices.Chunk(smallerThan(p), batch) {
			i, err := judge(candidates)
			if err != nil {
				return p, err
			}
			if i >= 0 {
				p, smaller = candidates[i], true
				break
			}
		}
		if !smaller {
			return p, nil
		}
	}
}

// smallerThan returns the programs that are one cut smaller, the deepest cuts first.
func smallerThan(p *Program) []*Program {
	var all []*Program
	n := 0
	rewrite(p, func(o Op) []Op { n++; return []Op{o} })
	for size := n / 2; size >= 1; size /= 2 {
		for from := 0; from < n; from += size {
			all = append(all, without(p, from, from+size))
		}
	}
	for i := range n {
		all = append(all, simpler(p, i)...)
	}
	return all
}

// without returns p without the ops numbered from from to below to.
func without(p *Program, from, to int) *Program {
	n := 0
	return rewrite(p, func(o Op) []Op {
		n++
		if n > from && n <= to {
			return nil
		}
		return []Op{o}
	})
}

// simpler returns p with op number i made simpler: its body in its place, or one
// name less in its lists.
func simpler(p *Program, i int) []*Program {
	var all []*Program
	replace := func(by func(Op) []Op) {
		n, changed := 0, false
		q := rewrite(p, func(o Op) []Op {
			n++
			if n != i+1 {
				return []Op{o}
			}
			r := by(o)
			changed = r != nil
			return r
		})
		if changed {
			all = append(all, q)
		}
	}
	replace(func(o Op) []Op { return slices.Concat(o.bodies()...) })
	for arg := range 3 {
		for name := range 3 {
			replace(func(o Op) []Op { return lessNames(o, arg, name) })
		}
	}
	return all
}

func lessNames(o Op, arg, name int) []Op {
	if arg >= len(o.args) {
		return nil
	}
	names, ok := o.args[arg].([]string)
	if !ok || len(names) < 2 || name >= len(names) {
		return nil
	}
	names = slices.Delete(slices.Clone(names), name, name+1)
	o.args, o.raw = slices.Clone(o.args), slices.Clone(o.raw)
	o.args[arg] = names
	o.raw[arg], _ = json.Marshal(names) // texts can be encoded
	return []Op{o}
}

// rewrite makes a program in which f has replaced each op, main's first, an op
// before those inside it. What nothing refers to any more is left out.
func rewrite(p *Program, f func(Op) []Op) *Program {
	q := &Program{Name: p.Name, Objects: map[string]Object{}, Coros: map[string][]Op{}}
	names := slices.Sorted(maps.Keys(p.Coros))
	for _, name := range append([]string{"main"}, names...) {
		if _, ok := q.Coros[name]; !ok {
			q.Coros[name] = rewriteList(p.Coros[name], f)
		}
	}
	used := map[string]bool{"main": true}
	todo := []string{"main"}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		walk(q.Coros[name], func(o Op) {
			d := ops[o.Name]
			if d.object >= 0 {
				object := o.args[d.object].(string)
				q.Objects[object] = p.Objects[object]
			}
			if d.coro >= 0 {
				if callee := o.args[d.coro].(string); !used[callee] {
					used[callee] = true
					todo = append(todo, callee)
				}
			}
		})
	}
	maps.DeleteFunc(q.Coros, func(name string, _ []Op) bool { return !used[name] })
	return q
}

func rewriteList(list []Op, f func(Op) []Op) []Op {
	out := []Op{}
	for _, o := range list {
		for _, r := range f(o) {
			out = append(out, rewriteInside(r, f))
		}
	}
	return out
}

func rewriteInside(o Op, f func(Op) []Op) Op {
	if len(o.bodies()) == 0 {
		return o
	}
	o.args = slices.Clone(o.args)
	for i, a := range o.args {
		switch v := a.(type) {
		case []Op:
			o.args[i] = rewriteList(v, f)
		case map[string][]Op:
			m := map[string][]Op{}
			for _, key := range handlerKeys {
				if b, ok := v[key]; ok {
					m[key] = rewriteList(b, f)
				}
			}
			o.args[i] = m
		}
	}
	return o
}
