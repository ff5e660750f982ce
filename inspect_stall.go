package asyncio

import (
	"strconv"
	"sync"
	"time"
)

// defaultStallLimit is how long a loop may stand still before that is reported,
// where nothing else was said.
const defaultStallLimit = 2 * time.Second

// The stall watch looks at the loops of the process from outside, now and then, and
// reports one that runs and does not move: a task or callback of it computes, or is
// blocked in something that knows nothing of loops. Such a loop cannot say so itself.
//
// It compares words that the loop writes anyway, so the loop pays nothing. It has no
// goroutine of its own, but a timer, and that only while a loop runs. A process that
// was stopped, or stands in a debugger, does not look either; so a look that comes
// late counts for nothing.
var stalls stallWatch

type stallWatch struct {
	mu     sync.Mutex
	loops  map[*stallSubject]struct{}
	timer  *time.Timer
	looked time.Time     // the last time
	period time.Duration // until the next
}

// A stallSubject is a loop as the watch sees it.
type stallSubject struct {
	*presence
	limit    time.Duration // 0: it is not watched
	last     pulse
	moved    time.Time // when last was seen first
	reported bool
}

// add begins the watch for a loop that is about to run.
func (w *stallWatch) add(s *stallSubject) {
	if s.limit <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loops == nil {
		w.loops = make(map[*stallSubject]struct{})
	}
	w.loops[s] = struct{}{}
	now := time.Now()
	s.last, s.moved, s.reported = takePulse(s.loop), now, false
	if period := s.period(); len(w.loops) == 1 || period < w.period {
		w.looked = now
		w.schedule(period)
	}
}

// remove ends the watch for a loop.
func (w *stallWatch) remove(s *stallSubject) {
	if s.limit <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.loops, s)
	if len(w.loops) == 0 {
		w.timer.Stop()
	}
}

func (w *stallWatch) schedule(period time.Duration) {
	w.period = period
	if w.timer == nil {
		w.timer = time.AfterFunc(period, w.look)
	} else {
		w.timer.Reset(period)
	}
}

// period is how often to look at a loop that does not park.
func (s *stallSubject) period() time.Duration { return max(s.limit/8, time.Millisecond) }

// parkedPeriod is how often to look while all loops are parked: with it a stall of the
// default limit is reported within three seconds.
const parkedPeriod = 700 * time.Millisecond

// look looks at all loops.
func (w *stallWatch) look() {
	var stalled []stall
	var moving []movingAgain
	w.mu.Lock()
	if len(w.loops) == 0 {
		w.mu.Unlock()
		return
	}
	now := time.Now()
	late := now.Sub(w.looked) > 2*w.period+100*time.Millisecond
	next := parkedPeriod
	for s := range w.loops {
		p := takePulse(s.loop)
		if !p.parked {
			next = min(next, s.period())
		}
		switch {
		case p != s.last || p.parked:
			if s.reported {
				moving = append(moving, movingAgain{s, now.Sub(s.moved)})
			}
			s.last, s.moved, s.reported = p, now, false
		case s.reported:
		case late:
			s.moved = now
		case now.Sub(s.moved) >= s.limit:
			s.reported = true
			stalled = append(stalled, stall{s, p, s.moved})
		}
	}
	w.looked = now
	w.schedule(next)
	for _, m := range moving {
		tellIncident(Incident{Kind: "goes on", Loop: m.subject.loop})
	}
	w.mu.Unlock()
	for _, s := range stalled {
		s.report(w)
	}
	for _, m := range moving {
		m.subject.loop.logger().Warn("asyncio: the loop goes on", "loop", m.subject.label, "stood", m.stood.Round(time.Millisecond))
	}
}

type movingAgain struct {
	subject *stallSubject
	stood   time.Duration
}

// A stall is a loop that stands still, as it was seen.
type stall struct {
	*stallSubject
	seen  pulse
	since time.Time
}

// report logs what holds the loop. When the loop has gone on meanwhile, the news is
// that it did.
func (s stall) report(w *stallWatch) {
	p := profileOf(s.label)
	c := p.culprit
	if takePulse(s.loop) != s.seen {
		return
	}
	s.caughtAt(s.loop.peekNow(), s.seen.task, c)
	if incidentsWanted() {
		look := newAsker(s.loop, s.presence, LookOptions{Tasks: defaultLookTasks}).lookAtHung(p)
		if !w.tell(s, Incident{Kind: "stall", Loop: s.loop, Task: s.seen.task, Look: look}) {
			return
		}
	}
	who := "a callback is"
	if id := s.seen.task; id != 0 {
		who = "Task-" + strconv.FormatUint(id, 10) + " is"
	}
	if c == nil {
		s.loop.logger().Error("asyncio: the loop stands still: "+who+" held somewhere", "loop", s.label)
		return
	}
	message := "asyncio: the loop stands still: " + who + " " + c.doing
	if at := c.place(); at != "" {
		message += " at " + at
	}
	if c.hint != "" {
		message += " (" + c.hint + ")"
	}
	s.loop.logger().Error(message+"\n"+c.stack(), "loop", s.label, "for", time.Since(s.since).Round(time.Millisecond))
}

// tell tells of a stall, and reports whether it is one still: that a loop goes on is
// told after that it stands still, though a look at it takes long.
func (w *stallWatch) tell(s stall, i Incident) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if takePulse(s.loop) != s.seen {
		return false
	}
	tellIncident(i)
	return true
}

// standing returns how long a loop has not moved, as far as the watch knows.
func (w *stallWatch) standing(s *stallSubject) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.moved.IsZero() || takePulse(s.loop) != s.last {
		return 0
	}
	return time.Since(s.moved)
}

// A pulse is words of a loop that change when it moves.
type pulse struct {
	parked      bool
	turns       uint64 // up to the last look at the driver
	turn, batch int
	ran         int
	task        uint64 // the number of the task that runs; 0: none does
	waits       uint32 // how often that has waited
}

// takePulse reads the pulse from any goroutine. It reads each word once and without
// a lock, while the loop may write it: a pulse may be mixed of two moments, and then
// differs from the next one. So the race detector is not asked.
//
//go:norace
func takePulse(l *Loop) pulse {
	p := pulse{
		parked: l.pace.parked,
		turns:  l.counts.turns,
		turn:   l.pace.turns,
		batch:  l.pace.batch,
		ran:    l.pace.ran,
	}
	if t := l.current; t != nil {
		p.task, p.waits = t.id, t.waits
	}
	return p
}
