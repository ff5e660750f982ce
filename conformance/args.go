package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A kind reads an argument of an op.
type kind func(json.RawMessage) (any, error)

func text(r json.RawMessage) (any, error)  { return decode[string](r) }
func texts(r json.RawMessage) (any, error) { return decode[[]string](r) }
func count(r json.RawMessage) (any, error) { return decode[int](r) }
func flag(r json.RawMessage) (any, error)  { return decode[bool](r) }
func body(r json.RawMessage) (any, error)  { return decode[[]Op](r) }

func decode[T any](r json.RawMessage) (v T, err error) {
	if bytes.Equal(r, []byte("null")) {
		return v, errors.New("null")
	}
	return v, json.Unmarshal(r, &v)
}

// seconds reads a time.
func seconds(r json.RawMessage) (any, error) {
	s, err := decode[float64](r)
	if err != nil {
		return nil, err
	}
	if math.Abs(s) > 1e9 {
		return nil, fmt.Errorf("%v seconds are too many", s)
	}
	return time.Duration(math.Round(s * 1e9)), nil
}

// limit reads a time that may be null, for none.
func limit(r json.RawMessage) (any, error) {
	if bytes.Equal(r, []byte("null")) {
		return asyncio.NoTimeout, nil
	}
	return seconds(r)
}

// value reads anything. Numbers stay as they are written.
func value(r json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(r))
	d.UseNumber()
	var v any
	return v, d.Decode(&v)
}

// message reads a text that may be null.
func message(r json.RawMessage) (any, error) {
	if bytes.Equal(r, []byte("null")) {
		return "", nil
	}
	return text(r)
}

// condition reads what a wait waits for.
func condition(r json.RawMessage) (any, error) {
	s, err := decode[string](r)
	if err != nil {
		return nil, err
	}
	w, ok := map[string]asyncio.ReturnWhen{
		"FIRST_COMPLETED": asyncio.FirstCompleted,
		"FIRST_EXCEPTION": asyncio.FirstException,
		"ALL_COMPLETED":   asyncio.AllCompleted,
	}[s]
	if !ok {
		return nil, fmt.Errorf("unknown condition %q", s)
	}
	return w, nil
}

// handlerKeys are the handlers of a try, in the order in which they are looked at.
var handlerKeys = []string{"cancelled", "timeout", "error", "any"}

// handlers reads the handlers of a try.
func handlers(r json.RawMessage) (any, error) {
	m, err := decode[map[string][]Op](r)
	for key := range m {
		if !slices.Contains(handlerKeys, key) {
			return nil, fmt.Errorf("unknown handler %q", key)
		}
	}
	return m, err
}
