package asyncsql

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/asyncio-go/asyncio/internal/offload"
)

// lanes are the turns at a pool's connections: so many as it has connections. Who
// wants a connection waits here, and not in database/sql, where it would hold a thread
// that the one needs who is to give a connection back.
//
// The methods may be called from any goroutine.
type lanes struct {
	mu      sync.Mutex
	max     int
	busy    []*lane   // those that have a turn; each knows its place
	waiting laneQueue // those that have none yet
	closed  bool
	idle    chan struct{} // closed when, after closing, the last has ended
	waited  uint64        // how many have had to wait
	dropped uint64        // how many calls were cut off
	running int           // jobs under way
	begun   uint64        // jobs that have begun
}

// A lane is a turn at one connection. Its jobs run one at a time, in order, on a
// thread, which is a goroutine. It ends when it has no jobs and nobody keeps it. While
// somebody does, its thread waits for the next job: a new one would have to grow its
// stack again, which costs more than a short statement does.
//
// The mutex of lanes guards the fields but call.
type lane struct {
	of      *lanes
	state   laneState
	working bool      // a thread has current
	thread  thread    // waits for the next job; nil: there is none
	current laneJob   // of that thread
	first   laneJob   // the next job; most lanes have no more than one
	jobs    []laneJob // those after first
	keepers []keeper  // the latest is the last
	keeper  [1]keeper // where keepers begin: there is seldom more than one
	place   int       // in lanes.busy
	refused error     // why it has ended before its turn

	before, after *lane // in lanes.waiting

	call atomic.Pointer[calling] // what is under way, or was last
}

type laneState uint8

const (
	laneNew laneState = iota // has had no job
	laneWaiting
	laneBusy
	laneOver
)

// A thread is where one waits, between two jobs, to be told that there is the next.
type thread chan struct{}

// errLaneOver is the error of Submit on a lane that has ended.
var errLaneOver = errors.New("asyncsql: the connection was given back")

type laneJob struct {
	ctx context.Context
	fn  func(context.Context)
}

// A keeper keeps a lane for itself between calls: a transaction, rows that were not
// read to their end, a connection.
type keeper interface {
	// abort gives the connection back, and ends what is under way on it, too, when that
	// is to be now. It does not wait, and may be called from any goroutine.
	abort(now bool)
	// giveBack gives it back at once. It is for the lane's own jobs, and does nothing when
	// that was done before.
	giveBack()
}

func newLanes(max int) *lanes {
	return &lanes{
		max:  max,
		idle: make(chan struct{}),
	}
}

// A laneQueue is lanes in the order in which they came.
type laneQueue struct {
	first, last *lane
	n           int
}

func (q *laneQueue) push(l *lane) {
	l.before = q.last
	if q.last == nil {
		q.first = l
	} else {
		q.last.after = l
	}
	q.last = l
	q.n++
}

func (q *laneQueue) remove(l *lane) {
	if l.before == nil {
		q.first = l.after
	} else {
		l.before.after = l.after
	}
	if l.after == nil {
		q.last = l.before
	} else {
		l.after.before = l.before
	}
	l.before, l.after = nil, nil
	q.n--
}

// lane makes one, which waits for its turn when it gets its first job.
func (ls *lanes) lane() *lane { return &lane{of: ls} }

// Submit implements [asyncio.Executor].
func (l *lane) Submit(ctx context.Context, fn func(context.Context)) error {
	next, waits, err := l.add(laneJob{ctx, fn})
	switch {
	case waits != nil:
		waits <- struct{}{}
	default:
		next.start()
	}
	return err
}

// add adds a job, and returns the lane that needs a thread for it, and the thread that
// waits there.
func (l *lane) add(j laneJob) (next *lane, waits thread, err error) {
	ls := l.of
	ls.mu.Lock()
	defer ls.mu.Unlock()
	switch l.state {
	case laneNew:
		if err := l.queue(); err != nil {
			return nil, nil, err
		}
	case laneOver:
		return nil, nil, errLaneOver
	}
	if l.first.fn == nil {
		l.first = j
	} else {
		l.jobs = append(l.jobs, j)
	}
	if next = l.advance(); next != nil {
		waits, l.thread = l.thread, nil
	}
	return next, waits, nil
}

