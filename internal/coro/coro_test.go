package coro_test

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/internal/coro"
)

func TestMain(m *testing.M) {
	if os.Getenv("CORO_TEST_MIX_THREADS") != "" {
		mixThreads()
		return
	}
	goleak.VerifyTestMain(m)
}

// body makes a coroutine's body of a function.
type body func()

func (b body) Run()     { b() }
func (body) Ended(bool) {}

// start gets a coroutine whose body is handed to itself.
func start(p *coro.Pool, fn func(c *coro.Coro)) *coro.Coro {
	var c *coro.Coro
	c = p.Get(body(func() { fn(c) }))
	return c
}

func TestResumeRunsUntilSuspendAndThenOn(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	var trace []string
	note := func(s string) { trace = append(trace, s) }
	c := start(&p, func(c *coro.Coro) {
		note("begin")
		p.Suspend()
		note("again")
		p.Suspend()
		note("end")
	})
	note("made")
	for _, want := range []bool{false, false, true} {
		if ended := p.Resume(c); ended != want {
			t.Errorf("Resume said %v", ended)
		}
		note("back")
	}
	p.Put(c)
	want := []string{"made", "begin", "back", "again", "back", "end", "back"}
	if !slices.Equal(trace, want) {
		t.Errorf("the order was %v", trace)
	}
}

func TestSuspendDeepInTheStack(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	var descend func(c *coro.Coro, n int) int
	descend = func(c *coro.Coro, n int) int {
		var frame [128]byte // so that the stack has to grow
		frame[n%128] = 1
		if n == 0 {
			p.Suspend()
			return 0
		}
		return descend(c, n-1) + int(frame[n%128])
	}
	got := 0
	c := start(&p, func(c *coro.Coro) { got = descend(c, 5000) })
	if p.Resume(c) {
		t.Fatal("it did not suspend")
	}
	runtime.GC() // moves and shrinks stacks
	if !p.Resume(c) || got != 5000 {
		t.Errorf("it came back with %d", got)
	}
	p.Put(c)
}

func TestCoroutinesResumeOneAnother(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	var trace []int
	inner := start(&p, func(c *coro.Coro) {
		trace = append(trace, 2)
		p.Suspend()
		trace = append(trace, 5)
	})
	outer := start(&p, func(c *coro.Coro) {
		trace = append(trace, 1)
		p.Resume(inner)
		trace = append(trace, 3)
		p.Suspend()
		p.Resume(inner)
		trace = append(trace, 6)
	})
	p.Resume(outer)
	trace = append(trace, 4)
	p.Resume(outer)
	p.Put(inner)
	p.Put(outer)
	if !slices.Equal(trace, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("the order was %v", trace)
	}
}

func TestPoolReusesCoroutines(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	first := p.Get(body(func() {}))
	p.Resume(first)
	p.Put(first)
	ran := false
	second := p.Get(body(func() { ran = true }))
	if second != first {
		t.Error("the pool made another one")
	}
	if !p.Resume(second) || !ran {
		t.Error("it did not run its new body")
	}
	p.Put(second)
}

func TestPoolGivesMemoryBackAfterBurst(t *testing.T) {
	const burst = 3000
	var p coro.Pool
	defer p.Close()
	use := func() {
		all := make([]*coro.Coro, burst)
		for i := range all {
			all[i] = p.Get(body(func() {}))
		}
		for _, c := range all {
			p.Resume(c)
			p.Put(c)
		}
	}
	use()
	p.Trim() // what was in use meanwhile is kept
	if p.Idle() != burst {
		t.Errorf("%d of %d are left while they are in use", p.Idle(), burst)
	}
	p.Trim()
	for p.Excess() > 0 {
		p.Shed()
	}
	if p.Idle() != coro.Kept {
		t.Errorf("after %d coroutines, %d are left", burst, p.Idle())
	}
	use()
	p.Trim()
	if p.Idle() != burst {
		t.Errorf("%d of %d are left after the next burst", p.Idle(), burst)
	}
}

