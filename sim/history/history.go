// Package history checks what clients have seen of a system: is there one order of
// their calls, each at some moment between its beginning and its end, in which a simple
// model would have answered the same? A system for which there always is one is
// linearizable: it behaves as if it were one thing, at which calls are made one by one.
//
// A history is recorded in a world of package sim, in its functions given to
// [sim.Host.Go], and checked there when they have returned:
//
//	var h history.History[request, reply]
//	client.Go(func(ctx context.Context) error {
//		ended := h.Begin(1, request{"put", "x", 7})
//		reply, err := put(ctx, "x", 7)
//		if err == nil {
//			ended(reply)
//		}
//		return err
//	})
//
// The order is looked for with porcupine (github.com/anishathalye/porcupine).
package history

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// ErrNotLinearizable is the error of a history for which there is no such order.
var ErrNotLinearizable = errors.New("this history is not linearizable")

// ErrUnknown is the error of a check that has taken too long.
var ErrUnknown = errors.New("it is not known in time whether this history is linearizable")

// A History is the calls of clients. The zero value is empty and ready for use. It is
// used on one goroutine, as all of a simulated world is.
type History[In, Out any] struct {
	calls []call[In, Out]
	clock int64 // counts beginnings and ends, so that no two are at the same time
}

type call[In, Out any] struct {
	client     int
	in         In
	out        Out
	begin, end int64 // end is 0 while it is under way
}

// Begin notes that a client, which has a number, begins a call. The function that it
// returns notes its end, with what has come back; it is to be called once at most. A
// call of which nobody knows how it went, since its answer was lost or its client has
// crashed, has no end: it may have happened at any time after its beginning, or never.
// After such a call a client must go on under another number, or it would be in two
// calls at once.
func (h *History[In, Out]) Begin(client int, in In) (ended func(out Out)) {
	h.clock++
	i := len(h.calls)
	h.calls = append(h.calls, call[In, Out]{client: client, in: in, begin: h.clock})
	return func(out Out) {
		h.clock++
		h.calls[i].out, h.calls[i].end = out, h.clock
	}
}

// Len returns how many calls have begun.
func (h *History[In, Out]) Len() int { return len(h.calls) }

// A Model says what calls do, one by one.
type Model[State, In, Out any] struct {
	// Init returns the state before the first call; nil: the zero value.
	Init func() State
	// Step returns the state after a call, and whether in state s it may have given
	// out; out is nil where that is not known. It must not change s.
	Step func(s State, in In, out *Out) (next State, ok bool)
	// Equal compares states; nil: reflect.DeepEqual does.
	Equal func(a, b State) bool
	// Key divides a history into parts that do not concern each other, such as the
	// keys of a store; each is checked by itself, from Init, which takes far less
	// time. nil: there is one part.
	Key func(in In) string
	// Text describes a call; nil: as fmt does.
	Text func(in In, out *Out) string
}

// An Error is a history that is not linearizable.
type Error struct {
	Longest int    // the most calls that have an order
	Calls   int    // of so many
	Text    string // a line for each call
	page    func(w io.Writer) error
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: at most %d of %d calls have an order\n%s", ErrNotLinearizable, e.Longest, e.Calls, e.Text)
}

// Unwrap returns [ErrNotLinearizable].
func (e *Error) Unwrap() error { return ErrNotLinearizable }

// WritePage writes porcupine's page, which shows the history and where its order ends.
func (e *Error) WritePage(w io.Writer) error { return e.page(w) }

// Check returns nil when the history is linearizable, an [*Error] when it is not, and
// [ErrUnknown] when that is not known after a time; 0: it may take any. It takes time
// that grows fast with the number of calls that are under way at once, so a Key and few
// clients help. In a simulated world, whose clock stands still meanwhile, within is of no
// effect in a test.
func Check[State, In, Out any](h *History[In, Out], m Model[State, In, Out], within time.Duration) error {
	model := m.porcupine()
	operations := h.operations()
	parts := [][]porcupine.Operation{operations}
	if model.Partition != nil {
		parts = model.Partition(operations)
		model.Partition = nil
	}
	for _, part := range parts {
		result, info := porcupine.CheckOperationsVerbose(model, part, within)
		switch result {
		case porcupine.Unknown:
			return fmt.Errorf("%w: %d calls, %v", ErrUnknown, len(part), within)
		case porcupine.Illegal:
			e := &Error{Calls: len(part), Text: textOf(model, part), page: func(w io.Writer) error { return porcupine.Visualize(model, info, w) }}
			for _, orders := range info.PartialLinearizations() {
				for _, order := range orders {
					e.Longest = max(e.Longest, len(order))
				}
			}
			return e
		}
	}
	return nil
}

// never is the end of a call that has none.
const never = math.MaxInt64

func (h *History[In, Out]) operations() []porcupine.Operation {
	all := make([]porcupine.Operation, 0, len(h.calls))
	for i := range h.calls {
		c := &h.calls[i]
		o := porcupine.Operation{ClientId: c.client, Input: c.in, Output: (*Out)(nil), Call: c.begin, Return: never}
		if c.end != 0 {
			o.Output, o.Return = &c.out, c.end
		}
		all = append(all, o)
	}
	return all
}

func (m Model[State, In, Out]) porcupine() porcupine.Model {
	p := porcupine.Model{
		Init: func() any {
			if m.Init == nil {
				return *new(State)
			}
			return m.Init()
		},
		Step: func(state, in, out any) (bool, any) {
			next, ok := m.Step(state.(State), in.(In), out.(*Out))
			return ok, next
		},
		Equal: func(a, b any) bool {
			if m.Equal == nil {
				return reflect.DeepEqual(a, b)
			}
			return m.Equal(a.(State), b.(State))
		},
		DescribeOperation: func(in, out any) string {
			o := out.(*Out)
			switch {
			case m.Text != nil:
				return m.Text(in.(In), o)
			case o == nil:
				return fmt.Sprintf("%v -> ?", in)
			}
			return fmt.Sprintf("%v -> %v", in, *o)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%v", state) },
	}
	if m.Key != nil {
		p.Partition = func(all []porcupine.Operation) [][]porcupine.Operation {
			at := make(map[string]int)
			var parts [][]porcupine.Operation
			for _, o := range all {
				key := m.Key(o.Input.(In))
				i, known := at[key]
				if !known {
					i = len(parts)
					at[key] = i
					parts = append(parts, nil)
				}
				parts[i] = append(parts[i], o)
			}
			return parts
		}
	}
	return p
}

// textOf writes a line for each call.
func textOf(m porcupine.Model, calls []porcupine.Operation) string {
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, c := range calls[:min(len(calls), maxShown)] {
		end := "?"
		if c.Return != never {
			end = fmt.Sprint(c.Return)
		}
		fmt.Fprintf(&b, "%4d to %-4s client %-3d %s\n", c.Call, end, c.ClientId, m.DescribeOperation(c.Input, c.Output))
	}
	if more := len(calls) - maxShown; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

const maxShown = 200
