package history_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
	"github.com/asyncio-go/asyncio/sim/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A request sets a key to a value, or with get asks for it.
type request struct {
	key   string
	value int
	get   bool
}

// register is a store of numbers, by their keys.
var register = history.Model[int, request, int]{
	Step: func(value int, in request, out *int) (int, bool) {
		if in.get {
			return value, out == nil || *out == value
		}
		return in.value, true
	},
	Key: func(in request) string { return in.key },
}

func TestAHistoryWithAnOrderIsLinearizable(t *testing.T) {
	var h history.History[request, int]
	set := h.Begin(1, request{key: "x", value: 1})
	get := h.Begin(2, request{key: "x", get: true})
	get(0) // before the other's end it may still be the old one
	again := h.Begin(2, request{key: "x", get: true})
	again(1)
	set(0)
	h.Begin(3, request{key: "x", value: 7}) // nobody knows whether it was set
	later := h.Begin(1, request{key: "x", get: true})
	later(1)
	last := h.Begin(1, request{key: "x", get: true})
	last(7)
	other := h.Begin(1, request{key: "y", get: true})
	other(0)
	if err := history.Check(&h, register, 0); err != nil || h.Len() != 7 {
		t.Error(h.Len(), err)
	}
}

func TestAHistoryWithoutAnOrderIsShown(t *testing.T) {
	var h history.History[request, int]
	h.Begin(1, request{key: "x", value: 1})(0)
	h.Begin(2, request{key: "x", get: true})(1)
	h.Begin(3, request{key: "x", get: true})(0) // it was seen already that it is 1
	h.Begin(4, request{key: "y", value: 3})(0)
	err := history.Check(&h, register, 0)
	var e *history.Error
	if !errors.Is(err, history.ErrNotLinearizable) || !errors.As(err, &e) || e.Calls != 3 || e.Longest != 2 {
		t.Fatalf("it gave %v", err)
	}
	if text := err.Error(); !strings.Contains(text, "at most 2 of 3 calls") || !strings.Contains(text, "   5 to 6    client 3   {x 0 true} -> 0") || strings.Contains(text, "client 4") {
		t.Error(text)
	}
	var page strings.Builder
	if err := e.WritePage(&page); err != nil || !strings.Contains(page.String(), "<html") {
		t.Errorf("%v, %d bytes", err, page.Len())
	}
}

func TestACheckOutsideOfAWorldMayTakeTooLong(t *testing.T) {
	var h history.History[request, int]
	for i := range 60 { // all at once, in any order
		h.Begin(i, request{key: "x", value: i})
	}
	h.Begin(100, request{key: "x", get: true})(-1)
	if err := history.Check(&h, register, time.Millisecond); !errors.Is(err, history.ErrUnknown) {
		t.Errorf("it gave %v", err)
	}
}

// stale is a store with a copy that answers, too, some time behind.
func stale(w *sim.World, readsCopy bool) {
	server, reader, writer := w.Host("server"), w.Host("reader"), w.Host("writer")
	value, old := 0, 0
	server.Serve(func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, s *asyncio.Stream) error {
			defer s.Close()
			for {
				line, err := s.ReadLine(ctx)
				if err != nil || len(line) == 0 {
					return nil
				}
				if text := strings.TrimSpace(string(line)); text != "get" {
					value, _ = strconv.Atoi(text)
					asyncio.Go(ctx, func(ctx context.Context) error {
						if err := asyncio.Sleep(ctx, time.Duration(w.Pick(10))*time.Millisecond); err != nil {
							return err
						}
						old = value
						return nil
					})
				}
				answer := value
				if readsCopy {
					answer = old
				}
				if _, err := fmt.Fprintln(s, answer); err != nil {
					return nil
				}
			}
		})
		if err != nil {
			return err
		}
		return s.ServeForever(ctx)
	})
	var h history.History[request, int]
	left := 2
	client := func(number int, next func(i int) request) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			s, err := asyncio.OpenConnection(ctx, "tcp", "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			for i := range 5 {
				in := next(i)
				question := "get"
				if !in.get {
					question = strconv.Itoa(in.value)
				}
				ended := h.Begin(number, in)
				if _, err := fmt.Fprintln(s, question); err != nil {
					return err
				}
				line, err := s.ReadLine(ctx)
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(strings.TrimSpace(string(line)))
				if err != nil {
					return err
				}
				ended(n)
			}
			if left--; left == 0 {
				return history.Check(&h, register, 0)
			}
			return nil
		}
	}
	reader.Go(client(1, func(int) request { return request{key: "x", get: true} }))
	writer.Go(client(2, func(i int) request { return request{key: "x", value: i + 1} }))
}

func TestAStaleReadIsFoundInAWorld(t *testing.T) {
	if r := sim.Run(func(w *sim.World) { stale(w, true) }); !errors.Is(r.Err, history.ErrNotLinearizable) {
		t.Errorf("it gave %v", r.Err)
	}
	sim.Test(t, func(w *sim.World) { stale(w, false) }, sim.Seeds(50))
}
