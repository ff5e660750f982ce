package conformance

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
)

// Mutate returns a program that differs from p in a few places: ops are
// doubled, dropped, moved, taken from another coroutine, or get other
// arguments. So it says things that the generator never says: a cancellation
// with a message, a group left twice, an eager task where a plain one stood.
//
// The generator's rule holds for it too: a coroutine waits only for those of a
// higher rank. Without that, waits could form a cycle.
func Mutate(r *rand.Rand, p *Program, changes int) *Program {
	for range changes {
		if q := mutated(r, p); q.check() == nil {
			p = q
		}
	}
	return p
}

// A place is where an op stands: its number in the order of rewrite, and the
// coroutine it is in.
type place struct {
	op   Op
	rank int
}

func mutated(r *rand.Rand, p *Program) *Program {
	places := p.places()
	if len(places) == 0 {
		return p
	}
	at := r.IntN(len(places))
	here := places[at]
	from := places[r.IntN(len(places))]
	var with []Op
	switch r.IntN(5) {
	case 0:
		with = []Op{here.op, here.op}
	case 1:
		with = nil
	case 2, 3:
		with = []Op{vary(r, here.op)}
	case 4:
		if from.rank < here.rank {
			return p
		}
		with = []Op{from.op, here.op}
	}
	n := 0
	return rewriteOnce(p, func(o Op) []Op {
		n++
		if n == at+1 {
			return with
		}
		return []Op{o}
	})
}

// places lists all ops in the order in which rewriteOnce comes to them.
func (p *Program) places() []place {
	var all []place
	for rank, name := range p.ranked() {
		walk(p.Coros[name], func(o Op) { all = append(all, place{o, rank}) })
	}
	return all
}

// ranked returns the coroutines in the order of their rank: main, then by name.
func (p *Program) ranked() []string {
	names := slices.Sorted(maps.Keys(p.Coros))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "main" })
	return append([]string{"main"}, names...)
}

// rewriteOnce is rewrite that does not look into what f has put in.
func rewriteOnce(p *Program, f func(Op) []Op) *Program {
	q := &Program{Name: p.Name, Objects: p.Objects, Coros: map[string][]Op{}}
	var inside func([]Op) []Op
	inside = func(list []Op) []Op {
		out := []Op{}
		for _, o := range list {
			put := f(o)
			o = o.mapBodies(inside) // also when it is dropped: the count goes on
			for _, r := range put {
				if len(put) == 1 && r.Name == o.Name {
					r = r.withBodiesOf(o)
				}
				out = append(out, r)
			}
		}
		return out
	}
	for _, name := range p.ranked() {
		q.Coros[name] = inside(p.Coros[name])
	}
	return q
}

func (o Op) mapBodies(f func([]Op) []Op) Op {
	if len(o.bodies()) == 0 {
		return o
	}
	o.args = slices.Clone(o.args)
	for i, a := range o.args {
		switch v := a.(type) {
		case []Op:
			o.args[i] = f(v)
		case map[string][]Op:
			m := map[string][]Op{}
			for _, key := range handlerKeys {
				if b, ok := v[key]; ok {
					m[key] = f(b)
				}
			}
			o.args[i] = m
		}
	}
	return o
}

// withBodiesOf returns o with the inner ops that another of its kind has.
func (o Op) withBodiesOf(other Op) Op {
	if len(o.bodies()) == 0 {
		return o
	}
	o.args = slices.Clone(o.args)
	for i, a := range other.args {
		switch a.(type) {
		case []Op, map[string][]Op:
			o.args[i] = a
		}
	}
	return o
}

var (
	someTimes    = []any{0, 0.25, 0.5, 1, 1.5, 2, 3, nil}
	someMessages = []any{"m1", "m2"}
)

// vary returns the op with another argument, or another op that takes the same.
func vary(r *rand.Rand, o Op) Op {
	switch o.Name {
	case "cancel":
		return newOp("cancel", o.args[0], pick(r, someMessages))
	case "spawn":
		return newOp("spawn_eager", o.args[0], o.args[1])
	case "spawn_eager":
		return newOp("spawn", o.args[0], o.args[1])
	case "await":
		return newOp(pick(r, []string{"shield", "await"}), o.args[0])
	case "put_nowait", "put":
		return newOp(pick(r, []string{"put", "put_nowait"}), o.args[0], r.IntN(3))
	}
	v := o
	v.args, v.raw = slices.Clone(o.args), slices.Clone(o.raw)
	for i := range v.raw {
		if r.IntN(2) == 0 {
			v.varyArg(r, i)
		}
	}
	return v
}

// varyArg returns the op another argument i, where that is a time, a flag or a
// number.
func (o *Op) varyArg(r *rand.Rand, i int) {
	var with any
	var old any
	if json.Unmarshal(o.raw[i], &old) != nil {
		return
	}
	switch old := old.(type) {
	case float64, nil:
		with = pick(r, someTimes)
	case bool:
		with = !old
	case []any:
		names, ok := o.args[i].([]string)
		if !ok || len(names) == 0 {
			return
		}
		some := make([]string, r.IntN(4)) // also none, and one twice
		for j := range some {
			some[j] = pick(r, names)
		}
		with = some
	default:
		return
	}
	raw, _ := json.Marshal(with) // numbers and flags can be encoded
	if v, err := ops[o.Name].args[i](raw); err == nil {
		o.args[i], o.raw[i] = v, raw
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// newOp makes an op. What it is made of comes from ops that were read.
func newOp(name string, args ...any) Op {
	var o Op
	data, err := json.Marshal(append([]any{name}, args...))
	if err == nil {
		err = o.UnmarshalJSON(data)
	}
	if err != nil {
		panic(err)
	}
	return o
}
