package asynchttp

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Connections that lie idle are closed when it is their time, by one timer.
func TestIdleConnectionsAreClosedAtTheirTime(t *testing.T) {
	for limit, real := range map[time.Duration]time.Duration{10 * time.Second: 10 * time.Second, 0: DefaultIdleConnTimeout} {
		onPool(t, &Transport{IdleConnTimeout: limit}, func(p *pooled) {
			p.pass(time.Minute)
			_, first := p.lying("a:80")
			p.pass(4 * time.Second)
			_, second := p.lying("b:80")
			if n := p.loop.Stats().Timers; n != 1 {
				t.Errorf("there are %d timers", n)
			}
			p.pass(real - 4*time.Second - 1)
			if first.ended != "" {
				t.Errorf("%v: the first is %s too early", limit, first.ended)
			}
			p.pass(1)
			if first.ended != "closed" || second.ended != "" {
				t.Errorf("%v: the first is %q, the second %q", limit, first.ended, second.ended)
			}
			p.pass(4*time.Second - 1)
			if second.ended != "" {
				t.Errorf("%v: the second is %s too early", limit, second.ended)
			}
			p.pass(1)
			if second.ended != "closed" || p.loop.Stats().Timers != 0 {
				t.Errorf("%v: the second is %q, with %d timers", limit, second.ended, p.loop.Stats().Timers)
			}
		})
	}
	onPool(t, &Transport{IdleConnTimeout: -1}, func(p *pooled) {
		_, s := p.lying("a:80")
		p.pass(1000 * time.Hour)
		if s.ended != "" {
			t.Error("it is closed for its age")
		}
		p.CloseIdleConnections()
		if s.ended != "closed" {
			t.Error("it is not closed")
		}
	})
	onPool(t, &Transport{}, func(p *pooled) {
		p.lying("a:80")
		p.CloseIdleConnections()
		if n := p.loop.Stats().Timers; n != 0 {
			t.Errorf("%d timers are left of connections that are closed", n)
		}
		_, s := p.lying("a:80")
		p.pass(DefaultIdleConnTimeout)
		if s.ended != "closed" {
			t.Error("those that come later are not closed")
		}
	})
}

func TestSoManyConnectionsMayLieIdle(t *testing.T) {
	for name, x := range map[string]struct {
		tr   Transport
		put  int
		left int
	}{
		"the usual number": {Transport{}, 102, DefaultMaxIdleConns},
		"a limit":          {Transport{MaxIdleConns: 2}, 5, 2},
		"no limit":         {Transport{MaxIdleConns: -1}, 120, 120},
		"of a host":        {Transport{MaxIdleConnsPerHost: 1}, 3, 1},
		"none are kept":    {Transport{DisableKeepAlives: true}, 3, 0},
	} {
		onPool(t, &x.tr, func(p *pooled) {
			var all []*scripted
			for range x.put {
				_, s := p.lying("a:80")
				all = append(all, s)
			}
			if n := p.pool.idle.Len(); n != x.left || len(p.pool.hosts) != min(x.left, 1) {
				t.Errorf("%s: %d lie idle", name, n)
			}
			oldestGo := x.tr.MaxIdleConnsPerHost == 0
			for i, s := range all {
				gone := i >= x.left
				if oldestGo {
					gone = i < x.put-x.left
				}
				if gone != (s.ended == "closed") {
					t.Fatalf("%s: number %d is %q", name, i, s.ended)
				}
			}
		})
	}
}

// Those that are taken out leave the others as they were.
func TestAnIdleConnectionIsTakenOutFromAnyPlace(t *testing.T) {
	for i := range 3 {
		onPool(t, &Transport{}, func(p *pooled) {
			var all []*conn
			for range 3 {
				c, _ := p.lying("a:80")
				all = append(all, c)
			}
			h := all[0].host
			p.pool.wake(all[i])
			if want := slices.Delete(slices.Clone(all), i, i+1); !slices.Equal(h.idle, want) || p.pool.idle.Len() != 2 || all[i].place != nil {
				t.Errorf("without number %d %d lie idle, others than should", i, len(h.idle))
			}
			all[i].close()
		})
	}
}

// taken is what get has returned.
type taken struct {
	c   *conn
	err error
}

func (p *pooled) take(fresh, careful bool) *asyncio.Task[taken] {
	task := asyncio.CreateTask(p.ctx, func(ctx context.Context) (taken, error) {
		c, _, err := p.get(ctx, key{scheme: "http", addr: "a:80"}, fresh, careful)
		return taken{c, err}, nil
	})
	p.turns()
	return task
}

