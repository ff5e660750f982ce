package asyncio

import "time"

// A LoopLook is a loop as it was seen at one moment. See [Loop.Look]. It does not
// change once it is made, and may be read in any goroutine. Durations are in
// nanoseconds where it is written as JSON; those marked so are -1 where nobody has
// taken note of them.
type LoopLook struct {
	Loop  uint64 `json:"loop"`  // the loop's number in the process, as Loop.ID returns it
	State string `json:"state"` // "runs", "parked", "stuck", "stopped" or "closed"
	Level string `json:"level"` // what the loop takes note of: "off", "on" or "every step"

	// Stuck is how long a loop that is stuck has not moved, at least; Culprit is what
	// holds it.
	Stuck   time.Duration `json:"stuck_ns,omitempty"`
	Culprit *CulpritLook  `json:"culprit,omitempty"`

	Now   time.Duration `json:"now_ns"` // the loop's clock
	Stats Stats         `json:"stats"`
	Busy  float64       `json:"busy_ratio"` // Stats.BusyRatio

	// What the loop has taken note of, at level on and above.
	Turns  HistogramLook `json:"turns"`           // how long turns took
	Late   HistogramLook `json:"late"`            // how late timers fired
	Steps  HistogramLook `json:"steps"`           // how long steps and callbacks took, while they were timed
	Slow   []StepLook    `json:"slow,omitempty"`  // the last that were slow, the newest first
	Ended  []EndLook     `json:"ended,omitempty"` // the last tasks that have ended, the newest first
	Events []EventLook   `json:"events,omitempty"`

	Tasks []TaskLook `json:"tasks,omitempty"` // by their numbers, the oldest first
	// More is whether there are tasks beyond the last of Tasks: ask again with After.
	More bool `json:"more,omitempty"`
	// Cycles are tasks that wait for each other in a circle, by their numbers: none of
	// them will ever go on.
	Cycles [][]uint64 `json:"cycles,omitempty"`
	// Places are where the suspended tasks of a loop that is stuck stand, those in
	// most places first: a loop that does not answer cannot say which task stands
	// where.
	Places []PlaceLook `json:"places,omitempty"`

	Executors []ExecutorLook `json:"executors,omitempty"`
	Sockets   []SocketLook   `json:"sockets,omitempty"`
	Processes []ProcessLook  `json:"processes,omitempty"`
	// Unseen is how many errors of futures and tasks nobody has looked at so far.
	Unseen int `json:"unseen_errors"`

	Took time.Duration `json:"took_ns"` // how long the look took
	Held time.Duration `json:"held_ns"` // the longest that it has held the loop at a time
}

// A CulpritLook is what holds a loop that is stuck.
type CulpritLook struct {
	Task  uint64      `json:"task,omitempty"`  // 0: a callback
	Name  string      `json:"name,omitempty"`  // of the task
	Doing string      `json:"doing"`           // in a few words: "blocked in sync.Mutex.Lock"
	Hint  string      `json:"hint,omitempty"`  // what to do about it
	Place string      `json:"place,omitempty"` // the line of the program, "/src/main.go:82"
	Stack []FrameLook `json:"stack"`
}

// A FrameLook is a call in a stack.
type FrameLook struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// A TaskLook is a task in a [LoopLook].
type TaskLook struct {
	ID     uint64 `json:"id"`
	Parent uint64 `json:"parent,omitempty"` // the task that has made it; 0: none did, or nobody took note
	Name   string `json:"name"`
	State  string `json:"state"` // "runs", "ready", "waits" or "not started"

	For     time.Duration `json:"for_ns"`            // how long it is in its state, about; -1: not known
	Busy    time.Duration `json:"busy_ns"`           // of its steps that were timed
	Steps   uint32        `json:"steps"`             // how often it has waited
	Cancels int           `json:"cancels,omitempty"` // requests that were not taken back

	Waits *WaitLook `json:"waits,omitempty"` // nil: it does not wait

	Function string            `json:"function,omitempty"` // its own, where a stack was asked for
	At       *FrameLook        `json:"at,omitempty"`       // where the program waits, likewise
	Stack    []FrameLook       `json:"stack,omitempty"`    // as Task.Stack returns it
	Labels   map[string]string `json:"labels,omitempty"`   // of runtime/pprof, where they were asked for
}

