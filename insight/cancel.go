package insight

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// errAsked is the cause of a cancellation that was asked for from outside.
var errAsked = errors.New("somebody asked for it through package insight")

func (w *window) serveCancel(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	loop, task := p.id("loop"), p.id("task")
	patience := p.duration("patience", time.Second, time.Millisecond, time.Minute)
	if p.err != nil {
		return p.err
	}
	if task == 0 {
		return badRequest("which task? /v1/cancel?task=ID")
	}
	s, err := w.chosen(loop)
	if err != nil {
		return err
	}
	answer := make(chan insightwire.Cancelled, 1)
	_, err = s.CallSoonThreadsafe(func() {
		c := insightwire.Cancelled{Loop: s.ID(), Task: task}
		if t := s.TaskByID(task); t != nil {
			c.Name = t.Name()
			if t.CancelCause(errAsked) {
				c.Result = "cancelled"
			}
		}
		answer <- c
	})
	if errors.Is(err, asyncio.ErrLoopClosed) {
		return &statusError{http.StatusNotFound, fmt.Sprintf("loop %d has ended", s.ID())}
	} else if err != nil {
		return err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case c := <-answer:
		if c.Result == "" {
			return &statusError{http.StatusNotFound, fmt.Sprintf("loop %d has no task %d, or it has ended", s.ID(), task)}
		}
		return reply(out, c)
	case <-timeout.C:
		out.Header().Set("Content-Type", "application/json")
		out.WriteHeader(http.StatusAccepted)
		return reply(out, insightwire.Cancelled{Loop: s.ID(), Task: task, Result: "queued"})
	case <-r.Context().Done():
		return nil
	}
}

// chosen returns the loop of that number; of none, the only one that there is.
func (w *window) chosen(id uint64) (subject, error) {
	all := w.subjects()
	for _, s := range all {
		if s.ID() == id || id == 0 && len(all) == 1 {
			return s, nil
		}
	}
	if id == 0 && len(all) > 1 {
		return nil, badRequest("the process has %d loops: which one? loop=ID", len(all))
	}
	return nil, &statusError{http.StatusNotFound, "there is no such loop"}
}
