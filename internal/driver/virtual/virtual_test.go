package virtual_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/virtual"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func never() bool  { return false }
func always() bool { return true }

func TestParkLeapsToTheTime(t *testing.T) {
	d := virtual.New()
	if d.Now() != 0 {
		t.Fatalf("the clock begins at %v", d.Now())
	}
	for _, step := range []struct{ until, want time.Duration }{
		{time.Hour, time.Hour},
		{time.Hour + 1, time.Hour + 1},
		{time.Second, time.Hour + 1}, // never back
		{1000 * time.Hour, 1000 * time.Hour},
	} {
		if err := d.Park(step.until, never); err != nil {
			t.Fatal(err)
		}
		if d.Now() != step.want {
			t.Errorf("parked until %v, the clock shows %v", step.until, d.Now())
		}
	}
}

func TestClockStandsStillWhileThereIsNews(t *testing.T) {
	d := virtual.New()
	for _, until := range []time.Duration{time.Hour, driver.Forever} {
		if err := d.Park(until, always); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Poll(); err != nil {
		t.Fatal(err)
	}
	if d.Now() != 0 {
		t.Errorf("the clock shows %v", d.Now())
	}
}

func TestParkForEverWithNobodyOutsideIsAnError(t *testing.T) {
	d := virtual.New()
	if err := d.Park(driver.Forever, never); !errors.Is(err, driver.ErrIdle) {
		t.Errorf("gave %v", err)
	}
}

// outside is somebody at work outside the loop.
type outside struct {
	d        *virtual.Driver
	working  atomic.Int32
	inbox    atomic.Int32
	released chan struct{}
}

func newOutside() *outside {
	o := &outside{d: virtual.New(), released: make(chan struct{})}
	o.d.Outside = func() bool { return o.working.Load() > 0 }
	return o
}

func (o *outside) pending() bool { return o.inbox.Load() > 0 }

// finish delivers and is not at work any more.
func (o *outside) finish() {
	o.inbox.Add(1)
	o.working.Add(-1)
	o.d.Wake()
}

func TestClockWaitsForThoseOutside(t *testing.T) {
	for _, until := range []time.Duration{time.Hour, driver.Forever} {
		o := newOutside()
		o.working.Add(1)
		go func() {
			<-o.released
			o.finish()
		}()
		released := false
		pending := func() bool {
			if !released {
				released = true
				close(o.released) // once Park has announced that it sleeps
			}
			return o.pending()
		}
		for !o.pending() {
			if err := o.d.Park(until, pending); err != nil {
				t.Fatal(err)
			}
		}
		if o.d.Now() != 0 {
			t.Errorf("the clock shows %v", o.d.Now())
		}
		o.inbox.Store(0)
		if err := o.d.Park(time.Minute, o.pending); err != nil {
			t.Fatal(err)
		}
		if o.d.Now() != time.Minute {
			t.Errorf("with nobody left, the clock shows %v", o.d.Now())
		}
	}
}

func TestParkDoesNotSleepWhenTheLastOneOutsideIsDone(t *testing.T) {
	o := newOutside()
	o.working.Add(1)
	err := o.d.Park(driver.Forever, func() bool {
		o.working.Add(-1) // without a word, after Park has looked
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNoWakeIsLost(t *testing.T) {
	const goroutines, each = 4, 10000
	o := newOutside()
	o.working.Add(goroutines)
	taken := make(chan struct{})
	for range goroutines {
		go func() {
			for range each {
				o.inbox.Add(1)
				o.d.Wake()
				<-taken
			}
			o.finish()
		}()
	}
	for got := 0; got < goroutines*(each+1); {
		if err := o.d.Park(driver.Forever, o.pending); err != nil {
			t.Fatal(err)
		}
		for ; o.pending(); got++ {
			o.inbox.Add(-1)
			if got < goroutines*each { // what is left then are those of finish
				taken <- struct{}{}
			}
		}
	}
	if o.d.Now() != 0 {
		t.Errorf("the clock shows %v", o.d.Now())
	}
}

func TestWakeWithNobodyAsleepIsForgotten(t *testing.T) {
	d := virtual.New()
	d.Wake()
	d.Wake()
	if err := d.Park(time.Hour, never); err != nil {
		t.Fatal(err)
	}
	if d.Now() != time.Hour {
		t.Errorf("the clock shows %v", d.Now())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.Wake()
}

func TestInsideSynctestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside()
		o.working.Add(1)
		go func() {
			<-time.After(time.Hour) // on the bubble's clock, which needs all to be blocked
			o.finish()
		}()
		for !o.pending() {
			if err := o.d.Park(driver.Forever, o.pending); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestHasNoNetwork(t *testing.T) {
	d := virtual.New()
	if d.Name() != "virtual" || d.Handles() != 0 || d.Poll() != nil {
		t.Errorf("it is %q, with %d handles", d.Name(), d.Handles())
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	nc, _ := net.Pipe()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() error{
		"Dial":         func() error { _, err := d.Dial(driver.DialSpec{}, nil); return err },
		"Listen":       func() error { _, err := d.Listen(driver.ListenSpec{}, nil); return err },
		"OpenPacket":   func() error { _, err := d.OpenPacket(driver.PacketSpec{}, nil); return err },
		"OpenFile":     func() error { _, err := d.OpenFile(r); return err },
		"FromConn":     func() error { _, err := d.FromConn(nc); return err },
		"FromListener": func() error { _, err := d.FromListener(ln, nil); return err },
		"FromPacket":   func() error { _, err := d.FromPacket(pc, nil); return err },
	} {
		if err := open(); !errors.Is(err, virtual.ErrNoNetwork) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	// What is given to a driver is its own, also when it has no use for it.
	if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file is open: %v", err)
	}
	if _, err := nc.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection is open: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
	if _, err := pc.WriteTo(nil, pc.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the datagram socket is open: %v", err)
	}
}

func TestClockNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := virtual.New()
		last := d.Now()
		for _, until := range rapid.SliceOf(rapid.Int64Range(-5, 1000)).Draw(t, "times") {
			news := rapid.Bool().Draw(t, "news")
			if err := d.Park(time.Duration(until), func() bool { return news }); err != nil {
				t.Fatal(err)
			}
			want := max(last, time.Duration(until))
			if news {
				want = last
			}
			if d.Now() != want {
				t.Fatalf("parked at %v until %v, the clock shows %v", last, until, d.Now())
			}
			last = d.Now()
		}
	})
}
