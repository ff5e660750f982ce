package frontier_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/robots"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func job(id int, host string) frontier.Job {
	return frontier.Job{ID: uint64(id), URL: urls.URL{Host: host, Target: fmt.Sprintf("/%d", id)}, Depth: uint16(id % 7)}
}

// TestBoundsHoldAndNothingIsLeftBehind drives a frontier with responses of all
// kinds in any order.
func TestBoundsHoldAndNothingIsLeftBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := frontier.Options{
			Parallel:        rapid.IntRange(1, 8).Draw(t, "parallel"),
			ParallelHost:    rapid.IntRange(1, 3).Draw(t, "host"),
			ParallelAddress: rapid.IntRange(0, 3).Draw(t, "address"),
			Wait:            time.Duration(rapid.IntRange(0, 2).Draw(t, "wait")) * 10 * time.Millisecond,
			RandomWait:      rapid.Bool().Draw(t, "random"),
			IdleHosts:       rapid.IntRange(0, 3).Draw(t, "idle"),
		}
		f := frontier.New(o)
		hosts := rapid.IntRange(1, 6).Draw(t, "hosts")
		addrs := rapid.IntRange(1, 3).Draw(t, "addresses")
		type running struct {
			h *frontier.Host
			j frontier.Job
		}
		var active []running
		now, id := time.Duration(0), 0
		left, perHost, started := map[uint64]frontier.Job{}, map[string]int{}, map[string]time.Duration{}
		busyUntil := map[string]time.Duration{}
		for step := 0; step < 3000; step++ {
			if step < 60 && rapid.IntRange(0, 2).Draw(t, "push") > 0 {
				j := job(id, fmt.Sprintf("h%d", rapid.IntRange(0, hosts-1).Draw(t, "to")))
				left[j.ID] = j
				f.Push(j, now)
				id++
			}
			if h, j, ok := f.Next(now); ok {
				origin := h.URL.Origin()
				if perHost[origin]++; perHost[origin] > o.ParallelHost || len(active) == o.Parallel {
					t.Fatalf("%d at %s, %d in all", perHost[origin], origin, len(active)+1)
				}
				if last, is := started[origin]; is && o.Wait > 0 && now-last < o.Wait/2 || now < busyUntil[origin] {
					t.Fatalf("%s was asked at %v, and now at %v; busy until %v", origin, last, now, busyUntil[origin])
				}
				if j.Kind != frontier.Robots && left[j.ID] != j {
					t.Fatalf("%+v came back as %+v", left[j.ID], j)
				}
				started[origin] = now
				active = append(active, running{h, j})
				continue
			}
			if len(active) > 0 && (step%3 != 0 || f.Queued() == 0) {
				i := rapid.IntRange(0, len(active)-1).Draw(t, "which")
				r := active[i]
				active = append(active[:i], active[i+1:]...)
				origin := r.h.URL.Origin()
				perHost[origin]--
				a := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, addrs-1).Draw(t, "addr"))})
				out := frontier.Outcome{Addr: a, Latency: time.Duration(rapid.IntRange(0, 9).Draw(t, "latency")) * time.Millisecond}
				if rapid.IntRange(0, 9).Draw(t, "busy") == 0 && step < 500 {
					out.Busy, out.RetryAfter = true, time.Duration(rapid.IntRange(0, 3).Draw(t, "after"))*time.Second
					busyUntil[origin] = now + max(time.Second, out.RetryAfter)
				}
				f.Done(r.h, out, now)
				switch {
				case r.j.Kind == frontier.Robots && out.Busy:
					f.SetRules(r.h, nil, now)
				case r.j.Kind == frontier.Robots:
					f.SetRules(r.h, &robots.Rules{}, now)
				case out.Busy:
					f.Return(r.j, now)
				default:
					delete(left, r.j.ID)
				}
				continue
			}
			if at, ok := f.When(); ok {
				now = max(now, at)
			} else if len(active) == 0 && f.Queued() > 0 {
				t.Fatalf("%d jobs are queued, and nothing will ever happen", f.Queued())
			}
			if len(active) == 0 && f.Queued() == 0 && step >= 60 {
				break
			}
		}
		if len(left) != 0 || f.Queued() != 0 || f.Active() != len(active) {
			t.Fatalf("%d jobs are left, %d queued, %d active", len(left), f.Queued(), f.Active())
		}
	})
}

