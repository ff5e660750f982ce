// Package conformance runs small asyncio programs, written as JSON, on this
// project's loop, and compares what happened with what happened on CPython 3.13,
// line by line.
//
// The language, and what a line of a trace says, is described in
// reference/SPEC.md. The programs in testdata come with CPython's traces; where
// a CPython 3.13 is on the machine, [Reference] makes as many more as one likes.
//
//	go test ./conformance                       # the programs in testdata
//	go test ./conformance -v -programs='GLOB'   # those in other files
//	go test ./conformance -v -fuzz-programs=N   # so many fresh ones; -fuzz-changes=5 for stranger ones
//
// The runner uses what every user of the asyncio package has, and nothing else.
package conformance

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// A Program is one conformance program, and the trace that the reference gave.
type Program struct {
	Name    string            `json:"name"`
	Objects map[string]Object `json:"objects"`
	Coros   map[string][]Op   `json:"coros"`
	Trace   []string          `json:"trace,omitempty"`
}

// An Object is a lock, a queue, a stream and so on, which the program uses by
// its name.
type Object struct {
	Kind    string `json:"kind"`
	Value   int    `json:"value"`
	Parties int    `json:"parties"`
	MaxSize int    `json:"maxsize"`
	Limit   int    `json:"limit"`
}

// An Op is one step of a coroutine: its name and its arguments, which are of
// the kinds that the table of ops names.
type Op struct {
	Name string
	args []any
	raw  []json.RawMessage
}

// UnmarshalJSON reads an op, [name, argument...].
func (o *Op) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("an op is a list: %w", err)
	}
	if len(list) == 0 {
		return errors.New("an op is a list that begins with its name")
	}
	if err := json.Unmarshal(list[0], &o.Name); err != nil {
		return fmt.Errorf("an op begins with its name: %w", err)
	}
	d, ok := ops[o.Name]
	if !ok {
		return fmt.Errorf("unknown op %q", o.Name)
	}
	o.raw = list[1:]
	if n := len(o.raw); n < len(d.args)-d.optional || n > len(d.args) {
		return fmt.Errorf("op %s: %d arguments where it takes %d", o.Name, n, len(d.args))
	}
	o.args = make([]any, len(d.args))
	for i, r := range o.raw {
		v, err := d.args[i](r)
		if err != nil {
			return fmt.Errorf("op %s: argument %d: %w", o.Name, i+1, err)
		}
		o.args[i] = v
	}
	return nil
}

// MarshalJSON writes an op as it was read, with the ops inside it as they are now.
func (o Op) MarshalJSON() ([]byte, error) {
	list := []any{o.Name}
	for i, r := range o.raw {
		switch v := o.args[i].(type) {
		case []Op:
			list = append(list, append([]Op{}, v...)) // never null
		case map[string][]Op:
			list = append(list, v)
		default:
			list = append(list, r)
		}
	}
	return json.Marshal(list)
}

// bodies returns the lists of ops inside the op.
func (o Op) bodies() [][]Op {
	var all [][]Op
	for _, a := range o.args {
		switch v := a.(type) {
		case []Op:
			all = append(all, v)
		case map[string][]Op:
			for _, key := range handlerKeys {
				if b, ok := v[key]; ok {
					all = append(all, b)
				}
			}
		}
	}
	return all
}

// walk calls f with each op of the list and with those inside them.
func walk(list []Op, f func(Op)) {
	for _, o := range list {
		f(o)
		for _, b := range o.bodies() {
			walk(b, f)
		}
	}
}

// Load reads the programs in a file: a JSON list of them, or one. The file may
// be compressed with gzip.
func Load(name string) ([]*Program, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if data, err = gunzip(data); err != nil {
			return nil, fmt.Errorf("conformance: %s: %w", name, err)
		}
	}
	ps, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("conformance: %s: %w", name, err)
	}
	return ps, nil
}

func gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Parse reads a JSON list of programs, or one program.
func Parse(data []byte) ([]*Program, error) {
	data = bytes.TrimSpace(data)
	var ps []*Program
	var err error
	if bytes.HasPrefix(data, []byte("[")) {
		err = json.Unmarshal(data, &ps)
	} else {
		p := new(Program)
		ps, err = []*Program{p}, json.Unmarshal(data, p)
	}
	if err != nil {
		return nil, err
	}
	for i, p := range ps {
		if p == nil {
			return nil, fmt.Errorf("program %d is null", i)
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("program %q: %w", p.Name, err)
		}
	}
	return ps, nil
}

// Source returns the program as JSON, without its trace.
func (p *Program) Source() (string, error) {
	bare := *p
	bare.Trace = nil
	data, err := json.Marshal(bare)
	return string(data), err
}

// check finds what would make a run fail halfway.
func (p *Program) check() error {
	if _, ok := p.Coros["main"]; !ok {
		return errors.New("no coroutine main")
	}
	for name, o := range p.Objects {
		if _, ok := kinds[o.Kind]; !ok {
			return fmt.Errorf("object %s: unknown kind %q", name, o.Kind)
		}
	}
	calls := map[string][]string{} // what each coroutine runs inside itself
	for coro, list := range p.Coros {
		var err error
		walk(list, func(o Op) {
			d := ops[o.Name]
			if d.coro >= 0 {
				callee := o.args[d.coro].(string)
				if _, ok := p.Coros[callee]; !ok {
					err = fmt.Errorf("coroutine %s: %s: no coroutine %q", coro, o.Name, callee)
				}
				if d.inside {
					calls[coro] = append(calls[coro], callee)
				}
			}
			if d.object >= 0 {
				if _, ok := p.Objects[o.args[d.object].(string)]; !ok {
					err = fmt.Errorf("coroutine %s: %s: no object %q", coro, o.Name, o.args[d.object])
				}
			}
			if d.callback >= 0 {
				for _, inner := range o.args[d.callback].([]Op) {
					if ops[inner.Name].now == nil && inner.Name != "raise" {
						err = fmt.Errorf("coroutine %s: %s: %s cannot stand in a callback", coro, o.Name, inner.Name)
					}
				}
			}
		})
		if err != nil {
			return err
		}
	}
	for coro := range p.Coros {
		if callsItself(calls, coro) {
			return fmt.Errorf("coroutine %s calls itself without end", coro)
		}
	}
	return nil
}

func callsItself(calls map[string][]string, coro string) bool {
	seen := map[string]bool{}
	todo := slices.Clone(calls[coro])
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if next == coro {
			return true
		}
		if !seen[next] {
			seen[next] = true
			todo = append(todo, calls[next]...)
		}
	}
	return false
}
