package virtual_test

import (
	"errors"
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
