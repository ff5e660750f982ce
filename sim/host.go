package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
	"github.com/asyncio-go/asyncio/internal/hook"
)

// A Host is a machine of a [World]: it has a name, addresses, and a loop on which its
// programs run. What they keep in variables that they made themselves is its memory,
// and is gone with a crash. Its [Disk] is not, but for what was not synced, nor are
// variables of the package or of the function that set the world up.
//
// Its methods, and those of its Disk, of a [Process], a [Link] and a [Rule], may be called
// where those of World may.
type Host struct {
	w       *World
	machine *netsim.Machine
	disk    *Disk
	driver  *netsim.Driver
	loop    *asyncio.Loop // nil: it is down
	step    hook.SteppedLoop
	opts    []asyncio.Option
	serves  []func(context.Context) error
	mains   int // as in World, of this start
	paused  time.Duration
	skew    time.Duration
	open    int                // descriptors that a program may have; 0: no bound
	gone    []hook.SteppedLoop // of earlier starts, to be closed when the world ends

	programs    []*asyncio.Task[struct{}] // the functions that run
	interrupted bool                      // they were cancelled
	commands    map[string]func(*Process) int
	processes   []*Process
	pools       map[any]*workerPool

	workerCrashes float64
}

// Host adds a machine, which runs. Its name is also its name in the world's DNS. The
// options are those of its loop. A world has at most 250 hosts.
func (w *World) Host(name string, opts ...asyncio.Option) *Host {
	if len(w.hosts) == netsim.MaxMachines {
		panic(fmt.Sprintf("sim: host %s: a world has at most %d hosts", name, netsim.MaxMachines))
	}
	if _, twice := w.names[name]; twice {
		panic(fmt.Sprintf("sim: there is a host or a name %s already", name))
	}
	h := &Host{w: w, machine: w.net.Machine(name), opts: opts}
	h.disk = newDisk(h)
	w.hosts = append(w.hosts, h)
	w.names[name] = DNSAnswer{Addrs: []netip.Addr{h.machine.V4}}
	h.boot()
	return h
}

// Name returns the host's name.
func (h *Host) Name() string { return h.machine.Name }

// Addr returns the host's IPv4 address.
func (h *Host) Addr() netip.Addr { return h.machine.V4 }

// Addr6 returns the host's IPv6 address. It is not in the world's DNS unless
// [World.DNS] has put it there.
func (h *Host) Addr6() netip.Addr { return h.machine.V6 }

// Up reports whether the host runs.
func (h *Host) Up() bool { return h.loop != nil }

// Loop returns the loop of the host, or nil while it is down.
func (h *Host) Loop() *asyncio.Loop { return h.loop }

// Go runs fn as a task of the host. The world waits for it, and fails when it returns
// an error. When the host crashes, it is gone, and not waited for. On a host that is
// down the world fails.
func (h *Host) Go(fn func(ctx context.Context) error) {
	if h.loop == nil {
		h.w.fail(&Failure{What: "Go on host " + h.Name() + ", which is down", At: h.w.Now()})
		return
	}
	h.w.mains++
	h.mains++
	loop := h.loop
	h.start(fn, func() {
		if h.loop == loop {
			h.w.mains--
			h.mains--
		}
	})
}

// Serve runs fn as a task of the host, now and again after each [Host.Restart]. The
// world does not wait for it, and fails when it returns an error.
func (h *Host) Serve(fn func(ctx context.Context) error) {
	h.serves = append(h.serves, fn)
	if h.loop != nil {
		h.start(fn, func() {})
	}
}