func (p *pooled) taken(t *testing.T, task *asyncio.Task[taken]) taken {
	t.Helper()
	if !task.Done() {
		t.Fatal("it waits")
	}
	x, err := task.Await(p.ctx)
	if err != nil {
		return taken{nil, err}
	}
	return x
}

func TestAConnectionIsTakenFromThePool(t *testing.T) {
	onPool(t, &Transport{}, func(p *pooled) { // the one used last, which is not stale
		first, _ := p.lying("a:80")
		_, s := p.lying("a:80")
		s.atEOF = true
		if x := p.taken(t, p.take(false, false)); x.c != first || s.ended != "closed" || p.pool.idle.Len() != 0 {
			t.Errorf("it got %v, the stale one is %q", x, s.ended)
		}
		if x := p.taken(t, p.take(false, false)); x.c != nil || x.err != nil || first.host.conns != 2 {
			t.Errorf("it got %v", x)
		}
		first.close()
		p.release(first.host)
	})
	onPool(t, &Transport{}, func(p *pooled) { // a new one is wanted
		c, s := p.lying("a:80")
		if x := p.taken(t, p.take(true, false)); x.c != nil || x.err != nil || s.ended != "" || c.host.conns != 2 {
			t.Errorf("it got %v, the idle one is %q", x, s.ended)
		}
		p.release(c.host)
	})
	for limit := 1; limit <= 2; limit++ { // a new one is wanted, and there is no place
		onPool(t, &Transport{MaxConnsPerHost: limit}, func(p *pooled) {
			var all []*scripted
			for range limit {
				_, s := p.lying("a:80")
				all = append(all, s)
			}
			x := p.taken(t, p.take(true, false))
			h := p.pool.host(key{scheme: "http", addr: "a:80"})
			if x.c != nil || x.err != nil || all[0].ended != "closed" || limit == 2 && all[1].ended != "" || h.conns != limit {
				t.Errorf("it got %v; %d connections", x, h.conns)
			}
			p.release(h)
		})
	}
}

func TestRequestsWaitForAPlace(t *testing.T) {
	for name, x := range map[string]struct {
		give func(p *pooled, c *conn)
		want func(c *conn, x taken) bool
	}{
		"a connection comes back": {func(p *pooled, c *conn) { p.put(c) }, func(c *conn, x taken) bool { return x.c == c && x.err == nil && c.host.conns == 1 }},
		"one is closed":           {func(_ *pooled, c *conn) { c.close() }, func(c *conn, x taken) bool { return x.c == nil && x.err == nil && c.host.conns == 1 }},
		"the transport is closed": {func(p *pooled, _ *conn) { p.Close() }, func(_ *conn, x taken) bool { return x.c == nil && errors.Is(x.err, ErrTransportClosed) }},
	} {
		for _, fresh := range []bool{false, true} {
			onPool(t, &Transport{MaxConnsPerHost: 1}, func(p *pooled) {
				c := p.connect("a:80", &scripted{})
				given := p.take(fresh, false)
				if given.Done() {
					t.Fatalf("%s: there is no place", name)
				}
				x.give(p, c)
				p.turns()
				if got := p.taken(t, given); !x.want(c, got) {
					t.Errorf("%s: it got %v, of %d connections", name, got, c.host.conns)
				}
				if c.closed {
					p.release(c.host)
				} else {
					c.close()
				}
			})
		}
	}
	// Who gives up leaves no trace, and what it was given goes on.
	onPool(t, &Transport{MaxConnsPerHost: 1}, func(p *pooled) {
		c := p.connect("a:80", &scripted{})
		tired, next := p.take(false, false), p.take(false, false)
		tired.Cancel()
		p.turns()
		if n := c.host.waiters.Len(); n != 1 {
			t.Errorf("%d wait", n)
		}
		p.put(c)
		next.Cancel() // in the same turn
		p.turns()
		if p.pool.idle.Len() != 1 || c.host.conns != 1 {
			t.Errorf("%d lie idle, of %d", p.pool.idle.Len(), c.host.conns)
		}
		p.pool.wake(c)
		last := p.take(false, false)
		c.close()
		last.Cancel() // in the same turn
		p.turns()
		if len(p.pool.hosts) != 0 {
			t.Errorf("a host without a connection is known: %+v", c.host)
		}
	})
}
