package conformance

import (
	"encoding/json"
	"fmt"

	"github.com/asyncio-go/asyncio"
)

// kinds makes the objects.
var kinds = map[string]func(*asyncio.Loop, Object) any{
	"lock":              func(_ *asyncio.Loop, _ Object) any { return asyncio.NewLock() },
	"event":             func(_ *asyncio.Loop, _ Object) any { return asyncio.NewEvent() },
	"condition":         func(_ *asyncio.Loop, _ Object) any { return asyncio.NewCondition() },
	"semaphore":         func(_ *asyncio.Loop, o Object) any { return asyncio.NewSemaphore(o.Value) },
	"bounded_semaphore": func(_ *asyncio.Loop, o Object) any { return asyncio.NewBoundedSemaphore(o.Value) },
	"barrier":           func(_ *asyncio.Loop, o Object) any { return asyncio.NewBarrier(o.Parties) },
	"queue":             func(_ *asyncio.Loop, o Object) any { return asyncio.NewQueue[any](o.MaxSize) },
	"lifo_queue":        func(_ *asyncio.Loop, o Object) any { return asyncio.NewLIFOQueue[any](o.MaxSize) },
	"priority_queue":    func(_ *asyncio.Loop, o Object) any { return asyncio.NewPriorityQueue(o.MaxSize, smaller) },
}

type queue = *asyncio.Queue[any]

func smaller(a, b any) bool { return number(a) < number(b) }

// number returns what a priority queue orders by: programs put numbers.
func number(v any) float64 {
	n, ok := v.(json.Number)
	if !ok {
		panic(fmt.Errorf("put %v: %w", v, errKind))
	}
	f, _ := n.Float64()
	return f
}
