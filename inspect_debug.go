package asyncio

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
)

// slowStep is how long a callback or a step may hold the loop before debug
// mode says so.
const slowStep = 100 * time.Millisecond

// An explainer is the probe of a loop in debug mode, with labels, or with regions
// in traces.
type explainer struct {
	loop    *Loop
	debug   bool
	labels  bool
	regions bool
	slow    time.Duration
	epoch   time.Time // the real clock, also where the loop has another

	home  uint64        // the goroutine that runs the loop; 0: none does
	stop  chan struct{} // ends the watchdog
	ended chan struct{}

	callbacks, slowOnes uint64
	inCallbacks         time.Duration

	// What follows is for other goroutines, too.
	active atomic.Uint64          // the goroutine that may use the loop now; 0: not known
	began  atomic.Int64           // when the callback began that runs, since epoch; 0: none runs
	what   atomic.Pointer[string] // the task that runs
}

// taskNotes is what an explainer notes of a task.
type taskNotes struct {
	goroutine uint64
	name      *string
	made      []uintptr
	trace     *trace.Task
}

// notesOf returns what was noted of t; nil when it was made before the explainer.
func notesOf(t *task) *taskNotes {
	if t.rare == nil {
		return nil
	}
	n, _ := t.rare.noted.(*taskNotes)
	return n
}

// explainer returns the loop's explainer, or nil.
func (l *Loop) explainer() *explainer {
	p, _ := l.probe.(*explainer)
	return p
}

// explain returns the loop's explainer, made when there is none.
func (l *Loop) explain() *explainer {
	p := l.explainer()
	if p == nil {
		p = &explainer{loop: l, slow: slowStep, epoch: time.Now()}
		l.probe = p
	}
	return p
}

// Debug reports whether debug mode is on. Python: loop.get_debug.
func (l *Loop) Debug() bool {
	p := l.explainer()
	return p != nil && p.debug
}

// SetDebug turns debug mode on or off. See [WithDebug]. In a loop that runs,
// calls from wrong goroutines are noticed from its next run on. Python:
// loop.set_debug.
func (l *Loop) SetDebug(on bool) {
	if !on && l.probe == nil {
		return
	}
	p := l.explain()
	p.debug = on
	if l.running {
		p.watch()
	}
}

// SlowCallbackDuration is how long a callback or a step of a task may take
// before debug mode reports it: 100 milliseconds until it is set. Python:
// loop.slow_callback_duration.
func (l *Loop) SlowCallbackDuration() time.Duration {
	if p := l.explainer(); p != nil {
		return p.slow
	}
	return slowStep
}

// SetSlowCallbackDuration sets what [Loop.SlowCallbackDuration] returns. A running
// loop's watchdog, which takes the stacks, heeds it from the next run on. Python:
// loop.slow_callback_duration, in seconds.
func (l *Loop) SetSlowCallbackDuration(d time.Duration) { l.explain().slow = d }

// enter is called where the loop begins to run.
func (p *explainer) enter() {
	p.home = goroutineID()
	p.active.Store(p.home)
	p.watch()
}

// leave is called where the loop has stopped running.
func (p *explainer) leave() {
	p.home = 0
	p.active.Store(0)
	p.began.Store(0)
	if p.stop != nil {
		close(p.stop)
		<-p.ended
		p.stop = nil
	}
}

// run runs a callback or the step of a task.
func (p *explainer) run(r runnable) {
	if p.regions && trace.IsEnabled() {
		defer trace.StartRegion(context.Background(), "asyncio callback").End()
	}
	if !p.debug {
		r.run()
		return
	}
	fn := callbackOf(r) // a handle does not keep it
	began := time.Since(p.epoch)
	p.what.Store(nil)
	p.began.Store(int64(began))
	defer func() {
		p.began.Store(0)
		took := time.Since(p.epoch) - began
		p.callbacks++
		p.inCallbacks += took
		if took >= p.slow { // as in Python; a coarse clock may show nothing at all
			p.slowOnes++
			p.loop.logger().Warn("asyncio: a step held the loop", "what", describe(r, fn), "took", took)
		}
	}()
	r.run()
}

// callbackOf returns the function that r is to call, or nil.
func callbackOf(r runnable) func() {
	switch r := r.(type) {
	case *Handle:
		return r.fn
	case *TimerHandle:
		return r.fn
	case *doneCallback:
		return r.fn
	}
	return nil
}