// start runs fn as a task and calls done when it has returned.
func (h *Host) start(fn func(context.Context) error, done func()) {
	loop := h.loop
	t := asyncio.CreateTaskOn(loop, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	h.programs = append(h.programs, t)
	t.AddDoneCallback(func() {
		done()
		interrupted := h.loop == loop && h.interrupted
		if err := t.Err(); err != nil && !(interrupted && asyncio.IsCancelled(err)) {
			h.w.fail(&Failure{Host: h.Name(), What: "a program has failed", At: h.w.Now(), Err: err})
		}
		if h.loop != loop {
			return
		}
		h.programs = slices.DeleteFunc(h.programs, func(o *asyncio.Task[struct{}]) bool { return o == t })
		if interrupted && len(h.programs) == 0 {
			h.exit()
		}
	})
}

// boot starts the machine, if it does not run, and its program.
func (h *Host) boot() {
	if h.machine.Running() {
		h.driver = h.machine.Start()
	} else {
		h.driver = h.machine.Boot()
	}
	h.driver.Skew(h.skew)
	h.driver.Descriptors = h.open
	l, step := h.newLoop(h.driver)
	h.loop, h.step = l, step
	if _, ordered := h.w.cfg.order.(inOrder); ordered {
		step.Again(func() bool { return h.loop == l && len(h.processes) == 0 && h.w.again(h) })
	}
}

// newLoop makes a loop for a program.
func (h *Host) newLoop(d *netsim.Driver) (*asyncio.Loop, hook.SteppedLoop) {
	w := h.w
	log := slog.New(slog.DiscardHandler)
	if w.trace.keep {
		log = slog.New(slog.NewTextHandler(logLines{h}, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	}
	opts := []asyncio.Option{
		hook.WithDriver(d).(asyncio.Option), asyncio.WithDebug(false), asyncio.WithLogger(log),
		asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { h.trouble(log, c) }),
	}
	l, err := asyncio.NewLoop(append(opts, h.opts...)...)
	if err != nil {
		panic(fmt.Errorf("sim: host %s: %w", h.Name(), err))
	}
	step := hook.Step(l)
	if arrange := w.cfg.order.arrange(h); arrange != nil {
		step.Arrange(arrange)
	}
	return l, step
}

// trouble is the exception handler: a panic fails the world, the rest is logged.
func (h *Host) trouble(log *slog.Logger, c asyncio.ExceptionContext) {
	var p *asyncio.PanicError
	if errors.As(c.Err, &p) {
		h.w.fail(&Failure{Host: h.Name(), What: c.Message, At: h.w.Now(), Err: c.Err})
	}
	log.Error(c.Message, "error", c.Err)
}

// logLines writes what the host logs into the trace; not into its hash, for it is
// there only when the trace is kept.
type logLines struct{ h *Host }

var _ io.Writer = logLines{}

func (l logLines) Write(p []byte) (int, error) {
	if w := l.h.w; !w.over {
		w.trace.hold(line{at: w.Now(), kind: netsim.Note, host: l.h.machine.ID, text: string(p[:max(len(p)-1, 0)])})
	}
	return len(p), nil
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// Crash stops the host as a power cut does: its programs go no further, not even
// their deferred functions run, and nobody is told. (They run when the world is
// over, where nothing counts any more.) What it has sent still arrives. When one of
// its own tasks crashes the host, that goes on up to its next wait. On a host that
// is down it does nothing.
func (h *Host) Crash() {
	if !h.machine.Running() {
		return
	}
	h.machine.Crash()
	h.disk.d.Crash()
	if h.loop != nil {
		h.stop()
	}
}

// Restart starts a host that has crashed, or whose program a signal has ended, with
// nothing in its memory, and what was given to [Host.Serve] runs again. One that runs
// crashes first.
func (h *Host) Restart() {
	if h.loop != nil {
		h.Crash()
	}
	h.boot()
	for _, fn := range h.serves {
		h.start(fn, func() {})
	}
}

// Pause makes the programs of the host stand still for d, as a long garbage
// collection or a stopped virtual machine does. Its network goes on: what it is sent
// is received, and waits.
func (h *Host) Pause(d time.Duration) {
	h.w.note(netsim.Pause, h.machine.ID, uint64(d), 0)
	h.paused = max(h.paused, h.w.Now()+d)
}

// Descriptors sets how many sockets and pipes the host's own program may have open, 0 for
// as many as it likes: beyond that it gets EMFILE, as by the system. A restart leaves it
// as it is.
func (h *Host) Descriptors(n int) {
	h.open = n
	if h.loop != nil {
		h.driver.Descriptors = n
	}
}

// Skew sets the clock of the host's loop, [asyncio.Loop.Time], by d. One that is set
// forward lets timers be due at once; one that is set back stands still until the
// time has come, since a loop's clock never goes back. [Host.Now] does go back. A
// restart leaves it as it is.
func (h *Host) Skew(d time.Duration) {
	h.w.note(netsim.Skew, h.machine.ID, uint64(d), 0)
	h.skew += d
	if h.loop != nil {
		h.driver.Skew(d)
	}
	for _, p := range h.processes {
		p.driver.Skew(d)
	}
}

// Now returns the time of day on the host, which [Host.Skew] sets. A world begins at
// the beginning of the year 2000. Package time knows nothing of skews.
func (h *Host) Now() time.Time {
	return time.Unix(0, 0).Add(wallBegin + h.w.Now() + h.skew).UTC()
}

// busy reports whether a turn of the host would do something.
func (h *Host) busy() bool {
	return h.loop != nil && h.paused <= h.w.net.Now() && (h.driver.Pending() || h.step.Ready(h.driver.Now()))
}

// next returns when the host has something to do next.
func (h *Host) next() time.Duration {
	if h.loop == nil {
		return driver.Forever
	}
	next := h.step.Next()
	if next < driver.Forever {
		next -= h.skew
	}
	if h.w.bubble {
		if when, ok := h.step.Deadline(); ok {
			next = min(next, h.w.net.Now()+max(time.Until(when), 0))
		}
	}
	if h.driver.Pending() || h.step.Ready(h.driver.Now()) {
		next = 0 // it is paused
	}
	if next < driver.Forever {
		next = max(next, h.paused)
	}
	return next
}

// close ends all that there ever was on the host.
func (h *Host) close() {
	all := h.gone
	for _, p := range h.processes {
		all = append(all, p.step)
	}
	if h.loop != nil {
		all = append(all, h.step)
	}
	for _, l := range all {
		_ = l.Close() // of a loop that nobody runs any more
	}
}
