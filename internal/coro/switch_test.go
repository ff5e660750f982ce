package coro_test

import (
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/internal/coro"
)

func TestSwitchGoesStraightToAnotherCoroutine(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	var trace []string
	note := func(s string) { trace = append(trace, s) }
	var a, b *coro.Coro
	a = start(&p, func(*coro.Coro) {
		note("a")
		p.Switch(b)
		note("a again")
		p.Switch(p.Root())
		note("a at last")
	})
	b = start(&p, func(*coro.Coro) {
		note("b")
		p.Switch(a)
		note("b again")
		p.Switch(p.Root())
	})
	p.Switch(a)
	note("root")
	p.Switch(b)
	note("root again")
	if !p.Resume(a) {
		t.Error("a did not end")
	}
	p.Put(a)
	p.Unwind(b)
	want := []string{"a", "b", "a again", "root", "b again", "root again", "a at last"}
	if !slices.Equal(trace, want) {
		t.Errorf("the order was %v", trace)
	}
}

func TestBodyIsFollowedByAnotherOnTheSameCoroutine(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	var first, second *coro.Coro
	ran := false
	p.Next = func() *coro.Coro {
		if second != nil {
			return p.Root()
		}
		second = start(&p, func(*coro.Coro) { ran = true })
		return second
	}
	first = start(&p, func(*coro.Coro) {})
	p.Switch(first)
	if first != second || !ran || p.Idle() != 1 {
		t.Errorf("same coroutine: %v, second body ran: %v, %d idle", first == second, ran, p.Idle())
	}
}

// TestCoroutinesEndWhereverTheyWait lets coroutines go on in a random order, so
// that they wait in each other's places, and ends them in another: by running
// to the end, by Unwind, by a Goexit and by a panic. That none is left is what
// TestMain looks for.
func TestCoroutinesEndWhereverTheyWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p coro.Pool
		defer p.Close()
		type member struct {
			c            *coro.Coro
			want, passed int
			deferred     int
			how          string // it is to end
		}
		var next []*member // who goes on, one after another; then the root
		alive := map[*member]bool{}
		p.Next = func() *coro.Coro {
			if len(next) == 0 {
				return p.Root()
			}
			m := next[0]
			next = next[1:]
			m.want++
			return m.c
		}
		n := rapid.IntRange(1, 12).Draw(t, "coroutines")
		var all []*member
		for range n {
			m := &member{}
			m.c = p.Get(body(func() {
				defer func() { m.deferred++ }()
				for m.passed++; m.how == ""; m.passed++ {
					p.Suspend()
				}
				delete(alive, m)
				switch m.how {
				case "Goexit":
					runtime.Goexit()
				case "panic":
					panic("ouch")
				}
			}))
			all = append(all, m)
			alive[m] = true
		}
		pick := func() []*member {
			return slices.DeleteFunc(slices.Clone(all), func(m *member) bool { return !alive[m] })
		}
		run := func() { // a panic and a Goexit come out here
			done := make(chan any)
			go func() {
				defer func() { done <- recover() }()
				p.Switch(p.Next())
			}()
			<-done
			next = nil
		}
		for len(alive) > 0 {
			left := pick()
			rounds := rapid.SliceOfN(rapid.SampledFrom(left), 1, 3*n).Draw(t, "order")
			next = slices.Clone(rounds)
			run()
			for _, m := range all {
				if m.passed != m.want {
					t.Fatalf("one went on %d times, and should have %d times", m.passed, m.want)
				}
			}
			m := rapid.SampledFrom(left).Draw(t, "who ends")
			switch how := rapid.SampledFrom([]string{"return", "Goexit", "panic", "unwind", "visit"}).Draw(t, "how"); {
			case m.want == 0:
			case how == "visit":
				visited := false
				if p.Visit(m.c, func() { visited = true }); !visited {
					t.Fatal("it was not visited")
				}
			case how == "unwind":
				p.Unwind(m.c)
				delete(alive, m)
			default:
				m.how = how
				next = []*member{m}
				if how == "return" {
					next = append(next, pick()...)
					next = slices.DeleteFunc(next, func(o *member) bool { return o != m && o.how != "" })
					seen := map[*member]bool{}
					next = slices.DeleteFunc(next, func(o *member) bool { s := seen[o]; seen[o] = true; return s })
				}
				run()
			}
			if !alive[m] && m.deferred != 1 {
				t.Fatalf("deferred functions ran %d times", m.deferred)
			}
		}
	})
}

func BenchmarkSwitchInARing(b *testing.B) {
	for _, n := range []int{2, 100, 10000} {
		b.Run(map[int]string{2: "2", 100: "100", 10000: "10000"}[n], func(b *testing.B) {
			var p coro.Pool
			defer p.Close()
			ring := make([]*coro.Coro, n)
			left := 0
			for i := range ring {
				ring[i] = start(&p, func(*coro.Coro) {
					for {
						if left--; left <= 0 {
							p.Switch(p.Root())
							continue
						}
						p.Switch(ring[(i+1)%n])
					}
				})
			}
			left = n + 1 // each has begun
			p.Switch(ring[0])
			b.ReportAllocs()
			b.ResetTimer()
			left = b.N
			p.Switch(ring[1%n])
			b.StopTimer()
			for _, c := range ring {
				p.Unwind(c)
			}
		})
	}
}
