package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// How many jobs a worker takes beyond those that it runs: as many as it is done
// with within this time. More would wait here while other workers have nothing to
// do, and would have to be run again when this one dies.
const (
	aheadTime = 20 * time.Millisecond
	maxAhead  = 256
	// queuedTooLong is after what time a job that has not begun is given back.
	queuedTooLong = 250 * time.Millisecond

	pullBytes = 16 << 20
)

// Answers to the delivery of a job.
var (
	ackDone     = []byte("+ACK")
	ackProgress = []byte("+WPI")
	ackBack     = []byte("-NAK")
)

// ahead returns how many jobs to hold. Called with w.mu.
func (w *worker) ahead() int {
	slots := w.config.concurrency
	return slots + int(min(time.Duration(slots)*aheadTime/max(w.average, 1), maxAhead))
}

// notice learns from jobs that run for long before they have ended. Called with
// w.mu.
func (w *worker) notice(now time.Time) {
	youngest := time.Duration(-1)
	for _, h := range w.held {
		if h.state == running && (youngest < 0 || now.Sub(h.started) < youngest) {
			youngest = now.Sub(h.started)
		}
	}
	if w.running >= w.config.concurrency {
		w.average = max(w.average, youngest)
	}
}

// pull asks for jobs when there is room for some.
func (w *worker) pull() {
	w.mu.Lock()
	target := w.ahead()
	n := target - len(w.held) - w.wanted
	if w.leaving || n < max(1, target/2) {
		w.mu.Unlock()
		return
	}
	w.wanted += n
	w.pulled = time.Now()
	w.mu.Unlock()
	// It ends soon by itself, or NATS would go on to give jobs to a process that was
	// stopped, and only to that.
	request := fmt.Sprintf(`{"expires":%d,"batch":%d,"max_bytes":%d}`, w.streams.lease, n, pullBytes)
	err := w.nc.PublishRequest(w.streams.api("CONSUMER.MSG.NEXT", w.streams.jobs)+"."+w.streams.consumer, w.inbox+".p", []byte(request))
	if err != nil {
		w.mu.Lock()
		w.wanted = 0 // keep asks again
		w.mu.Unlock()
	}
}

// taken takes what NATS sends for a pull: a job, or what has become of the pull.
func (w *worker) taken(m *nats.Msg) {
	if m.Header != nil && m.Header.Get("Status") != "" {
		w.pullStatus(m.Header)
		return
	}
	h, err := newHeld(w, m)
	now := time.Now()
	h.taken = now
	w.mu.Lock()
	w.heard = now
	if w.wanted > 0 {
		w.wanted--
	}
	switch old := w.held[h.message]; {
	case err != nil: // nobody can ever run it
		w.mu.Unlock()
		w.config.log.Error("cluster: a job that cannot be read is dropped", "error", err)
		_ = w.nc.Publish(m.Reply, ackDone)
		return
	case w.leaving:
		w.mu.Unlock()
		_ = w.nc.Publish(h.ack, ackBack)
		return
	case old != nil: // its lease was over, and it has come back to the same worker
		old.ack, old.delivered = h.ack, h.delivered
		w.mu.Unlock()
		return
	case w.done.has(h.message): // the acknowledgement came late
		w.mu.Unlock()
		_ = w.nc.Publish(h.ack, ackDone)
		return
	}
	w.held[h.message] = h
	w.byID[h.job.id] = append(w.byID[h.job.id], h)
	if h.job.key != "" {
		w.n++
		h.lookup, h.stored = strconv.FormatUint(w.n, 36), w.place.mailbox()
		w.lookups[h.lookup] = h
	}
	w.queue = append(w.queue, h)
	w.arrived.Signal()
	w.mu.Unlock()
	w.lookUp(h)
	w.pull()
}

func newHeld(w *worker, m *nats.Msg) (*held, error) {
	h := &held{worker: w, raw: m.Data, ack: m.Reply}
	var err error
	if h.delivered, h.message, err = delivery(m.Reply); err == nil {
		h.job, err = decodeJob(m.Data)
	}
	return h, err
}

// messageID tells messages of a stream apart, also those of one that was lost with
// its server's memory and made anew.
type messageID struct {
	seq  uint64 // its number in the stream
	time int64  // when it was stored
}

// delivery reads the subject by which a message is acknowledged: how often it was
// delivered, and which it is.
// $JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<seq>.<time>.<pending>, or with the
// domain and the account behind ACK and perhaps a word at the end.
func delivery(subject string) (delivered uint64, m messageID, err error) {
	words := strings.Split(subject, ".")
	at := 4
	if len(words) >= 11 {
		at = 6
	}
	if len(words) < at+5 {
		return 0, messageID{}, fmt.Errorf("cluster: a delivery's subject is %q", subject)
	}
	if delivered, err = strconv.ParseUint(words[at], 10, 64); err == nil {
		m.seq, err = strconv.ParseUint(words[at+1], 10, 64)
	}
	if err == nil {
		m.time, err = strconv.ParseInt(words[at+3], 10, 64)
	}
	return delivered, m, err
}

