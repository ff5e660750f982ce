package asyncio

import "time"

// Stats says what a loop does and has done. See [Loop.Stats].
//
// All of it is always counted and costs next to nothing; only what is marked
// so is counted in debug mode alone.
type Stats struct {
	Ready  int `json:"ready"`  // callbacks and steps that are to run
	Timers int `json:"timers"` // timers that are set
	Tasks  int `json:"tasks"`  // tasks that have not ended

	TasksMade   uint64 `json:"tasks_made"`   // since the loop was made, as are all that follow
	Turns       uint64 `json:"turns"`        // rounds of the loop, up to the last look at the driver
	Parks       uint64 `json:"parks"`        // how often it had nothing to do and waited
	TimersFired uint64 `json:"timers_fired"` // timers that were due and ran

	// Lag is how late the last timer that fired was taken note of, MaxLag the
	// most that it ever was. A loop that is held up by a long callback shows
	// here first.
	Lag    time.Duration `json:"lag_ns"`
	MaxLag time.Duration `json:"max_lag_ns"`

	// Busy and Idle are how long the loop has run things, and waited. While it
	// parks often, only every eighth time is measured, and counts for eight.
	// On the virtual clock both are time of that clock, where nothing takes
	// any: Busy is zero.
	Busy time.Duration `json:"busy_ns"`
	Idle time.Duration `json:"idle_ns"`

	// Callbacks and InCallbacks are how many callbacks and steps of tasks have
	// run and how long they took, Slow those that took longer than
	// the limit of [Loop.SetSlowCallbackDuration]. They are counted in debug mode only.
	Callbacks   uint64        `json:"callbacks"`
	InCallbacks time.Duration `json:"in_callbacks_ns"`
	Slow        uint64        `json:"slow"`

	// Jobs are the functions in executors, and others outside, whose results
	// the loop waits for.
	Jobs int `json:"jobs"`
}

// BusyRatio returns Busy as a part of Busy and Idle, from 0 to 1. For that of the
// last minute take the difference of two Stats.
func (s Stats) BusyRatio() float64 {
	if s.Busy+s.Idle <= 0 {
		return 0
	}
	return float64(s.Busy) / float64(s.Busy+s.Idle)
}

// Since returns what was counted since an earlier Stats of the same loop. What
// says how it stands now, and MaxLag, is that of s.
func (s Stats) Since(earlier Stats) Stats {
	s.TasksMade -= earlier.TasksMade
	s.Turns -= earlier.Turns
	s.Parks -= earlier.Parks
	s.TimersFired -= earlier.TimersFired
	s.Busy -= earlier.Busy
	s.Idle -= earlier.Idle
	s.Callbacks -= earlier.Callbacks
	s.InCallbacks -= earlier.InCallbacks
	s.Slow -= earlier.Slow
	return s
}

// Stats says what the loop does and has done. It costs a copy. For the loop's
// goroutine; from another, go through [Loop.CallSoonThreadsafe].
func (l *Loop) Stats() Stats {
	s := Stats{
		Ready:       l.ready.Len(),
		Timers:      l.timers.Len(),
		Tasks:       l.tasks.n,
		TasksMade:   l.tasks.made,
		Turns:       l.counts.turns,
		Parks:       l.counts.parks,
		TimersFired: l.counts.timers,
		Lag:         l.counts.lag,
		MaxLag:      l.counts.maxLag,
		Busy:        l.counts.busy,
		Idle:        l.counts.idle,
		Jobs:        int(l.inbox.outside.Load()),
	}
	if p := l.explainer(); p != nil {
		s.Callbacks, s.InCallbacks, s.Slow = p.callbacks, p.inCallbacks, p.slowOnes
	}
	return s
}
