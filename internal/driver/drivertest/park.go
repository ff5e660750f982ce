package drivertest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

func testClock(r *rig) {
	last := r.d.Now()
	if last < 0 {
		r.Fatalf("the clock shows %v", last)
	}
	for range 10000 {
		now := r.d.Now()
		if now < last {
			r.Fatalf("the clock went back from %v to %v", last, now)
		}
		last = now
	}
}

// parkUntil parks, again when that ends for no reason, until the time has come.
func parkUntil(r *rig, when time.Duration) {
	r.Helper()
	for r.d.Now() < when {
		r.must(r.d.Park(when, never))
	}
}

func testParkDeadline(r *rig) {
	for _, d := range []time.Duration{0, time.Microsecond, time.Millisecond, 3 * time.Millisecond, time.Millisecond} {
		parkUntil(r, r.d.Now()+d)
	}
	r.must(r.d.Park(r.d.Now()-time.Second, never))
	r.must(r.d.Park(0, never))
	// After a distant deadline, a near one counts, and none at all.
	r.d.Wake()
	r.must(r.d.Park(r.d.Now()+time.Hour, func() bool { return true }))
	parkUntil(r, r.d.Now()+time.Millisecond)
	r.must(r.d.Park(driver.Forever, func() bool { return true }))
	parkUntil(r, r.d.Now()+time.Millisecond)
}

func testParkPending(r *rig) {
	asked := 0
	r.must(r.d.Park(driver.Forever, func() bool { asked++; return true }))
	if asked != 1 {
		r.Errorf("pending was asked %d times", asked)
	}
}

func testWake(r *rig) {
	for range 100 {
		var news atomic.Bool
		woken := make(chan struct{})
		go func() {
			news.Store(true)
			r.d.Wake()
			close(woken)
		}()
		for !news.Load() {
			r.must(r.d.Park(driver.Forever, news.Load))
		}
		<-woken
	}
	r.d.Wake() // with nobody asleep
	r.d.Wake()
	parkUntil(r, r.d.Now()+time.Millisecond)
}

// wakers post news from several goroutines, each only when its last was taken:
// so the loop sleeps again and again.
type wakers struct {
	wg    sync.WaitGroup
	news  atomic.Int64 // posted, not taken
	taken []chan struct{}
	boxes []atomic.Bool
}

func (w *wakers) start(r *rig, goroutines, each int) {
	w.taken = make([]chan struct{}, goroutines)
	w.boxes = make([]atomic.Bool, goroutines)
	for i := range goroutines {
		w.taken[i] = make(chan struct{}, 1)
		w.wg.Go(func() {
			for range each {
				w.boxes[i].Store(true)
				w.news.Add(1)
				r.d.Wake()
				<-w.taken[i]
			}
		})
	}
}

// take takes what there is, and says how much.
func (w *wakers) take() (n int) {
	for i := range w.boxes {
		if w.boxes[i].Load() {
			w.boxes[i].Store(false)
			w.news.Add(-1)
			w.taken[i] <- struct{}{}
			n++
		}
	}
	return n
}

func (w *wakers) pending() bool { return w.news.Load() > 0 }

func testWakesNotLost(r *rig) {
	const goroutines, each = 4, 10000
	var w wakers
	w.start(r, goroutines, each)
	for got := 0; got < goroutines*each; {
		until := r.d.Now() + patience
		if got%2 == 0 {
			until += time.Duration(got) // deadlines that change, and ones that do not
		}
		r.must(r.d.Park(until, w.pending))
		n := w.take()
		got += n
		if n == 0 && r.d.Now() >= until {
			r.Fatalf("a wake was lost after %d", got)
		}
	}
	w.wg.Wait()
}

// testWakesAndEvents does that while a connection is busy and timers run out.
func testWakesAndEvents(r *rig) {
	a, b := r.pair(loopback())
	const goroutines, each = 3, 2000
	var w wakers
	w.start(r, goroutines, each)
	bounces, got := 0, 0
	p := make([]byte, 8)
	a.write(p[:1])
	for limit := r.d.Now() + patience; got < goroutines*each || bounces < 2000; {
		if r.d.Now() > limit {
			r.Fatalf("%d wakes and %d bounces, then nothing", got, bounces)
		}
		r.must(r.d.Park(r.d.Now()+50*time.Microsecond, w.pending))
		got += w.take()
		for _, e := range []*end{a, b} {
			if e.seen&driver.Readable == 0 {
				continue
			}
			e.seen = 0
			n, _ := e.Read(p)
			if n == 0 {
				continue
			}
			// One that always has something to do would leave the wakers no
			// processor, where there is but one.
			if bounces++; bounces < 2000 {
				e.write(p[:n])
			}
		}
	}
	w.wg.Wait()
}

func testWakeAfterClose(r *rig) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 1000 {
			r.d.Wake()
		}
	})
	r.close()
	wg.Wait()
	r.d.Wake()
}
