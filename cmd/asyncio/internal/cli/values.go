package cli

import (
	"strconv"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

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

// versionValue is a flag that chooses a version of HTTP: the last of them counts,
// as in curl.
type versionValue struct {
	to      *fetch.HTTPVersion
	version fetch.HTTPVersion
	given   bool
}

func (v *versionValue) String() string { return strconv.FormatBool(v.given && *v.to == v.version) }

func (v *versionValue) Set(s string) (err error) {
	if v.given, err = strconv.ParseBool(s); err == nil && v.given {
		*v.to = v.version
	}
	return err
}

func (v *versionValue) Type() string { return "bool" }

// IsBoolFlag is for pflag: no argument follows.
func (v *versionValue) IsBoolFlag() bool { return true }

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
