package cli

import "github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"

// outputValue is -o and -O: both add to one list, so that their order is kept.
type outputValue struct {
	f      *fetchFlags
	remote bool
}

func (v *outputValue) String() string { return "" }

func (v *outputValue) Set(s string) error {
	out := fetch.Output{Kind: fetch.ToFile, Path: s}
	switch {
	case v.remote:
		out = fetch.Output{Kind: fetch.ToRemote}
	case s == "-":
		out = fetch.Output{Kind: fetch.ToStdout}
	}
	v.f.outputs = append(v.f.outputs, out)
	return nil
}

func (v *outputValue) Type() string {
	if v.remote {
		return "bool"
	}
	return "string"
}

// parsed is a flag that is read by a function.
type parsed[T any] struct {
	to    *T
	text  string
	parse func(string) (T, error)
}

func value[T any](to *T, parse func(string) (T, error)) *parsed[T] {
	return &parsed[T]{to: to, parse: parse}
}

func (v *parsed[T]) String() string { return v.text }

func (v *parsed[T]) Set(s string) (err error) {
	if *v.to, err = v.parse(s); err == nil {
		v.text = s
	}
	return err
}

func (v *parsed[T]) Type() string { return "value" }