// Shutdown implements [asyncio.Executor]. Nobody has a lane to shut it down.
func (l *lane) Shutdown(context.Context) error { return nil }

// queue has the lane wait for its turn, which may be now.
func (l *lane) queue() error {
	ls := l.of
	if ls.closed {
		return ErrClosed
	}
	if len(ls.busy) < ls.max {
		l.begin()
		return nil
	}
	l.state = laneWaiting
	ls.waiting.push(l)
	ls.waited++
	return nil
}

// reserve has the lane wait for its turn before it has a job, kept by k.
func (l *lane) reserve(k keeper) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if err := l.queue(); err != nil {
		return err
	}
	l.addKeeper(k)
	return nil
}

// withdraw ends a lane that was reserved and on which nothing has begun, and reports
// whether it was one. Who waits there for a job gets errLaneOver.
func (l *lane) withdraw() bool {
	ls := l.of
	var jobs []laneJob
	var next *lane
	ls.mu.Lock()
	unused := !l.working && l.call.Load() == nil && l.thread == nil
	switch {
	case !unused:
	case l.state == laneWaiting:
		ls.waiting.remove(l)
		jobs = l.drop(errLaneOver)
	case l.state == laneBusy:
		l.keepers = nil
		next = l.advance()
	}
	unused = unused || l.refused != nil
	ls.mu.Unlock()
	next.start()
	for _, j := range jobs {
		j.fn(j.ctx)
	}
	return unused
}

// start has a lane whose job is next work, if it is one.
func (l *lane) start() {
	if l != nil {
		go l.work()
	}
}

func (l *lane) begin() {
	l.state = laneBusy
	l.place = len(l.of.busy)
	l.of.busy = append(l.of.busy, l)
}

// advance returns the lane that needs a thread for its next job, if one does: l or, when
// nobody has any use of that any more, the one that has its turn.
func (l *lane) advance() *lane {
	switch {
	case l.state != laneBusy || l.working:
	case l.first.fn != nil:
		l.current, l.first = l.first, laneJob{}
		if len(l.jobs) > 0 {
			l.first = l.jobs[0]
			l.jobs[0] = laneJob{}
			l.jobs = l.jobs[1:]
		}
		l.working = true
		l.of.running++
		l.of.begun++
		return l
	case len(l.keepers) == 0:
		return l.end()
	}
	return nil
}

// work is a thread: it runs the current job of a lane, and then what that makes possible.
func (l *lane) work() {
	defer func() {
		if l != nil { // the job has ended its goroutine by runtime.Goexit
			next, _ := l.finish(nil)
			next.start()
		}
	}()
	var me thread
	for l != nil {
		l.current.fn(l.current.ctx)
		next, waits := l.finish(&me)
		if waits {
			<-me
			continue
		}
		l = next
	}
}

// finish says that the current job has returned. It returns the lane whose job is next for
// the thread me, or reports that this waits for the next job of this one; nil is one that
// has ended.
func (l *lane) finish(me *thread) (next *lane, waits bool) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.of.running--
	l.working, l.current = false, laneJob{}
	next = l.advance()
	if next != nil || l.state != laneBusy || me == nil {
		return next, false
	}
	if *me == nil {
		*me = make(thread, 1)
	}
	l.thread = *me
	return nil, true
}

// end gives the turn to who has waited longest.
func (l *lane) end() (next *lane) {
	ls := l.of
	l.state = laneOver
	n := len(ls.busy) - 1
	last := ls.busy[n]
	ls.busy[l.place], last.place = last, l.place
	ls.busy = slices.Delete(ls.busy, n, n+1)
	if next := ls.waiting.first; next != nil {
		ls.waiting.remove(next)
		next.begin()
		return next.advance()
	}
	if ls.closed && len(ls.busy) == 0 {
		close(ls.idle)
	}
	return nil
}

