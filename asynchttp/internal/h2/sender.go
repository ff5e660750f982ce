package h2

import (
	"fmt"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// A sender is the way out of a stream's DATA.
//
// A task that writes adds frames to the outbox while windows are open and it is
// nobody else's turn; for the rest it leaves its slice here and is suspended
// until the outbox has taken all of it.
type sender struct {
	out     *outbox
	id      uint32
	urgency uint8
	window  sendWindow
	pending []byte // of the task that waits
	last    bool   // END_STREAM comes with the end of pending
	busy    bool   // a task writes
	queued  bool   // in the outbox's queue
	next    *sender
	moved   asyncio.Event // pending was taken, or err is set
	err     error
}

// write sends p, and END_STREAM with it when last is set, and returns how much
// of p was taken.
func (s *sender) write(p []byte, last bool) (int, error) {
	if !coro.OnMarkedGoroutine() {
		return 0, fmt.Errorf("asynchttp: write: %w", asyncio.ErrWrongGoroutine)
	}
	for s.busy && s.err == nil { // another task's turn
		s.moved.Clear()
		if err := wait(s.out.loop, &s.moved); err != nil {
			return 0, err
		}
	}
	if s.err != nil {
		return 0, s.err
	}
	if len(p) == 0 {
		if last {
			s.out.data(s.id, nil, true)
		}
		return 0, nil
	}
	s.pending, s.last = p, last
	if s.out.queue.n == 0 {
		for s.sendable() > 0 && !s.out.clogged && len(s.out.buf) < outLimit {
			s.send()
		}
	}
	if len(s.pending) == 0 {
		s.pending = nil
		return len(p), nil
	}
	return s.waitTaken(p)
}

// waitTaken suspends the running task until pending was taken.
func (s *sender) waitTaken(p []byte) (int, error) {
	s.busy = true
	s.ready()
	var err error
	for err == nil && s.err == nil && len(s.pending) > 0 {
		s.moved.Clear()
		err = wait(s.out.loop, &s.moved)
	}
	left := len(s.pending)
	if err == nil && left > 0 {
		err = s.err
	}
	s.out.queue.remove(s)
	s.busy, s.pending = false, nil
	s.moved.Set() // whoever waits for its turn
	return len(p) - left, err
}

// ready puts the sender into the queue when it can send something.
func (s *sender) ready() {
	if len(s.pending) > 0 && s.window > 0 && !s.queued && s.err == nil && !s.out.closed {
		s.out.queue.push(s)
		s.out.schedule()
	}
}

// turn sends a frame; the outbox calls it.
func (s *sender) turn() {
	if s.sendable() > 0 {
		s.send()
	}
	if len(s.pending) == 0 {
		s.moved.Set()
		return
	}
	s.ready()
}

// sendable returns how many bytes the next frame may have.
func (s *sender) sendable() int {
	return int(min(int64(len(s.pending)), int64(s.window), int64(s.out.window), frameSize))
}

// send adds one frame, of what is sendable.
func (s *sender) send() {
	n := s.sendable()
	s.window.take(n)
	s.out.window.take(n)
	s.out.data(s.id, s.pending[:n], s.last && n == len(s.pending))
	s.pending = s.pending[n:]
}

// fail ends the sender: who writes, now or later, gets err.
func (s *sender) fail(err error) {
	if s.err == nil {
		s.err = err
		s.out.queue.remove(s)
		s.moved.Set()
	}
}

// prefer changes the urgency.
func (s *sender) prefer(urgency uint8) {
	queued := s.queued
	s.out.queue.remove(s)
	s.urgency = urgency
	if queued {
		s.out.queue.push(s)
	}
}
