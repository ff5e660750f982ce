package coro_test

import (
	"testing"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// What was in use at some moment since the last Trim is kept, although it is idle
// again now; what was not in use goes.
func TestTrimEndsOnlyWhatWasNeverInUseSinceTheLastTrim(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	const burst = coro.Kept + 50
	use := func(n int) {
		var all []*coro.Coro
		for range n {
			all = append(all, start(&p, func(*coro.Coro) {}))
		}
		for _, c := range all {
			p.Resume(c)
			p.Put(c)
		}
	}
	use(burst)
	p.Trim()
	use(40)
	p.Trim()
	for p.Excess() > 0 {
		p.Shed()
	}
	if n := p.Idle(); n != burst-10 {
		t.Errorf("%d of %d are left, of which %d were in use", n, burst, 40)
	}
}