// pullStatus takes what NATS says of a pull: that it is over.
func (w *worker) pullStatus(h nats.Header) {
	w.mu.Lock()
	w.heard = time.Now()
	status := h.Get("Status")
	n, err := strconv.Atoi(h.Get("Nats-Pending-Messages"))
	if err != nil {
		n = w.wanted
	}
	w.wanted = max(0, w.wanted-n)
	w.mu.Unlock()
	if status == "408" || status == "409" && err == nil {
		w.pull()
	} // else keep asks again, a little later: there is no stream, or nobody who has it
}

// release takes a job out of those that are held. Called with w.mu.
func (w *worker) release(h *held) {
	if h.state == settled {
		return
	}
	h.state = settled
	delete(w.held, h.message)
	delete(w.lookups, h.lookup)
	same := slices.DeleteFunc(w.byID[h.job.id], func(o *held) bool { return o == h })
	if len(same) == 0 {
		delete(w.byID, h.job.id)
	} else {
		w.byID[h.job.id] = same
	}
}

// giveBack lets other workers have jobs.
func (w *worker) giveBack(all []*held) {
	for _, h := range all {
		_ = w.nc.Publish(h.ack, ackBack)
	}
}

// keep tells that the jobs that are held are being looked after, and sees to it that
// there are some, until stop is called.
func (w *worker) keep() (stop func()) {
	last := time.Now()
	looks := w.place.every(w.streams.lease/4, func() {
		now := time.Now()
		w.renew(now, now.Sub(last) > w.streams.lease)
		last = now
		w.pull()
	})
	beats := w.place.every(beatEvery, func() { w.tellPresence(Working) })
	return func() {
		looks()
		beats()
	}
}

// inOrder returns the jobs that are held in the order in which they were submitted.
// Called with w.mu.
func (w *worker) inOrder() []*held {
	return slices.SortedFunc(maps.Values(w.held), func(a, b *held) int {
		return cmp.Or(cmp.Compare(a.message.time, b.message.time), cmp.Compare(a.message.seq, b.message.seq))
	})
}

// renew renews the leases of what is held. When they have run out, since this
// process was stopped, others have the jobs now: those that have not begun are let
// go.
func (w *worker) renew(now time.Time, lost bool) {
	var renewed []string
	var back []*held
	w.mu.Lock()
	w.notice(now)
	w.queue = slices.DeleteFunc(w.queue, func(h *held) bool {
		if !lost && now.Sub(h.taken) < queuedTooLong {
			return false
		}
		if !lost {
			back = append(back, h)
		}
		w.release(h)
		return true
	})
	for _, h := range w.inOrder() {
		renewed = append(renewed, h.ack)
	}
	again := w.resultsLate(now)
	if w.wanted > 0 && now.Sub(w.heard) > 2*w.streams.lease && now.Sub(w.pulled) > 2*w.streams.lease {
		w.wanted = 0 // the pull was lost
	}
	w.mu.Unlock()
	for _, ack := range renewed {
		_ = w.nc.Publish(ack, ackProgress)
	}
	w.giveBack(back)
	for _, h := range again {
		w.storeResult(h)
	}
}

// reconnected asks for jobs anew. A server that kept all in memory has lost the
// streams.
func (w *worker) reconnected() {
	if !w.opened.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(w.base, setupTime)
	defer cancel()
	if err := w.streams.ensure(ctx, w.config); err != nil {
		w.config.log.Warn("cluster: after a new connection", "error", err)
	}
	w.mu.Lock()
	w.wanted = 0
	w.mu.Unlock()
	w.pull()
}

// cancelJob ends a job that its client has cancelled.
func (w *worker) cancelJob(m *nats.Msg) {
	w.mu.Lock()
	all := slices.Clone(w.byID[string(m.Data)])
	for _, h := range all {
		if h.state == queued {
			w.queue = slices.DeleteFunc(w.queue, func(o *held) bool { return o == h })
		}
	}
	w.mu.Unlock()
	for _, h := range all {
		if !w.claim(h) {
			continue // it is done
		}
		if h.cancel != nil {
			h.cancel(errCancelled)
		}
		w.answer(h, ackDone)
		if h.job.key != "" {
			w.tellAll(h, reply{kind: replyCancelled})
		}
	}
}

// recent are the jobs that were done last.
type recent struct {
	known map[messageID]struct{}
	ring  [1024]messageID
	n     int
}

func (r *recent) has(m messageID) bool {
	_, ok := r.known[m]
	return ok
}

func (r *recent) add(m messageID) {
	if r.known == nil {
		r.known = make(map[messageID]struct{}, len(r.ring))
	}
	at := r.n % len(r.ring)
	if r.n >= len(r.ring) {
		delete(r.known, r.ring[at])
	}
	r.ring[at] = m
	r.known[m] = struct{}{}
	r.n++
}
