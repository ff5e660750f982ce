package asyncio_test

import (
	"errors"
	"runtime"
	"testing"
	"weak"

	"github.com/asyncio-go/asyncio"
)

// Of failures that nobody looks at the last are kept until the loop closes; when
// they are too many the oldest half is reported, unless enough were looked at.
func TestFailuresThatNobodyLooksAtAreReportedEarlyOnlyWhenTheyAreMany(t *testing.T) {
	const most = 512
	for _, c := range []struct{ seen, early, late int }{
		{0, most / 2, most/2 + 1},
		{most/2 - 1, most / 2, 2},
		{most / 2, 0, most/2 + 1},
		{most, 0, 1},
	} {
		told := 0
		l := must(asyncio.NewLoop(asyncio.WithVirtualClock(), asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { told++ })))
		fail := func() *asyncio.Future[int] {
			f := asyncio.NewFuture[int](l)
			f.SetError(errors.New("of a future"))
			return f
		}
		for i := range most {
			if f := fail(); i >= most-c.seen {
				f.Err()
			}
		}
		if told != 0 {
			t.Errorf("%d were reported before there were too many", told)
		}
		fail()
		if told != c.early {
			t.Errorf("%d of %d looked at: %d were reported early, want %d", c.seen, most, told, c.early)
		}
		told = 0
		l.Close()
		if told != c.late {
			t.Errorf("%d of %d looked at: %d were reported in the end, want %d", c.seen, most, told, c.late)
		}
	}
}

func TestFailuresThatWereLookedAtAreLetGoOf(t *testing.T) {
	const most = 512
	l := newLoop(t, asyncio.WithVirtualClock())
	fail := func() weak.Pointer[asyncio.Future[int]] {
		f := asyncio.NewFuture[int](l)
		f.SetError(errors.New("of a future"))
		f.Err()
		return weak.Make(f)
	}
	var all []weak.Pointer[asyncio.Future[int]]
	for range most + 1 { // the last one makes room
		all = append(all, fail())
	}
	runtime.GC()
	kept := 0
	for _, w := range all {
		if w.Value() != nil {
			kept++
		}
	}
	if kept > 10 { // what the compiler still holds
		t.Errorf("%d of %d are kept", kept, len(all))
	}
	runtime.KeepAlive(l)
}