// TestHostsTakeTurns has a host with ten thousand pages and ten with one.
func TestHostsTakeTurns(t *testing.T) {
	f := frontier.New(frontier.Options{Parallel: 4, ParallelHost: 2, NoRobots: true})
	for i := range 10_000 {
		f.Push(job(i, "large"), 0)
	}
	for i := range 10 {
		f.Push(job(10_000+i, fmt.Sprintf("small%d", i)), 0)
	}
	small := 0
	for n := 1; small < 10; n++ {
		h, j, ok := f.Next(0)
		if !ok {
			t.Fatal("nothing to do")
		}
		if j.ID >= 10_000 {
			small++
		}
		f.Done(h, frontier.Outcome{}, 0)
		if n > 21 {
			t.Fatalf("after %d requests %d of 10 small hosts had one", n, small)
		}
	}
}

func TestAHostThatAsksToSlowDownIsLeftAlone(t *testing.T) {
	f := frontier.New(frontier.Options{Parallel: 9, ParallelHost: 4, NoRobots: true})
	for i := range 100 {
		f.Push(job(i, "h"), 0)
	}
	now := time.Duration(0)
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		h, j, ok := f.Next(now)
		if !ok {
			t.Fatal("nothing to do at ", now)
		}
		f.Done(h, frontier.Outcome{Busy: true}, now)
		f.Return(j, now)
		if _, _, ok := f.Next(now + want - 1); ok {
			t.Errorf("it was asked before %v were over", want)
		}
		at, _ := f.When()
		if at != now+want {
			t.Errorf("the pause ends at %v, want %v", at, now+want)
		}
		now = at
	}
	h, _, _ := f.Next(now)
	if _, _, ok := f.Next(now); ok {
		t.Error("it is asked for two pages at once, right after it was busy")
	}
	f.Done(h, frontier.Outcome{Busy: true, RetryAfter: time.Minute}, now)
	if at, _ := f.When(); at != now+time.Minute {
		t.Errorf("Retry-After: %v", at-now)
	}
}

func TestPausesFollowTheLatencyAndTheRules(t *testing.T) {
	f := frontier.New(frontier.Options{Parallel: 9, ParallelHost: 1, Wait: 100 * time.Millisecond})
	for i := range 100 {
		f.Push(job(i, "h"), 0)
	}
	h, j, ok := f.Next(0)
	if !ok || j.Kind != frontier.Robots || j.URL.Target != "/robots.txt" {
		t.Fatalf("%+v, %v", j, ok)
	}
	f.Done(h, frontier.Outcome{Latency: time.Second}, time.Second)
	f.SetRules(h, &robots.Rules{}, time.Second)
	if _, _, ok = f.Next(time.Second); !ok {
		t.Fatal("the wait was counted twice")
	}
	f.Done(h, frontier.Outcome{Latency: time.Second}, time.Second)
	if at, _ := f.When(); at != 3*time.Second {
		t.Errorf("the next request is at %v", at)
	}
	f.SetRules(h, robots.Parse([]byte("user-agent: *\ncrawl-delay: 9\ndisallow:"), "x"), 3*time.Second)
	f.Next(3 * time.Second)
	f.Done(h, frontier.Outcome{}, 3*time.Second)
	if at, _ := f.When(); at != 12*time.Second {
		t.Errorf("the next request is at %v", at)
	}
}

func TestRulesAreAskedForAgainAndThenGivenUp(t *testing.T) {
	f := frontier.New(frontier.Options{Parallel: 9, ParallelHost: 1})
	f.Push(job(1, "h"), 0)
	now := time.Duration(0)
	for n := 1; ; n++ {
		h, j, ok := f.Next(now)
		if !ok || j.Kind != frontier.Robots {
			t.Fatalf("%+v, %v", j, ok)
		}
		f.Done(h, frontier.Outcome{Failed: true}, now)
		if f.SetRules(h, nil, now) {
			if n != 4 || h.Rules.Allowed("/") {
				t.Errorf("given up after %d times", n)
			}
			break
		}
		now, _ = f.When()
	}
	h, j, _ := f.Next(now)
	if j.ID != 1 {
		t.Errorf("%+v", j)
	}
	f.Done(h, frontier.Outcome{}, now)
	f.Push(job(2, "h"), now)
	if _, j, _ := f.Next(now + 25*time.Hour); j.Kind != frontier.Robots {
		t.Errorf("after a day the rules are not asked for: %+v", j)
	}
}

