package sim

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing/synctest"
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	"github.com/asyncio-go/asyncio/internal/driver"
	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
)

var (
	// ErrDeadlock is the failure of a world in which nothing can happen any more
	// while somebody is still waited for.
	ErrDeadlock = errors.New("sim: deadlock: nothing can happen any more")

	// ErrLivelock is the failure of a world whose hosts are always busy and whose
	// time does not go on.
	ErrLivelock = errors.New("sim: livelock: the hosts are busy and the time stands still")

	// ErrTimeLimit is the failure of a world in which somebody is still waited for
	// after its time limit; see [Time].
	ErrTimeLimit = errors.New("sim: the world's time is over")

	// ErrEscaped is the failure of a world in which somebody has tried to reach the
	// real one: a thread, a process, a signal, a socket, the real clock.
	ErrEscaped = errors.New("sim: this would leave the simulated world")

	// ErrDiverged is the failure of a world that has not gone the same way twice with
	// the same choices: something in it depends on the real world, such as the order
	// of a map or of goroutines.
	ErrDiverged = errors.New("sim: two runs with the same choices differ")

	// ErrGoexit is the failure of a world in which somebody has ended the goroutine,
	// as t.FailNow does.
	ErrGoexit = errors.New("sim: the goroutine was ended, as by t.FailNow")
)

const (
	maxStill   = 100_000          // turns while the time stands still
	stallOneIn = 24               // one turn in so many comes late
	stallUnit  = time.Millisecond // by so much
	maxStall   = 20               // or at most so many times as much
	jobUnit    = time.Millisecond // how long a job takes
	maxJob     = 8                // or almost so many times as much
	wallBegin  = netsim.WallBegin
)

// A World is a simulated system: machines, each with a loop, the network between
// them and the clock. All of it runs on one goroutine, and each choice in it comes
// from a tape, so it can be run again.
//
// Its methods may be called in the function that sets it up, in functions given to
// [World.At], and by the programs on its hosts.
type World struct {
	cfg       *config
	tape      *tape
	trace     trace
	recording *recording // nil: it is not recorded
	net       *netsim.Network
	hosts     []*Host
	names     map[string]DNSAnswer
	bubble    bool
	began     time.Time // in a bubble

	busy    []*Host // those that could take a turn
	next    move    // chosen by again, to be made
	still   int     // turns since the time went on
	turns   int
	jobs    uint64
	mains   int // functions given to Host.Go that have not returned
	checks  checks
	failure error
	over    bool
	leaks   bool // goroutines of its bubble are left for ever
}

func newWorld(c *config, t *tape) *World {
	w := &World{cfg: c, tape: t, names: make(map[string]DNSAnswer), bubble: c.enter != nil}
	w.net = netsim.NewNetwork((*netWorld)(w))
	if w.bubble {
		w.began = time.Now()
	}
	return w
}

