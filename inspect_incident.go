package asyncio

import (
	"slices"
	"sync"
)

// An Incident is something that went wrong in a loop, at the moment when it did. See
// [NotifyIncidents].
type Incident struct {
	Kind string    // "stall", "goes on" or "panic"
	Loop *Loop     // where it was
	Task uint64    // in which task; 0: in a callback, or not known
	Look *LoopLook // of a stall: the loop as it is seen from outside
	Err  error     // of a panic: the *PanicError
}

// NotifyIncidents makes fn be called for each incident of a loop of the process, on a
// goroutine of its own, one after another, until stop is called: a loop that stands
// still longer than [WithStallWatch] says, and its going on; and, while insight is on
// ([SetInsight]), a panic in a task or a callback. More than a hundred that fn has not
// been told of yet are dropped. It may be called in any goroutine.
func NotifyIncidents(fn func(Incident)) (stop func()) {
	s := &incidentSink{fn: fn}
	incidents.mu.Lock()
	incidents.sinks = append(incidents.sinks, s)
	incidents.mu.Unlock()
	return func() {
		incidents.mu.Lock()
		defer incidents.mu.Unlock()
		incidents.sinks = slices.DeleteFunc(incidents.sinks, func(o *incidentSink) bool { return o == s })
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fn, s.queue = nil, nil
	}
}

var incidents struct {
	mu    sync.Mutex
	sinks []*incidentSink
}

// An incidentSink is who is told of incidents.
type incidentSink struct {
	mu    sync.Mutex
	fn    func(Incident)
	queue []Incident
	busy  bool // a goroutine tells
}

const maxIncidents = 100

// incidentsWanted reports whether somebody is to be told.
func incidentsWanted() bool {
	incidents.mu.Lock()
	defer incidents.mu.Unlock()
	return len(incidents.sinks) > 0
}

// tellIncident tells all who want to know. It does not wait for them.
func tellIncident(i Incident) {
	incidents.mu.Lock()
	defer incidents.mu.Unlock()
	for _, s := range incidents.sinks {
		s.mu.Lock()
		if len(s.queue) < maxIncidents {
			s.queue = append(s.queue, i)
			if !s.busy {
				s.busy = true
				go s.tell()
			}
		}
		s.mu.Unlock()
	}
}

// tell calls the function until there is nothing to tell.
func (s *incidentSink) tell() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || s.fn == nil {
			s.busy = false
			s.mu.Unlock()
			return
		}
		i, fn := s.queue[0], s.fn
		s.queue = s.queue[1:]
		s.mu.Unlock()
		fn(i)
	}
}