func TestUnwindRunsDefers(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	var trace []string
	note := func(s string) { trace = append(trace, s) }
	c := start(&p, func(c *coro.Coro) {
		defer note("outer")
		func() {
			defer note("inner")
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("a recover caught %v", v)
				}
			}()
			p.Suspend()
			note("went on")
		}()
		note("went on outside")
	})
	p.Resume(c)
	p.Unwind(c)
	if want := []string{"inner", "outer"}; !slices.Equal(trace, want) {
		t.Errorf("what ran was %v", trace)
	}
}

func TestUnwindPassesSuspendsInDefers(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	var trace []string
	c := start(&p, func(c *coro.Coro) {
		defer func() { trace = append(trace, "last") }()
		defer func() {
			trace = append(trace, "first")
			p.Suspend()
			trace = append(trace, "came back")
		}()
		p.Suspend()
	})
	p.Resume(c)
	p.Unwind(c)
	if want := []string{"first", "last"}; !slices.Equal(trace, want) {
		t.Errorf("what ran was %v", trace)
	}
}

func TestUnwindPassesPanicsOfDefersOn(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	c := start(&p, func(c *coro.Coro) {
		defer func() { panic("ouch") }()
		p.Suspend()
	})
	p.Resume(c)
	defer func() {
		if v := recover(); v != "ouch" {
			t.Errorf("Unwind panicked with %v", v)
		}
	}()
	p.Unwind(c)
	t.Error("Unwind returned")
}

func TestUnwindFromInsideAnotherCoroutine(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	deferred, wentOn := false, false
	inner := start(&p, func(c *coro.Coro) {
		defer func() { deferred = true }()
		p.Suspend()
	})
	p.Resume(inner)
	outer := start(&p, func(c *coro.Coro) {
		p.Unwind(inner)
		wentOn = true
	})
	if !p.Resume(outer) || !deferred || !wentOn {
		t.Errorf("the deferred function ran: %v; the other coroutine went on: %v", deferred, wentOn)
	}
	p.Put(outer)
}

func TestPanicOfBodyComesOutOfResume(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	c := p.Get(body(func() { panic("ouch") }))
	defer func() {
		if v := recover(); v != "ouch" {
			t.Errorf("Resume panicked with %v", v)
		}
	}()
	p.Resume(c)
	t.Error("Resume returned")
}

func TestACoroutineThatRecoversThePanicOfAnotherCanSuspend(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	wentOn := false
	c := start(&p, func(*coro.Coro) {
		func() {
			defer func() { recover() }()
			p.Resume(p.Get(body(func() { panic("ouch") })))
		}()
		p.Suspend()
		wentOn = true
	})
	if p.Resume(c) || !p.Resume(c) || !wentOn {
		t.Error("it did not suspend, or did not go on")
	}
	p.Put(c)
}

func TestGoexitOfBodyEndsTheResumingGoroutine(t *testing.T) {
	var p coro.Pool
	defer p.Close()
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Resume(p.Get(body(runtime.Goexit)))
		returned = true
	}()
	<-done
	if returned {
		t.Error("Resume returned")
	}
}

func TestMarkBelongsToTheGoroutine(t *testing.T) {
	if coro.OnMarkedGoroutine() {
		t.Fatal("marked from the beginning")
	}
	var p coro.Pool
	defer p.Close()
	inside, elsewhere := false, true
	c := start(&p, func(c *coro.Coro) {
		inside = coro.OnMarkedGoroutine()
		p.Suspend()
		inside = inside && coro.OnMarkedGoroutine()
		done := make(chan struct{})
		go func() {
			elsewhere = coro.OnMarkedGoroutine()
			close(done)
		}()
		<-done
	})
	p.Resume(c)
	if coro.OnMarkedGoroutine() {
		t.Error("the one that resumes is marked by that")
	}
	p.Resume(c)
	p.Put(c)
	if !inside {
		t.Error("a coroutine is not marked")
	}
	if elsewhere {
		t.Error("a goroutine started by a coroutine is marked")
	}

	if coro.MarkGoroutine() {
		t.Error("it was marked before")
	}
	if !coro.MarkGoroutine() || !coro.OnMarkedGoroutine() {
		t.Error("it is not marked now")
	}
	coro.UnmarkGoroutine()
	if coro.OnMarkedGoroutine() {
		t.Error("the mark stays")
	}
}

