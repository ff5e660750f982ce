package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"github.com/asyncio-go/asyncio"
)

// A UserError is what the program itself raised.
type UserError struct{ Name string }

func (e *UserError) Error() string { return "conformance: the program raised " + e.Name }

// show writes a value as a trace does.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case error:
		return showError(v)
	case string:
		return v
	case []byte:
		return quote(v)
	case []any:
		return list(v, show)
	case []asyncio.Outcome[any]:
		return list(v, func(o asyncio.Outcome[any]) string {
			if o.Err != nil {
				return showError(o.Err)
			}
			return show(o.Value)
		})
	}
	return fmt.Sprint(v)
}

func list[T any](vs []T, show func(T) string) string {
	shown := make([]string, len(vs))
	for i, v := range vs {
		shown[i] = show(v)
	}
	return "[" + strings.Join(shown, ",") + "]"
}

// quote writes bytes as a JSON string.
func quote(p []byte) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(p)) // a string can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// showError writes an error as the trace writes Python's exception for it.
func showError(err error) string {
	for e := err; e != nil; e = unwrap(e) {
		if s, ok := showStreamError(e); ok {
			return s
		}
		switch e := e.(type) {
		case *asyncio.CancelledError:
			if e.Cause != nil {
				return "Cancelled(" + e.Cause.Error() + ")"
			}
			return "Cancelled"
		case *UserError:
			return "Error(" + e.Name + ")"
		case *asyncio.GroupError:
			return "Group" + list(e.Errors, showError)
		}
	}
	if name := class(err); name != "" {
		return name
	}
	return "unexpected error: " + err.Error()
}

// unwrap returns what err wraps, where that is one error.
func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

// classes are the names of Python's exceptions for this project's errors. Where
// one is for a special case of another, it comes first.
var classes = []struct {
	err  error
	name string
}{
	{asyncio.ErrInvalidState, "InvalidStateError"},
	{asyncio.ErrQueueEmpty, "QueueEmpty"},
	{asyncio.ErrQueueFull, "QueueFull"},
	{asyncio.ErrQueueShutdown, "QueueShutDown"},
	{asyncio.ErrBrokenBarrier, "BrokenBarrierError"},
	{asyncio.ErrAwaitSelf, "RuntimeError"},
	{asyncio.ErrScopeEnded, "RuntimeError"},
	{asyncio.ErrConcurrentRead, "RuntimeError"},
	{asyncio.ErrLineTooLong, "ValueError"},
	{fs.ErrInvalid, "ValueError"},
	{asyncio.ErrNothingToWaitFor, "ValueError"},
	{asyncio.ErrNotAcquired, "RuntimeError"},
	{asyncio.ErrReleasedTooOften, "ValueError"},
	{asyncio.ErrTaskDoneTooOften, "ValueError"},
}

// class returns the name of Python's exception for an error that carries no
// data, or an empty string.
func class(err error) string {
	for e := err; e != nil; e = unwrap(e) {
		if _, ok := e.(*asyncio.TimeoutError); ok {
			return "Timeout"
		}
		for _, c := range classes {
			if e == c.err {
				return c.name
			}
		}
	}
	return ""
}
