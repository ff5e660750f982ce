package asynchttp

import (
	"cmp"
	"container/list"
	"context"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A key is equal for connections that can carry the same request: those to the same host over
// the same proxy. Requests for http hosts over an http proxy share theirs.
type key struct {
	proxy, scheme, addr string
	http1               bool // nothing but HTTP/1 will do
}

// compare orders keys, so that what is done to all hosts is done in the same order
// each time.
func (k key) compare(o key) int {
	return cmp.Or(strings.Compare(k.addr, o.addr), strings.Compare(k.scheme, o.scheme), strings.Compare(k.proxy, o.proxy), compareBool(k.http1, o.http1))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// pool keeps the connections of a Transport. A connection is dialled by the
// request that needs it, and closed where nobody wants it any more; the pool
// only counts and keeps.
type pool struct {
	hosts map[key]*host
	all   list.List            // of *conn, in the order in which they were made
	idle  list.List            // of *conn, the one that is idle for longest first
	sweep *asyncio.TimerHandle // set while something is idle
}

// host is what the pool knows of one key.
type host struct {
	key     key
	conns   int       // all of them, and those being dialled
	idle    []*conn   // the one used last at the end
	waiters list.List // of *waiter, above the limit of connections
	sharing sharing
}

// A waiter waits for a connection, or for leave to dial one (nil).
type waiter struct{ got *asyncio.Future[*conn] }

// get returns an idle connection to a host, or nil: then the caller has leave to
// dial, and must call [pool.add] or [pool.release]. When fresh is set, it gets
// no connection that lay idle; when careful is set, none that is closed.
func (t *Transport) get(ctx context.Context, k key, fresh, careful bool) (*conn, *host, error) {
	h := t.pool.host(k)
	if !fresh {
		for len(h.idle) > 0 {
			c := h.idle[len(h.idle)-1]
			t.pool.wake(c)
			if !c.stale(careful) {
				return c, h, nil
			}
			c.close()
		}
	} else if t.MaxConnsPerHost > 0 && h.conns >= t.MaxConnsPerHost && len(h.idle) > 0 {
		c := h.idle[0]
		t.pool.wake(c)
		c.close()
	}
	if t.MaxConnsPerHost <= 0 || h.conns < t.MaxConnsPerHost {
		h.conns++
		t.pool.hosts[k] = h // closing its last connection has dropped it
		return nil, h, nil
	}
	w := &waiter{asyncio.NewFuture[*conn](t.loop)}
	place := h.waiters.PushBack(w)
	c, err := w.got.Await(ctx)
	if err == nil {
		return c, h, nil
	}
	if w.got.Done() && !w.got.Cancelled() {
		// It was given something in the turn in which it was cancelled.
		if c, given := w.got.Result(); given == nil {
			if c != nil {
				t.put(c)
			} else {
				t.release(h)
			}
		}
	} else {
		h.waiters.Remove(place)
		t.pool.forget(h)
	}
	return nil, nil, err
}

func (p *pool) host(k key) *host {
	h := p.hosts[k]
	if h == nil {
		if p.hosts == nil {
			p.hosts = make(map[key]*host)
		}
		h = &host{key: k}
		p.hosts[k] = h
	}
	return h
}

// forget drops a host about which there is nothing to know.
func (p *pool) forget(h *host) {
	if h.conns == 0 && h.waiters.Len() == 0 && !h.sharing.leading && p.hosts[h.key] == h {
		delete(p.hosts, h.key)
	}
}

// next hands a connection, or leave to dial one (nil), to the first waiter, and
// reports whether there was one.
func (h *host) next(c *conn) bool {
	for e := h.waiters.Front(); e != nil; e = h.waiters.Front() {
		w := h.waiters.Remove(e).(*waiter)
		if w.got.SetResult(c) == nil {
			return true
		}
	}
	return false
}

// release takes note that a connection is gone, or was never made.
func (t *Transport) release(h *host) {
	if h.next(nil) {
		return // its place goes on
	}
	h.conns--
	t.pool.forget(h)
}

// put keeps a connection for the next request, or gives it to one that waits.
func (t *Transport) put(c *conn) {
	if t.closed || t.DisableKeepAlives || c.gone() {
		c.close()
		return
	}
	h := c.host
	c.reused = true
	c.idleSince = t.loop.Time()
	if h.next(c) {
		return
	}
	if n := t.MaxIdleConnsPerHost; n > 0 && len(h.idle) >= n {
		c.close()
		return
	}
	c.unbuffer()
	h.idle = append(h.idle, c)
	t.lieIdle(c)
}

// lieIdle puts a connection among those that lie idle, and closes the one that
// does so for longest when there are too many.
func (t *Transport) lieIdle(c *conn) {
	c.place = t.pool.idle.PushBack(c)
	if n := orDefault(t.MaxIdleConns, DefaultMaxIdleConns); n >= 0 && t.pool.idle.Len() > n {
		old := t.pool.idle.Front().Value.(*conn)
		t.pool.wake(old)
		old.close()
	}
	t.sweepLater()
}

// wake takes an idle connection out.
func (p *pool) wake(c *conn) {
	p.idle.Remove(c.place)
	c.place = nil
	idle := c.host.idle
	for i := len(idle) - 1; i >= 0; i-- { // most often the last
		if idle[i] == c {
			copy(idle[i:], idle[i+1:])
			idle[len(idle)-1] = nil
			c.host.idle = idle[:len(idle)-1]
			return
		}
	}
}

// sweepLater sets the one timer of the pool, for the connection that will have
// been idle for too long first.
func (t *Transport) sweepLater() {
	limit := orDefault(t.IdleConnTimeout, DefaultIdleConnTimeout)
	if limit < 0 || t.pool.sweep != nil || t.pool.idle.Len() == 0 {
		return
	}
	oldest := t.pool.idle.Front().Value.(*conn)
	t.pool.sweep = t.loop.CallAt(oldest.idleSince+limit, func() {
		t.pool.sweep = nil
		t.closeIdle(t.loop.Time() - limit)
		t.sweepLater()
	})
}

// closeIdle closes what is idle since that time or longer.
func (t *Transport) closeIdle(since time.Duration) {
	for e := t.pool.idle.Front(); e != nil; e = t.pool.idle.Front() {
		c := e.Value.(*conn)
		if c.idleSince > since {
			return
		}
		t.pool.wake(c)
		c.close()
	}
	if t.pool.sweep != nil {
		t.pool.sweep.Cancel()
		t.pool.sweep = nil
	}
}

// orDefault is n, or what zero means.
func orDefault[T int | int64 | time.Duration](n, def T) T {
	if n == 0 {
		return def
	}
	return n
}
