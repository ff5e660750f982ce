package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A watchWire is a driver on the virtual clock that watches descriptors of which the
// test says when they are ready.
type watchWire struct {
	*asyncio.Clock
	handlers map[uintptr]driver.Handler
	asked    []string // each call of Watch
	owned    uintptr
	fail     error // of the next calls of Watch
}

func (w *watchWire) Owns(fd uintptr) bool { return fd == w.owned }

func (w *watchWire) Watch(fd uintptr, what driver.Event, h driver.Handler) error {
	if w.fail != nil {
		return w.fail
	}
	w.asked = append(w.asked, fmt.Sprintf("%d:%d", fd, what))
	w.handlers[fd] = h
	return nil
}

func onWatchWire(t *testing.T, body func(ctx context.Context, l *asyncio.Loop, w *watchWire)) {
	t.Helper()
	w := &watchWire{Clock: asyncio.NewClock(), handlers: map[uintptr]driver.Handler{}, owned: 99}
	runOn(t, asyncio.WithDriver(w), func(t *testing.T, ctx context.Context) { body(ctx, loopOf(ctx), w) })
}

func TestTheDriverIsAskedForTheDirectionsThatAreWatched(t *testing.T) {
	onWatchWire(t, func(_ context.Context, l *asyncio.Loop, w *watchWire) {
		nothing := func() {}
		if err := errors.Join(l.AddReader(7, nothing), l.AddWriter(7, nothing), l.AddWriter(8, nothing)); err != nil {
			t.Fatal(err)
		}
		if n := asyncio.WatchedDescriptors(l); n != 2 {
			t.Errorf("%d descriptors are watched", n)
		}
		for _, c := range []struct {
			remove func(uintptr) (bool, error)
			fd     uintptr
			was    bool
		}{
			{l.RemoveReader, 7, true}, {l.RemoveReader, 7, false}, {l.RemoveWriter, 7, true}, {l.RemoveWriter, 7, false},
			{l.RemoveReader, 8, false}, {l.RemoveWriter, 8, true}, {l.RemoveWriter, 8, false}, {l.RemoveReader, 9, false},
		} {
			if was, err := c.remove(c.fd); was != c.was || err != nil {
				t.Errorf("removed from %d: %v, %v", c.fd, was, err)
			}
		}
		if want := []string{"7:1", "7:3", "8:2", "7:2", "7:0", "8:0"}; !slices.Equal(w.asked, want) {
			t.Errorf("it was asked %v, and not %v", w.asked, want)
		}
		if n := asyncio.WatchedDescriptors(l); n != 0 {
			t.Errorf("%d descriptors are left", n)
		}
	})
}

func TestAnEventIsForTheCallbackOfItsDirectionOnceInATurn(t *testing.T) {
	onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, w *watchWire) {
		var calls []string
		note := func(what string) func() { return func() { calls = append(calls, what) } }
		check := func(want ...string) {
			t.Helper()
			turns(ctx, 2)
			if !slices.Equal(calls, want) {
				t.Errorf("the calls were %v, and not %v", calls, want)
			}
			calls = nil
		}
		ready := func(what driver.Event) { w.handlers[7].Ready(what) }
		if err := errors.Join(l.AddReader(7, note("read")), l.AddWriter(7, note("write"))); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ready(driver.Readable)
			check("read")
			ready(driver.Writable)
			ready(driver.Writable)
			check("write")
			ready(driver.Readable | driver.Writable)
			check("read", "write")
			ready(driver.Hangup)
			check()
		}
		// What takes the place of a callback that is due is not due itself.
		ready(driver.Readable)
		if err := l.AddReader(7, note("another")); err != nil {
			t.Fatal(err)
		}
		check()
		ready(driver.Readable | driver.Writable)
		l.RemoveWriter(7)
		check("another")
		ready(driver.Readable | driver.Writable) // the driver may not have known
		check("another")
		l.RemoveReader(7)
		ready(driver.Readable)
		check()
	})
}