func TestKeysAndStates(t *testing.T) {
	var s frontier.Seen
	salt := frontier.Salt{1}
	const n = 20_000
	for i := range n {
		k := salt.Key(fmt.Append(nil, "http://h/", i))
		if s.Get(k) != frontier.Unknown {
			t.Fatal("seen before: ", i)
		}
		s.Set(k, frontier.Pending)
		s.Set(k, frontier.State(1+i%7))
	}
	for i := range n {
		if got := s.Get(salt.Key(fmt.Append(nil, "http://h/", i))); got != frontier.State(1+i%7) {
			t.Fatalf("%d is %d", i, got)
		}
	}
	all := 0
	for k, state := range s.All() {
		if s.Get(k) != state {
			t.Fatal("All differs from Get")
		}
		all++
	}
	if other := (frontier.Salt{2}); s.Len() != n || all != n || other.Key([]byte("x")) == salt.Key([]byte("x")) {
		t.Error(s.Len(), all)
	}
}

// TestURLsTakeLittleMemory counts what the queues and the set take of each.
func TestURLsTakeLittleMemory(t *testing.T) {
	const n = 50_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f, s, salt := frontier.New(frontier.Options{Parallel: 1, ParallelHost: 1}), &frontier.Seen{}, frontier.Salt{}
	for i := range n {
		u := urls.URL{Host: fmt.Sprintf("host%d.example.com", i%1000), Target: fmt.Sprintf("/some/directory/of/pages/number-%d.html", i)}
		s.Set(salt.Key([]byte(u.String())), frontier.Pending)
		f.Push(frontier.Job{ID: uint64(i), URL: u}, 0)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.1f bytes a URL", each)
	if each > 120 || f.Queued() != n || s.Len() != n {
		t.Errorf("%.1f bytes a URL", each)
	}
}

func BenchmarkPushAndNext(b *testing.B) {
	f := frontier.New(frontier.Options{Parallel: 64, ParallelHost: 2, NoRobots: true})
	for i := range 100_000 {
		f.Push(job(i, fmt.Sprintf("h%d", i%200)), 0)
	}
	j := job(1, "h7")
	b.ReportAllocs()
	for b.Loop() {
		h, _, _ := f.Next(0)
		f.Done(h, frontier.Outcome{}, 0)
		f.Push(j, 0)
	}
}

// Hosts with nothing to do are forgotten when there are too many, but not what they
// have asked for.
func TestHostsWithNothingToDoAreForgotten(t *testing.T) {
	const kept, hosts = 10, 1000
	f := frontier.New(frontier.Options{Parallel: 4, ParallelHost: 2, ParallelAddress: 2, IdleHosts: kept})
	visit := func(host string, o frontier.Outcome, now time.Duration) (asked bool) {
		t.Helper()
		f.Push(job(1, host), now)
		for {
			h, j, ok := f.Next(now)
			if !ok {
				return asked
			}
			if j.Kind == frontier.Robots {
				asked = true
				f.Done(h, frontier.Outcome{Addr: o.Addr}, now)
				f.SetRules(h, &robots.Rules{}, now)
			} else {
				f.Done(h, o, now)
			}
		}
	}
	now := time.Duration(0)
	visit("busy", frontier.Outcome{Busy: true, RetryAfter: time.Minute}, now)
	for i := range hosts {
		now += time.Millisecond
		addr := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
		if !visit(fmt.Sprint("h", i), frontier.Outcome{Addr: addr}, now) {
			t.Fatalf("the rules of host %d were not asked for", i)
		}
	}
	if n := len(f.Hosts()); n != kept || f.Met() != hosts+1 || f.Groups() != kept-1 {
		t.Errorf("%d hosts are known, %d addresses, %d were met", n, f.Groups(), f.Met())
	}
	if visit(fmt.Sprint("h", hosts-1), frontier.Outcome{}, now) {
		t.Error("the last host was forgotten")
	}
	if !visit("h0", frontier.Outcome{}, now) {
		t.Error("the first host was not forgotten")
	}
	f.Push(job(1, "busy"), now)
	if h, _, ok := f.Next(now); ok {
		t.Errorf("%s is asked before its pause is over", h.URL.Host)
	}
	if at, ok := f.When(); !ok || at != time.Minute {
		t.Errorf("it is to be asked at %v, %v", at, ok)
	}
}
