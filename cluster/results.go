package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// value sends the result of a job. That of a job with a key is stored first, where
// NATS takes only the first one: only what was stored is told.
func (w *worker) value(h *held, out []byte) {
	if len(out) > w.config.maxMessage {
		w.failure(h, reply{kind: replyTooLarge, message: strconv.Itoa(len(out))})
		return
	}
	if !w.claim(h) {
		return
	}
	r := reply{kind: replyValue, id: h.job.id, attempts: h.tries.failures + 1, body: out}
	if len(out) > w.inline {
		name := fmt.Sprintf("r.%s.%d", h.job.id, h.delivered)
		ctx, cancel := context.WithTimeout(context.Background(), setupTime)
		defer cancel()
		if err := w.streams.putObject(ctx, name, out); err != nil {
			w.config.log.Warn("cluster: a result", "function", h.job.function, "error", err)
			w.answer(h, back(lastBack))
			return
		}
		r.object, r.body = true, []byte(name)
	}
	if h.job.key == "" {
		_ = w.nc.Publish(h.job.reply, r.encode())
		w.doneWith(h)
		return
	}
	h.result = r.encode()
	w.storeResult(h)
}

// doneWith acknowledges a job that has its result.
func (w *worker) doneWith(h *held) {
	w.answer(h, ackDone)
	if h.job.object {
		w.dropObject(string(h.job.arg))
	}
}

// dropObject removes a large value. It is for goroutines that may wait.
func (w *worker) dropObject(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	w.streams.dropObject(ctx, name)
}

// storeResult sends the result of a key to its stream.
func (w *worker) storeResult(h *held) {
	w.mu.Lock()
	w.n++
	n := strconv.FormatUint(w.n, 36)
	if h.answer != "" {
		delete(w.results, h.answer)
	}
	h.answer, h.sent = n, time.Now()
	w.results[n] = h
	w.mu.Unlock()
	_ = w.nc.PublishMsg(&nats.Msg{ // what is lost is sent again by renew
		Subject: w.streams.resultOf(hashOf(h.job.function, h.job.key)),
		Reply:   w.inbox + ".s." + n,
		Header:  firstOnly,
		Data:    h.result,
	})
}

// resultsLate returns the jobs whose results have to be sent again. Called with
// w.mu.
func (w *worker) resultsLate(now time.Time) (late []*held) {
	for _, n := range slices.Sorted(maps.Keys(w.results)) {
		h := w.results[n]
		if now.Sub(h.sent) > answerTime {
			late = append(late, h)
		}
	}
	return late
}

// resultStored takes NATS' answer to the result of a key.
func (w *worker) resultStored(m *nats.Msg) {
	n := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	code, err := problem(m)
	if err != nil && code != codeWrongLast {
		return // it is sent again by renew
	}
	w.mu.Lock()
	h := w.results[n]
	delete(w.results, n)
	if len(w.results) == 0 {
		w.idle.Broadcast()
	}
	w.mu.Unlock()
	if h == nil {
		return
	}
	if err == nil && !h.job.object {
		w.passOn(h, h.result)
		return
	}
	// NATS must not wait for what follows.
	w.others.Go(func() {
		if err == nil {
			w.passOn(h, h.result)
			return
		}
		w.passOnStored(h)
	})
}

// passOnStored tells the result that another run of the job, or of one with the
// same key, has stored before.
func (w *worker) passOnStored(h *held) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	m, err := w.streams.last(ctx, w.streams.results, w.streams.resultOf(hashOf(h.job.function, h.job.key)))
	if err != nil || m == nil {
		w.answer(h, back(firstBack)) // whoever gets it next looks again
		return
	}
	if r, err := decodeReply(h.result); err == nil && r.object && string(m.Data) != string(h.result) {
		w.dropObject(string(r.body))
	}
	w.passOn(h, m.Data)
}

// passOn tells a stored result to who submitted the job.
func (w *worker) passOn(h *held, stored []byte) {
	r, err := decodeReply(stored)
	if err != nil {
		w.config.log.Error("cluster: a stored result", "function", h.job.function, "error", err)
		w.answer(h, back(lastBack))
		return
	}
	w.tell(h, r) // others who wait for the key have seen it on its way to the store
	w.doneWith(h)
	w.pull() // its function returned long ago
}

// lookUp asks NATS whether a key has a result: its job was delivered before, or was
// submitted in the moment when another with the same key had ended. That was stored
// before this job could be, so it is not too early to ask when it comes; and jobs that
// wait for their turn need not wait for the answer then.
func (w *worker) lookUp(h *held) {
	if h.job.key != "" {
		subject := w.streams.api("DIRECT.GET", w.streams.results) + "." + w.streams.resultOf(hashOf(h.job.function, h.job.key))
		_ = w.nc.PublishRequest(subject, w.inbox+".k."+h.lookup, nil) // what is lost is asked for again
	}
}

// resultLooked takes the answer.
func (w *worker) resultLooked(m *nats.Msg) {
	n := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	w.mu.Lock()
	h := w.lookups[n]
	delete(w.lookups, n)
	w.mu.Unlock()
	if h != nil {
		h.stored.put(m)
	}
}

// hasResult reports whether a job's key has a result, which is passed on then.
func (w *worker) hasResult(ctx context.Context, h *held) (bool, error) {
	if h.job.key == "" {
		return false, nil
	}
	m, err := w.lookedUp(ctx, h)
	if m == nil || err != nil {
		return false, err
	}
	if w.claim(h) {
		w.passOn(h, m.Data)
	}
	return true, nil
}

// lookedUp waits for the answer to lookUp, and asks again when it does not come.
func (w *worker) lookedUp(ctx context.Context, h *held) (*nats.Msg, error) {
	if m, came := h.stored.get(answerTime / 4); came {
		return found(m)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return w.streams.last(ctx, w.streams.results, w.streams.resultOf(hashOf(h.job.function, h.job.key)))
}
