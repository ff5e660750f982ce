package coro_test

import (
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/asyncio-go/asyncio/internal/coro"
)

func TestHereKnowsThreadAndBubble(t *testing.T) {
	if h := coro.Here(); h != (coro.Home{}) {
		t.Errorf("an ordinary goroutine is at %+v", h)
	}
	runtime.LockOSThread()
	locked := coro.Here()
	again := coro.Here()
	runtime.UnlockOSThread()
	if locked.Locked == 0 || locked != again || locked.Bubble != 0 {
		t.Errorf("a goroutine that is locked to its thread is at %+v", locked)
	}
	if h := coro.Here(); h != (coro.Home{}) {
		t.Errorf("after that it is at %+v", h)
	}
	var bubbles [2]coro.Home
	for i := range bubbles {
		synctest.Test(t, func(*testing.T) { bubbles[i] = coro.Here() })
	}
	if bubbles[0].Bubble == 0 || bubbles[0] == bubbles[1] {
		t.Errorf("two bubbles are at %+v", bubbles)
	}
}

func TestPoolDoesNotKeepWhatIsMadeOnALockedGoroutine(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	use := func() {
		c := p.Get(body(func() {}))
		p.Resume(c)
		p.Put(c)
	}
	runtime.LockOSThread()
	use()
	runtime.UnlockOSThread()
	if p.Idle() != 0 || p.Alive() != 0 {
		t.Errorf("%d are kept, %d are alive", p.Idle(), p.Alive())
	}
	use()
	if p.Idle() != 1 || p.Alive() != 1 {
		t.Errorf("of an ordinary goroutine's, %d are kept, %d are alive", p.Idle(), p.Alive())
	}
}