func TestOnGoroutineLockedToItsThread(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var p coro.Pool
		defer p.Close()
		for range 3 { // made new, and reused
			a := start(&p, func(c *coro.Coro) { p.Suspend() })
			b := start(&p, func(c *coro.Coro) { p.Suspend() })
			p.Resume(a)
			p.Resume(b)
			if !p.Resume(a) {
				t.Error("it did not end")
			}
			p.Put(a)
			p.Unwind(b)
		}
	}()
	<-done
}

// mixThreads makes a coroutine on an unlocked goroutine and resumes it on one
// that is locked to its thread.
func mixThreads() {
	var p coro.Pool
	c := p.Get(body(func() {}))
	runtime.LockOSThread()
	p.Resume(c)
}

// What the doc comment of Coro warns of is so: a later Go may be kinder, and
// then the warning can go.
func TestMixingLockedAndUnlockedEndsTheProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Skip("cannot start this program again: ", err)
	}
	args := append(strings.Fields(os.Getenv("ASYNCIO_TEST_EMULATOR")), self) // of a foreign processor
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "CORO_TEST_MIX_THREADS=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "fatal error: coro") {
		t.Errorf("it ended with %v and said %q", err, out)
	}
}

// TestRandomSchedules resumes, suspends and unwinds coroutines at random, and
// compares with a count of the steps that each has to go.
func TestRandomSchedules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p coro.Pool
		defer p.Close()
		type state struct {
			c                 *coro.Coro
			left, steps, ends int
		}
		var alive []*state
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			if len(alive) == 0 || rapid.Bool().Draw(t, "start") {
				s := &state{left: rapid.IntRange(0, 4).Draw(t, "suspends")}
				s.c = start(&p, func(c *coro.Coro) {
					defer func() { s.ends++ }()
					for range s.left {
						s.steps++
						p.Suspend()
					}
				})
				if p.Resume(s.c) != (s.left == 0) {
					t.Fatal("the first step ended as it should not")
				}
				if s.left == 0 {
					p.Put(s.c)
					continue
				}
				alive = append(alive, s)
				continue
			}
			i := rapid.IntRange(0, len(alive)-1).Draw(t, "which")
			s := alive[i]
			if rapid.IntRange(0, 9).Draw(t, "unwind") == 0 {
				p.Unwind(s.c)
				s.left = 0
			} else {
				steps := s.steps
				ended := p.Resume(s.c)
				if ended != (steps == s.left) {
					t.Fatalf("after %d of %d steps, Resume said %v", steps, s.left, ended)
				}
				if !ended {
					continue
				}
				p.Put(s.c)
			}
			if s.ends != 1 {
				t.Fatalf("its defers ran %d times", s.ends)
			}
			alive = slices.Delete(alive, i, i+1)
		}
		for _, s := range alive {
			p.Unwind(s.c)
		}
	})
}

func BenchmarkSwitch(b *testing.B) {
	var p coro.Pool
	defer p.Close()
	stop := false
	c := start(&p, func(c *coro.Coro) {
		for !stop {
			p.Suspend()
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		p.Resume(c)
	}
	stop = true
	p.Resume(c)
	p.Put(c)
}

func BenchmarkRunPooled(b *testing.B) {
	var p coro.Pool
	defer p.Close()
	var empty body = func() {}
	b.ReportAllocs()
	for b.Loop() {
		c := p.Get(empty)
		p.Resume(c)
		p.Put(c)
	}
}

func BenchmarkMakeAndEnd(b *testing.B) {
	var empty body = func() {}
	b.ReportAllocs()
	for b.Loop() {
		var p coro.Pool
		c := p.Get(empty)
		p.Resume(c)
		p.Put(c)
		p.Close()
	}
}