// A WaitLook says what a task waits for.
type WaitLook struct {
	// Kind is "sleep", "task", "tasks", "future", "lock", "semaphore", "queue",
	// "condition", "event", "barrier", "socket", "process", "job", "stream" or the
	// like.
	Kind string `json:"kind"`
	// Object tells one lock, queue or future from another, while both exist.
	Object string `json:"object,omitempty"`
	// Detail is what there is to say: "3 of 3 taken", "full, 100 items",
	// "127.0.0.1:80".
	Detail string `json:"detail,omitempty"`
	// Until is when a sleep is over, on the loop's clock.
	Until time.Duration `json:"until_ns,omitempty"`
	// Tasks are those that must do something so that this wait ends: the one that is
	// awaited, or all that hold what is waited for.
	Tasks []uint64 `json:"tasks,omitempty"`
	// Any is whether one of Tasks is enough: of a semaphore's holders the first who
	// lets go.
	Any bool `json:"any,omitempty"`
}

// A PlaceLook is a stack, and how many tasks stand there.
type PlaceLook struct {
	Count int         `json:"count"`
	Stack []FrameLook `json:"stack"`
}

// A StepLook is a step of a task, or a callback, that took a millisecond or more.
type StepLook struct {
	At    time.Duration `json:"at_ns"` // when it began, on the loop's clock
	Took  time.Duration `json:"took_ns"`
	Task  uint64        `json:"task,omitempty"` // 0: a callback
	Name  string        `json:"name,omitempty"`
	Stack []FrameLook   `json:"stack,omitempty"` // what it did, where it was caught at it
}

// An EndLook is a task that has ended.
type EndLook struct {
	ID     uint64        `json:"id"`
	Parent uint64        `json:"parent,omitempty"`
	Name   string        `json:"name"`
	Ended  time.Duration `json:"ended_ns"` // when, on the loop's clock
	Busy   time.Duration `json:"busy_ns"`
	Steps  uint32        `json:"steps"`
	State  string        `json:"state"` // "done", "failed" or "cancelled"
	Err    string        `json:"error,omitempty"`
}

// An EventLook is something that a loop took note of.
type EventLook struct {
	Seq  uint64        `json:"seq"` // one more than of the event before
	At   time.Duration `json:"at_ns"`
	Kind string        `json:"kind"` // "made", "ended", "park", "step", "slow"
	Task uint64        `json:"task,omitempty"`
	// Took is how long a step took, or a park that ended at At. Of a task that was
	// made, Parent is who did it.
	Took   time.Duration `json:"took_ns,omitempty"`
	Parent uint64        `json:"parent,omitempty"`
}

// A HistogramLook counts durations: Counts[0] those below 128 ns, and each one after
// that those up to twice the one before.
type HistogramLook struct {
	Counts []uint64 `json:"counts,omitempty"`
}

// An ExecutorLook is an executor that a loop uses.
type ExecutorLook struct {
	Kind    string `json:"kind"` // "threads", "lookups" or "processes"
	Workers int    `json:"workers"`
	Max     int    `json:"max"` // the most workers
	Running int    `json:"running"`
	Queued  int    `json:"queued"`
}

// A SocketLook is a socket of a loop.
type SocketLook struct {
	Kind   string `json:"kind"`  // "server", "stream", "transport" or "datagram"
	State  string `json:"state"` // "open" or "closing"
	Local  string `json:"local,omitempty"`
	Remote string `json:"remote,omitempty"`
}

// A ProcessLook is a subprocess of a loop.
type ProcessLook struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}
