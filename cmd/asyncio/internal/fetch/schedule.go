package fetch

import (
	"net/url"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A job is one URL to fetch, through all its attempts.
type job struct {
	number int    // of the URL, from 0
	raw    string // as it was given
	url    *url.URL
	bad    error // why url is nil
	out    Output

	host    *host
	place   *place        // where the body is saved, once that is known
	retries int           // attempts after the first
	began   time.Duration // the first attempt
}

// host counts what is under way to one host, and keeps the jobs that must wait
// for their turn there.
type host struct {
	active  int
	waiting queue[*job]
}

// schedule decides when a job starts: in the order of the URLs, but for bounds
// on how many run at a time, on how many of them go to one host, and on how
// often one may start. A job that waits before another attempt holds no place.
//
// It starts jobs by calling start, which must return at once and lead to one
// call of done.
type schedule struct {
	loop     *asyncio.Loop
	start    func(*job)
	max      int
	maxHost  int           // 0: no bound
	interval time.Duration // between two starts

	ready    queue[*job]
	hosts    map[string]*host // those with something active or waiting
	active   int
	held     int // jobs that wait for their host
	resting  int // jobs that wait before another attempt
	next     time.Duration
	timer    *asyncio.TimerHandle // for next
	complete bool                 // no more jobs will be added
	stopped  bool

	room *asyncio.Future[struct{}] // somebody waits to add
	idle *asyncio.Future[struct{}] // done when all is
}

// lookahead is how many jobs are read ahead of what runs: a list of any length
// costs no more memory than this.
const lookahead = 4096

func newSchedule(l *asyncio.Loop, o *Options, start func(*job)) *schedule {
	parallel, _ := o.parallel()
	return &schedule{
		loop: l, start: start, max: parallel, maxHost: o.ParallelMaxHost, interval: o.Rate.interval,
		hosts: map[string]*host{}, idle: asyncio.NewFuture[struct{}](l),
	}
}

// add puts a job at the end and starts it if there is a place.
func (s *schedule) add(j *job) {
	s.ready.push(j)
	s.pump()
}

// full reports whether the caller of add should wait for room.
func (s *schedule) full() bool { return s.ready.len()+s.held >= lookahead }

// end is called when no more jobs will be added.
func (s *schedule) end() {
	s.complete = true
	s.settle()
}

// unfinished is how many jobs there are that are not done.
func (s *schedule) unfinished() int { return s.ready.len() + s.held + s.resting + s.active }

// stop starts nothing more.
func (s *schedule) stop() {
	s.stopped = true
	if s.timer != nil {
		s.timer.Cancel()
	}
	s.settle()
}

// done takes the place of a job back. again, when not negative, is how long to
// wait before the job runs once more.
func (s *schedule) done(j *job, again time.Duration) {
	s.active--
	s.leave(j)
	if again >= 0 && !s.stopped {
		s.resting++
		s.loop.CallLater(again, func() {
			s.resting--
			s.add(j)
			s.settle()
		})
	}
	s.pump()
	s.settle()
}

// settle wakes those whose condition has become true.
func (s *schedule) settle() {
	if s.room != nil && (!s.full() || s.stopped) && !s.room.Done() {
		_ = s.room.SetResult(struct{}{})
	}
	over := s.complete && s.ready.len()+s.held+s.resting == 0 || s.stopped
	if over && s.active == 0 && !s.idle.Done() {
		_ = s.idle.SetResult(struct{}{})
	}
}

// pump starts what may start now.
func (s *schedule) pump() {
	for s.active < s.max && !s.stopped {
		if s.interval > 0 && s.ready.len() > 0 && !s.due() {
			return
		}
		j, ok := s.take()
		if !ok {
			return
		}
		s.active++
		if s.interval > 0 {
			s.next = max(s.next, s.loop.Time()) + s.interval
		}
		s.start(j)
	}
}

// due reports whether the rate allows a start now. If not, a timer pumps again.
func (s *schedule) due() bool {
	if s.loop.Time() >= s.next {
		return true
	}
	if s.timer == nil || s.timer.When() != s.next {
		s.timer = s.loop.CallAt(s.next, s.pump)
	}
	return false
}

// take returns the first job whose host has a place for it.
func (s *schedule) take() (*job, bool) {
	for s.ready.len() > 0 {
		j := s.ready.pop()
		if s.room != nil {
			s.settle()
		}
		if s.enter(j) {
			return j, true
		}
	}
	return nil, false
}

// enter counts j in at its host, or lets it wait there.
func (s *schedule) enter(j *job) bool {
	if s.maxHost <= 0 || j.url == nil {
		return true
	}
	if j.host == nil {
		key := hostKey(j.url)
		if j.host = s.hosts[key]; j.host == nil {
			j.host = &host{}
			s.hosts[key] = j.host
		}
	}
	if j.host.active >= s.maxHost {
		j.host.waiting.push(j)
		s.held++
		return false
	}
	j.host.active++
	return true
}

func hostKey(u *url.URL) string { return u.Scheme + "://" + hostPort(u) }

// leave counts j out at its host, and makes the next one there ready, before
// all others: it has waited longer.
func (s *schedule) leave(j *job) {
	h := j.host
	if h == nil {
		return
	}
	h.active--
	j.host = nil
	if h.active == 0 && h.waiting.len() == 0 {
		delete(s.hosts, hostKey(j.url))
	}
	if h.waiting.len() > 0 {
		s.held--
		s.ready.pushFront(h.waiting.pop())
	}
}

// queue is a first-in first-out queue that reuses its memory.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(v T) {
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

func (q *queue[T]) pushFront(v T) {
	if q.head > 0 {
		q.head--
		q.items[q.head] = v
		return
	}
	q.items = append([]T{v}, q.items...)
}

func (q *queue[T]) pop() T {
	var zero T
	v := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return v
}