// keep makes k keep the lane. It is for the lane's own jobs.
func (l *lane) keep(k keeper) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.addKeeper(k)
}

func (l *lane) addKeeper(k keeper) {
	if l.keepers == nil {
		l.keepers = l.keeper[:0]
	}
	l.keepers = append(l.keepers, k)
}

// release is the end of keep. It is for the lane's own jobs, also where a loop's driver
// runs them elsewhere.
func (l *lane) release(k keeper) {
	l.of.mu.Lock()
	if i := slices.Index(l.keepers, k); i >= 0 {
		l.keepers = slices.Delete(l.keepers, i, i+1)
	}
	next := l.advance()
	l.of.mu.Unlock()
	next.start()
}

// abortAfter aborts what was begun on the lane after k, the latest first; with nil,
// everything.
func (l *lane) abortAfter(k keeper, now bool) {
	for _, k := range slices.Backward(l.keptAfter(k)) {
		k.abort(now)
	}
}

// keptAfter returns what was begun on the lane after k, and nothing where k does not keep it
// any more; with nil, everything.
func (l *lane) keptAfter(k keeper) []keeper {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	at := slices.Index(l.keepers, k)
	if at < 0 && k != nil {
		return nil
	}
	return slices.Clone(l.keepers[at+1:])
}

// later has fn run on the lane, after what is to be done there already.
func (l *lane) later(fn func()) { offload.Submit(l, fn) }

// leave takes a lane whose caller has gone out of the queue. One that is kept stays there,
// for later calls.
func (l *lane) leave() {
	ls := l.of
	ls.mu.Lock()
	ls.dropped++
	var jobs []laneJob
	if l.state == laneWaiting && len(l.keepers) == 0 {
		ls.waiting.remove(l)
		jobs = l.drop(errLaneOver)
	}
	ls.mu.Unlock()
	for _, j := range jobs {
		j.fn(j.ctx) // returns at once: who wanted it has gone
	}
}

// drop ends a lane that waits, and returns its jobs, which are to be refused.
func (l *lane) drop(why error) (jobs []laneJob) {
	l.state, l.refused = laneOver, why
	if l.first.fn != nil {
		jobs = append([]laneJob{l.first}, l.jobs...)
	}
	l.first, l.jobs, l.keepers = laneJob{}, nil, nil
	return jobs
}

// enter says that c is what the lane is at now. It returns an error when the lane was
// refused its turn. It is for the lane's own jobs, under which the state does not
// change, or those of drop, after which it does not.
func (l *lane) enter(c *calling) error {
	l.call.Store(c)
	return l.refused
}

// close takes no more lanes, refuses those that wait, and aborts what keeps one. The
// channel idle is closed when the last has ended. It reports whether it was the first
// to close them.
func (ls *lanes) close() bool {
	ls.mu.Lock()
	if ls.closed {
		ls.mu.Unlock()
		return false
	}
	ls.closed = true
	var refused []laneJob
	for l := ls.waiting.first; l != nil; l = ls.waiting.first {
		ls.waiting.remove(l)
		refused = append(refused, l.drop(ErrClosed)...)
	}
	if len(ls.busy) == 0 {
		close(ls.idle)
	}
	ls.mu.Unlock()
	for _, j := range refused {
		j.fn(j.ctx) // says that the lane was refused
	}
	ls.abort(false)
	return true
}

// hurry ends what is under way, so that the lanes become idle soon.
func (ls *lanes) hurry() {
	ls.abort(true)
	ls.mu.Lock()
	var calls []*calling
	for _, l := range ls.busy {
		if c := l.call.Load(); c != nil {
			calls = append(calls, c)
		}
	}
	ls.mu.Unlock()
	for _, c := range calls {
		c.cutShort()
	}
}

// abort aborts what keeps a lane.
func (ls *lanes) abort(now bool) {
	ls.mu.Lock()
	busy := slices.Clone(ls.busy)
	ls.mu.Unlock()
	for _, l := range busy {
		l.abortAfter(nil, now)
	}
}