// describe names r, which calls fn.
func describe(r runnable, fn func()) string {
	if t, ok := r.(*task); ok {
		return t.name()
	}
	if fn != nil {
		return functionName(reflect.ValueOf(fn).Pointer())
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", r), "*")
}

// resume is the step of a task's coroutine.
func (p *explainer) resume(t *task) (ended bool) {
	outer, outerWhat := p.active.Load(), p.what.Load()
	defer func() {
		p.active.Store(outer)
		p.what.Store(outerWhat)
	}()
	n := notesOf(t)
	if n == nil {
		p.active.Store(0) // until begin is called, if ever
		return t.loop.coros.Resume(t.co)
	}
	if p.home != 0 {
		p.active.Store(n.goroutine)
	}
	p.what.Store(n.name)
	if n.trace != nil && trace.IsEnabled() {
		ctx := t.ctx.Load().outer
		defer trace.StartRegion(ctx, "asyncio step").End()
	}
	ended = t.loop.coros.Resume(t.co)
	if ended && n.trace != nil {
		n.trace.End()
	}
	return ended
}

// made is called for a new task. It marks the context from which the task's own
// takes its values, so that labels and trace regions that the task's function
// makes stand beside those made here.
func (p *explainer) made(t *task) {
	tracing := p.regions && trace.IsEnabled()
	if !p.debug && !p.labels && !tracing {
		return
	}
	p.mustBeHere()
	n := new(taskNotes)
	t.withRare().noted = n
	name := t.name()
	n.name = &name
	if p.debug {
		n.made = madeHere()
	}
	values := t.ctx.Load().outer
	if p.labels || p.debug {
		values = pprof.WithLabels(values, pprof.Labels("asyncio.task", name))
		if here, ok := p.loop.onRun.(*presence); ok {
			values = pprof.WithLabels(values, pprof.Labels(loopLabel, here.label))
		}
	}
	if tracing {
		values, n.trace = trace.NewTask(values, name)
	}
	t.ctx.Store(&contextBase{outer: values})
}

// begin is called on a task's coroutine before its function.
func (p *explainer) begin(t *task) {
	n := notesOf(t)
	if n == nil {
		return // it was made before the probe
	}
	if p.debug {
		id := goroutineID()
		n.goroutine = id
		if p.home != 0 {
			p.active.Store(id)
		}
	}
	if p.labels || p.debug {
		pprof.SetGoroutineLabels(t.ctx.Load().outer)
	}
}

// wrongGoroutine says, in debug mode, why the calling goroutine must not use
// the loop, if it must not.
func (p *explainer) wrongGoroutine() error {
	active := p.active.Load()
	if active == 0 || !p.debug || goroutineID() == active {
		return nil
	}
	if coro.OnMarkedGoroutine() {
		return fmt.Errorf("%w: it runs on another goroutine than this loop", ErrWrongLoop)
	}
	return ErrWrongGoroutine
}

// wrongThread returns, in debug mode, why the task that runs cannot wait, because
// it is locked to its thread and the loop is not.
func (p *explainer) wrongThread() error {
	if !p.debug || !p.loop.running {
		return nil
	}
	return p.loop.wrongThread(coro.Here())
}

// mustBeHere panics, in debug mode, when the calling goroutine must not use the
// loop.
func (p *explainer) mustBeHere() {
	if err := p.wrongGoroutine(); err != nil {
		panic(err)
	}
}

// goroutineID returns the number of the calling goroutine, for a microsecond. Go
// shows it in stacks only.
func goroutineID() uint64 {
	var buf [64]byte
	s := strings.TrimPrefix(string(buf[:runtime.Stack(buf[:], false)]), "goroutine ")
	id, _ := strconv.ParseUint(s[:max(strings.IndexByte(s, ' '), 0)], 10, 64)
	return id
}

// An origin is where a future was made, in debug mode. It stands where other
// futures have their own way to be cancelled.
type origin struct {
	f    *future
	made []uintptr
}

func (o *origin) cancelWith(cause error) bool { return o.f.cancelPlain(cause) }
func (o *origin) plain()                      {}

// madeFuture notes where f was made.
func (p *explainer) madeFuture(f *future) {
	if p.debug {
		f.canceller = &origin{f, madeHere()}
	}
}

// madeHere returns the calls that lead here.
func madeHere() []uintptr {
	var pcs [32]uintptr
	return append([]uintptr(nil), pcs[:runtime.Callers(3, pcs[:])]...)
}

// madeAt says where the future or task was made, if debug mode was on then.
func (p *explainer) madeAt(f *future) string {
	var pcs []uintptr
	switch c := f.canceller.(type) {
	case *origin:
		pcs = c.made
	case taskShell:
		if n := notesOf(c.half()); n != nil {
			pcs = n.made
		}
	}
	for _, frame := range framesOf(pcs) {
		if !strings.HasPrefix(frame.Function, thisPackage) {
			return fmt.Sprintf("%s at %s:%d", shortFunction(frame.Function), frame.File, frame.Line)
		}
	}
	return ""
}

// leftAtClose reports, in debug mode, a task that is still there when the loop
// is closed.
func (p *explainer) leftAtClose(t *task) {
	if !p.debug {
		return
	}
	message := "asyncio: a task was pending when the loop was closed"
	if t.co == nil {
		message = "asyncio: a task was never started before the loop was closed"
	}
	p.loop.logger().Warn(message, "task", t.name(), "made", p.madeAt(&t.future))
}

// functionName returns the name of the function that begins at pc.
func functionName(pc uintptr) string {
	if f := runtime.FuncForPC(pc); f != nil {
		return shortFunction(f.Name())
	}
	return fmt.Sprintf("%#x", pc)
}