// Where the driver refuses to watch, what was watched before stays so.
func TestAWatchThatTheDriverRefusesChangesNothing(t *testing.T) {
	onWatchWire(t, func(ctx context.Context, l *asyncio.Loop, w *watchWire) {
		called := ""
		if err := l.AddReader(7, func() { called += "first " }); err != nil {
			t.Fatal(err)
		}
		for _, refusal := range []error{errFault, fmt.Errorf("watch: %w", driver.ErrInUse)} {
			w.fail = refusal
			for what, add := range map[string]func(uintptr, func()) error{"reader": l.AddReader, "writer": l.AddWriter} {
				for _, fd := range []uintptr{7, 8} {
					err := add(fd, func() { called += "refused " })
					if !strings.HasPrefix(err.Error(), "asyncio: add a "+what+": ") {
						t.Errorf("the error is %q", err)
					}
					if used := errors.Is(err, asyncio.ErrDescriptorInUse); used == (refusal == errFault) || !used && !errors.Is(err, errFault) ||
						used && !strings.Contains(err.Error(), fmt.Sprintf("descriptor %d: ", fd)) {
						t.Errorf("%v became %v", refusal, err)
					}
				}
			}
			w.fail = nil
		}
		w.handlers[7].Ready(driver.Readable | driver.Writable)
		turns(ctx, 2)
		if called != "first " {
			t.Errorf("called: %q", called)
		}
		if must(l.RemoveWriter(7)) || must(l.RemoveReader(8)) || !must(l.RemoveReader(7)) {
			t.Error("what was refused is watched, or what was before is not")
		}
		if n := asyncio.WatchedDescriptors(l); n != 0 {
			t.Errorf("%d descriptors are left", n)
		}
	})
}

func TestADescriptorOfTheDriversOwnIsNotTakenAway(t *testing.T) {
	onWatchWire(t, func(_ context.Context, l *asyncio.Loop, w *watchWire) {
		for what, remove := range map[string]func(uintptr) (bool, error){"reader": l.RemoveReader, "writer": l.RemoveWriter} {
			was, err := remove(w.owned)
			if was || !errors.Is(err, asyncio.ErrDescriptorInUse) || !strings.HasPrefix(err.Error(), "asyncio: remove a "+what+": descriptor 99: ") {
				t.Errorf("%v, %v", was, err)
			}
		}
	})
}

// A loop that closes takes no watch any more: who is told of its end cannot leave one.
func TestALoopThatClosesWatchesNothingMore(t *testing.T) {
	w := &watchWire{Clock: asyncio.NewClock(), handlers: map[uintptr]driver.Handler{}}
	l := must(asyncio.NewLoop(asyncio.WithDriver(w)))
	r := &recorder{}
	var told error
	r.on = map[string]func(){"lost": func() { told = l.AddReader(7, func() {}) }}
	if err := asyncio.NewTransportOn(l, &wire{}, r); err != nil {
		t.Fatal(err)
	}
	made := asyncio.CreateTaskOn(l, func(ctx context.Context) (struct{}, error) {
		r.untilCall(ctx, "made")
		return struct{}{}, nil
	})
	if err := l.RunUntilComplete(made); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if !errors.Is(told, asyncio.ErrLoopClosed) || len(w.asked) > 0 {
		t.Errorf("AddReader gave %v, the driver was asked %v", told, w.asked)
	}
}

// A fence is a driver of a world that lets nothing out.
type fence struct {
	*asyncio.Clock
	asked []string
}

func (f *fence) Escape(what string) error { f.asked = append(f.asked, what); return errFault }

func TestAWorldWithAFenceSaysWhyItWatchesNoDescriptors(t *testing.T) {
	f := &fence{Clock: asyncio.NewClock()}
	runOn(t, asyncio.WithDriver(f), func(t *testing.T, ctx context.Context) {
		if err := loopOf(ctx).AddReader(7, func() {}); !errors.Is(err, errFault) || len(f.asked) != 1 || !strings.HasPrefix(f.asked[0], "a descriptor of the system") {
			t.Errorf("%v, asked %q", err, f.asked)
		}
	})
}