// live sets the world up with fn and runs it to its end, on the calling goroutine.
func (w *World) live(fn func(*World)) {
	if !coro.MarkGoroutine() {
		defer coro.UnmarkGoroutine()
	}
	returned := false
	defer func() {
		if !returned {
			if v := recover(); v != nil {
				w.fail(fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
			} else {
				w.fail(ErrGoexit)
			}
		}
		w.end()
	}()
	w.seedRandom()
	fn(w)
	w.run()
	returned = true
}

// end ends the programs that are left. Nothing of that is a part of the world: no
// choice is made, nothing is noted, nothing fails.
func (w *World) end() {
	w.over, w.tape.frozen = true, true
	w.net.End()
	for _, h := range w.hosts {
		h.close()
	}
}

// A move is what happens next in a world.
type move struct {
	chosen bool
	host   *Host         // it takes a turn; nil: the clock goes on
	stall  time.Duration // not 0: all hosts are held up for so long instead
}

// run lets things happen until nobody is waited for.
func (w *World) run() {
	for w.open() {
		w.move(w.choose())
	}
	w.leave()
}

// move makes happen what was chosen.
func (w *World) move(m move) {
	switch {
	case m.stall > 0:
		w.note(netsim.Stall, 0, uint64(m.stall), 0)
		w.advance(w.net.Now() + m.stall)
	case m.host == nil:
		w.leap()
	default:
		w.turn(m.host)
	}
}

// open reports whether the world is to go on.
func (w *World) open() bool { return w.failure == nil && (w.mains > 0 || w.checks.open() > 0) }

// choose returns what happens next: what again has chosen, if it has.
func (w *World) choose() (m move) {
	if m, w.next = w.next, m; m.chosen {
		return m
	}
	m.chosen = true
	w.busy = w.busy[:0]
	for _, h := range w.hosts {
		if h.busy() {
			w.busy = append(w.busy, h)
		}
	}
	switch n := len(w.busy); {
	case n == 0:
	case w.cfg.stalls && w.tape.pick(schedStream, stallOneIn) == stallOneIn-1:
		m.stall = time.Duration(1+w.tape.pick(schedStream, maxStall)) * stallUnit
	default:
		m.host = w.busy[w.tape.pick(schedStream, n)]
	}
	return m
}

// turn lets a host take a turn of its loop, and those after it that again lets it take.
func (w *World) turn(h *Host) {
	if w.still >= maxStill {
		w.livelock()
		return
	}
	w.beginTurn(h)
	if err := h.step.Turn(); err != nil {
		w.fail(fmt.Errorf("%s: %w", h.Name(), err))
	}
	w.checks.look(w)
	w.lookAtTasks(h)
}

// again reports whether a host whose turn is over, with nothing to do but to run what
// is ready, takes the next turn of the world as well. That saves the way from the task
// back to the world, which is two switches of coroutines. It is called where tasks
// stop, on their stacks.
func (w *World) again(h *Host) bool {
	if !w.open() || w.still >= maxStill || w.watchful() || h.driver.Pending() {
		return false
	}
	if w.next = w.choose(); w.next.host != h {
		return false
	}
	w.next = move{}
	w.beginTurn(h)
	return true
}

// watchful reports whether something is looked at after each turn.
func (w *World) watchful() bool { return w.checks.any() || w.trace.keep }

func (w *World) beginTurn(h *Host) {
	w.still++
	if w.turns++; w.turns%256 == 0 {
		w.alive()
	}
	w.note(netsim.Turn, h.machine.ID, h.machine.Boots(), 0)
}

// alive tells the watchdog that the world goes on.
func (w *World) alive() {
	if w.cfg.dog != nil {
		w.cfg.dog.pulse.Add(1)
	}
}

func (w *World) livelock() { w.fail(fmt.Errorf("%w\n%s", ErrLivelock, w.waits())) }

// due returns when something is due, or driver.Forever.
func (w *World) due() time.Duration {
	next := min(w.net.Next(), w.checks.next())
	for _, h := range w.hosts {
		next = min(next, h.next())
	}
	return next
}

// leap moves the clock to what is next.
func (w *World) leap() {
	next := w.due()
	if next == driver.Forever {
		w.fail(fmt.Errorf("%w\n%s", ErrDeadlock, w.waits()))
		return
	}
	if w.still++; w.still > maxStill {
		w.livelock()
		return
	}
	w.advance(next)
}

// advance moves the clock, and lets happen what is due on the way.
func (w *World) advance(to time.Duration) {
	for w.failure == nil {
		at := min(to, w.net.Next())
		if now := w.net.Now(); at > now {
			if at > w.cfg.limit {
				w.fail(fmt.Errorf("%w, %v\n%s", ErrTimeLimit, w.cfg.limit, w.waits()))
				return
			}
			w.alive()
			w.sleep(at - now)
			w.still = 0
			w.note(netsim.Leap, 0, 0, 0)
		}
		w.net.Reach(at)
		if at >= to {
			break
		}
	}
	w.checks.look(w)
}

// sleep moves the bubble's clock, too.
func (w *World) sleep(d time.Duration) {
	if !w.bubble {
		return
	}
	if ahead := time.Since(w.began) - w.net.Now(); ahead > 0 {
		w.fail(fmt.Errorf("%w: a loop was blocked for %v by time.Sleep, or by something else that waits for the clock of package time", ErrEscaped, ahead))
		return
	}
	time.Sleep(d)
	synctest.Wait() // for those whom the clock has woken
}

// note takes note of an event.
func (w *World) note(k netsim.Kind, host uint8, a, b uint64) {
	if !w.over {
		w.trace.add(line{at: w.net.Now(), kind: k, host: host, a: a, b: b})
	}
}

// fail ends the world with its first failure.
func (w *World) fail(err error) {
	if w.failure == nil && !w.over {
		w.failure = err
	}
}

// waits says who waits for what, on all hosts.
func (w *World) waits() string {
	var b strings.Builder
	for _, h := range w.hosts {
		fmt.Fprintf(&b, "host %s", h.Name())
		switch {
		case h.loop == nil:
			b.WriteString(" is down\n")
		case h.paused > w.net.Now():
			fmt.Fprintf(&b, " stands still until %v\n", h.paused)
		default:
			fmt.Fprintf(&b, ":\n%s", h.loop.WaitGraph())
		}
	}
	return b.String()
}

// Now returns the time since the world began.
func (w *World) Now() time.Duration { return w.net.Now() }

// At calls fn at a time since the world began, or at once in the world's time when
// that has passed. fn runs on no host: it may crash hosts and cut links, and must not
// wait.
func (w *World) At(when time.Duration, fn func()) { w.net.At(when, netsim.EventFunc(fn)) }

// Pick returns a choice of at least 0 and less than n, which is at most 1<<24. 0 is
// the tame choice: a failure that was made smaller has as many of them as it can.
func (w *World) Pick(n int) int { return w.tape.pick(userStream, n) }

// Chance reports true with probability p. False is the tame choice.
func (w *World) Chance(p float64) bool { return w.tape.chance(userStream, p) }

// Rand returns random numbers that are choices of the world. Each takes eight bytes
// of its tape.
func (w *World) Rand() *rand.Rand { return rand.New(tapeSource{w}) }

// tapeSource implements [rand.Source].
type tapeSource struct{ w *World }

func (s tapeSource) Uint64() (v uint64) {
	for range 8 {
		v = v<<8 | uint64(s.w.tape.pick(userStream, 256))
	}
	return v
}

// Note writes something into the world's trace, which is shown when the world fails.
// It is a part of the trace's hash.
func (w *World) Note(format string, args ...any) {
	if w.over {
		return
	}
	text := fmt.Sprintf(format, args...)
	w.trace.add(line{at: w.net.Now(), kind: netsim.Note, a: uint64(crc32.ChecksumIEEE([]byte(text))), b: uint64(len(text)), text: text})
}

// Failf makes the world fail. The first failure counts.
func (w *World) Failf(format string, args ...any) {
	w.fail(&Failure{What: fmt.Sprintf(format, args...), At: w.Now()})
}
