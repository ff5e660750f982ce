package virtual_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
	"github.com/asyncio-go/asyncio/internal/driver/virtual"
	"net"
)

func nothing() bool { return false }

type deaf struct{}

func (deaf) Ready(driver.Event) {}

func TestClockOverADriverLeapsWhileNothingIsOpenAndWalksWhileSomethingIs(t *testing.T) {
	inner, err := portable.New()
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	o := virtual.NewOver(inner)
	if err := o.Park(time.Hour, nothing); err != nil || o.Now() != time.Hour {
		t.Errorf("it shows %v, %v", o.Now(), err)
	}
	if err := o.Park(driver.Forever, nothing); !errors.Is(err, driver.ErrIdle) {
		t.Errorf("with nothing to wait for, Park gave %v", err)
	}
	l, err := inner.Listen(driver.ListenSpec{Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}, deaf{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := o.Park(time.Hour+5*time.Millisecond, nothing); err != nil {
		t.Error(err)
	}
	if o.Now() > time.Hour+5*time.Millisecond || time.Since(began) < o.Now()-time.Hour {
		t.Errorf("it shows %v after %v", o.Now(), time.Since(began))
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := o.Park(2*time.Hour, nothing); err != nil || o.Now() != 2*time.Hour {
		t.Errorf("after the close it shows %v, %v", o.Now(), err)
	}
}

func TestClockOverADriverWaitsForThoseOutside(t *testing.T) {
	inner, err := portable.New()
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	o := virtual.NewOver(inner)
	var outside atomic.Bool
	outside.Store(true)
	var asked sync.Once
	o.Outside = func() bool {
		is := outside.Load()
		asked.Do(func() {
			go func() { outside.Store(false); inner.Wake() }() // once it is waited for
		})
		return is
	}
	if err := o.Park(time.Hour, nothing); err != nil || outside.Load() || o.Now() != 0 {
		t.Errorf("it shows %v, somebody is outside: %v, %v", o.Now(), outside.Load(), err)
	}
	outside.Store(true)
	if err := o.Park(time.Hour, func() bool { return true }); err != nil || o.Now() != 0 {
		t.Errorf("with news it shows %v, %v", o.Now(), err)
	}
	outside.Store(false)
	if err := o.Park(time.Hour, func() bool { return true }); err != nil || o.Now() != 0 {
		t.Errorf("with news, and nobody outside, it shows %v, %v", o.Now(), err)
	}
	if err := o.Park(driver.Forever, func() bool { return true }); err != nil {
		t.Error(err)
	}
	if err := o.Park(time.Hour, nothing); err != nil || o.Now() != time.Hour {
		t.Errorf("it shows %v, %v", o.Now(), err)
	}
	if err := o.Park(time.Minute, nothing); err != nil || o.Now() != time.Hour {
		t.Errorf("it has gone back to %v, %v", o.Now(), err)
	}
}

// While something is open the clock goes on by what has gone by, and never beyond
// the time that is waited for.
func TestClockOverADriverGoesWithTheRealOne(t *testing.T) {
	inner := &scripted{handles: 1}
	o := virtual.NewOver(inner)
	inner.now = time.Minute
	for _, c := range []struct{ until, passes, limit, shows time.Duration }{
		{10 * time.Second, 4 * time.Second, time.Minute + 10*time.Second, 4 * time.Second},
		{10 * time.Second, 7 * time.Second, time.Minute + 10*time.Second, 10 * time.Second},
		{5 * time.Second, time.Second, time.Minute + 6*time.Second, 10 * time.Second},
		{driver.Forever, time.Second, driver.Forever, 11 * time.Second},
	} {
		inner.passes = c.passes
		if err := o.Park(c.until, nothing); err != errScripted || inner.limit != c.limit || o.Now() != c.shows {
			t.Errorf("until %v it waited until %v, and shows %v, %v", c.until, inner.limit, o.Now(), err)
		}
	}
	// The last time there is, as the driver's own clock has it, is never.
	for _, early := range []time.Duration{0, 1} {
		inner.passes = 0
		want := driver.Forever
		if early > 0 {
			want -= o.Now() + early
		}
		if o.Park(driver.Forever-inner.now-early, nothing); inner.limit != want {
			t.Errorf("until %v before the end of time it waited until %v, and not %v", early, inner.limit, want)
		}
	}
	inner.handles = 0
	if err := o.Park(time.Hour, nothing); err != errScripted || o.Now() != 11*time.Second {
		t.Errorf("with an error it shows %v, %v", o.Now(), err)
	}
}

var errScripted = errors.New("scripted")

// scripted is a driver whose waits take as long as it is told.
type scripted struct {
	driver.Driver
	handles            int
	now, passes, limit time.Duration
}

func (s *scripted) Handles() int       { return s.handles }
func (s *scripted) Now() time.Duration { return s.now }
func (s *scripted) Poll() error        { return errScripted }
func (s *scripted) Park(until time.Duration, _ func() bool) error {
	s.limit = until
	s.now += s.passes
	return errScripted
}
