package hasty

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestHasty(t *testing.T) {
	var has atomic.Bool
	Begin(func() { has.Store(true) })
	<-time.After(100 * time.Millisecond)
	if !has.Load() {
		t.Error("it has not begun")
	}
}

func TestPatient(t *testing.T) {
	has := make(chan struct{})
	Begin(func() { close(has) })
	<-has
}

func TestBroken(t *testing.T) { t.Error("always") }
