package asyncio

import "time"

// A LoopLook is a loop as it was seen at one moment. See [Loop.Look]. It does not
// change once it is made, and may be read in any goroutine. As JSON, durations are
// nanoseconds.
type LoopLook struct {
	Loop  uint64 `json:"loop"`  // the loop's number in the process, see Loop.ID
	State string `json:"state"` // "runs", "parked", "stuck" or "stopped"
	Level string `json:"level"` // what the loop takes note of: "off", "on" or "every step"

	// Stuck is how long a loop that is stuck has not moved, at least.
	Stuck time.Duration `json:"stuck_ns,omitempty"`
	// Culprit is what holds a loop that is stuck; nil where it was not found.
	Culprit *CulpritLook `json:"culprit,omitempty"`

	Now   time.Duration `json:"now_ns"`     // the loop's clock
	Stats Stats         `json:"stats"`      // see Loop.Stats
	Busy  float64       `json:"busy_ratio"` // see Stats.BusyRatio

	// What follows is what the loop has taken note of, at level on and above.

	Turns  HistogramLook `json:"turns"`            // how long turns took
	Late   HistogramLook `json:"late"`             // how late timers fired: every fourth counts for four
	Steps  HistogramLook `json:"steps"`            // how long steps and callbacks took, while they were timed
	Slow   []StepLook    `json:"slow,omitempty"`   // the last that were slow, the newest first
	Ended  []EndLook     `json:"ended,omitempty"`  // the last tasks that have ended, the newest first
	Events []EventLook   `json:"events,omitempty"` // where they were asked for, the oldest first

	// Tasks are the tasks that have not ended, the oldest first.
	Tasks []TaskLook `json:"tasks,omitempty"`
	// More is whether there are tasks beyond the last of Tasks: ask again with After.
	More bool `json:"more,omitempty"`
	// Cycles are tasks that wait for each other in a circle, by their numbers: none of
	// them will go on by itself. They are found where all tasks were looked at.
	Cycles [][]uint64 `json:"cycles,omitempty"`
	// Places are where the suspended tasks of a loop that is stuck stand, the place of
	// most tasks first: such a loop cannot say which task stands where.
	Places []PlaceLook `json:"places,omitempty"`

	Executors   []ExecutorLook `json:"executors,omitempty"` // those that are the loop's own
	Sockets     []SocketLook   `json:"sockets,omitempty"`   // where they were asked for
	SocketCount int            `json:"socket_count"`        // all there are
	Processes   []ProcessLook  `json:"processes,omitempty"` // subprocesses that have not ended
	Unseen      int            `json:"unseen_errors"`       // errors of futures and tasks that nobody has looked at yet

	Took time.Duration `json:"took_ns"` // how long the look took
	Held time.Duration `json:"held_ns"` // the longest that it has held the loop at a time
}

// A CulpritLook is what holds a loop that is stuck.
type CulpritLook struct {
	Task  uint64      `json:"task,omitempty"`  // 0: a callback
	Name  string      `json:"name,omitempty"`  // of the task
	Doing string      `json:"doing"`           // in a few words: "blocked in sync.Mutex.Lock"
	Hint  string      `json:"hint,omitempty"`  // what to do about it
	Place string      `json:"place,omitempty"` // the line of the program: "/src/main.go:82"
	Stack []FrameLook `json:"stack"`           // the innermost call first
}

// A FrameLook is a call in a stack.
type FrameLook struct {
	Function string `json:"function"` // with the path of its package
	File     string `json:"file"`     // with its path
	Line     int    `json:"line"`     // from 1
}

// A TaskLook is a task in a [LoopLook].
type TaskLook struct {
	ID     uint64 `json:"id"`               // of the loop's tasks, from 1
	Parent uint64 `json:"parent,omitempty"` // the task that has made it; 0: none did, or nobody took note
	Name   string `json:"name"`             // see WithName
	State  string `json:"state"`            // "runs", "ready", "waits" or "not started"

	// For is how long it has been in its state, to some milliseconds; -1: not known.
	For     time.Duration `json:"for_ns"`
	Busy    time.Duration `json:"busy_ns"`           // how long its steps took, while they were timed
	Steps   uint32        `json:"steps"`             // how often it has waited
	Cancels int           `json:"cancels,omitempty"` // requests that were not taken back

	// Waits says what it waits for; nil where it does not.
	Waits *WaitLook `json:"waits,omitempty"`

	Function string            `json:"function,omitempty"` // its own, where stacks were asked for
	At       *FrameLook        `json:"at,omitempty"`       // where the program stands, likewise
	Stack    []FrameLook       `json:"stack,omitempty"`    // as Task.Stack returns it, likewise
	Labels   map[string]string `json:"labels,omitempty"`   // of runtime/pprof, where they were asked for
}

// A WaitLook says what a task waits for.
type WaitLook struct {
	// Kind is "sleep", "task", "tasks", "future", "lock", "semaphore", "queue",
	// "condition", "event", "socket", "server", "process", "job", "thread queue" or
	// another word.
	Kind string `json:"kind"`
	// Object tells one lock, queue or future from another, while both exist.
	Object string `json:"object,omitempty"`
	// Call is the function of this package that the program has called to wait,
	// "StreamReader.ReadLine", where stacks were asked for.
	Call string `json:"call,omitempty"`
	// Detail is what else there is to say: "put: full, 100 items", "read 127.0.0.1:80".
	Detail string `json:"detail,omitempty"`
	// Until is when a sleep is over, on the loop's clock.
	Until time.Duration `json:"until_ns,omitempty"`
	// Tasks are those that must do something so that the wait ends: those that are
	// awaited, or that hold what is waited for. Who holds a semaphore, or has items of
	// a queue, is known at level on and above.
	Tasks []uint64 `json:"tasks,omitempty"`
	// Any is whether one of Tasks is enough.
	Any bool `json:"any,omitempty"`
}

// A PlaceLook is where tasks stand.
type PlaceLook struct {
	Count int         `json:"count"` // how many
	Stack []FrameLook `json:"stack"` // the innermost call first
}

// A StepLook is a step of a task, or a callback, that took a millisecond or more; or
// several together that took ten, where they were not timed each.
type StepLook struct {
	Of    int           `json:"of"`              // how many steps and callbacks it is
	At    time.Duration `json:"at_ns"`           // when it began, on the loop's clock
	Took  time.Duration `json:"took_ns"`         // how long it was
	Task  uint64        `json:"task,omitempty"`  // 0: a callback, or not known
	Name  string        `json:"name,omitempty"`  // of the task
	Stack []FrameLook   `json:"stack,omitempty"` // what it did, where it was caught at it
}

// An EndLook is a task that has ended.
type EndLook struct {
	ID     uint64        `json:"id"`               // as in TaskLook
	Parent uint64        `json:"parent,omitempty"` // likewise
	Name   string        `json:"name"`             // likewise
	Ended  time.Duration `json:"ended_ns"`         // when, on the loop's clock
	Busy   time.Duration `json:"busy_ns"`          // as in TaskLook
	Steps  uint32        `json:"steps"`            // likewise
	State  string        `json:"state"`            // "done", "failed" or "cancelled"
	Err    string        `json:"error,omitempty"`  // the beginning of the error's text
}

// An EventLook is something that a loop took note of. Events are noted while somebody
// asks for them, and always at level every step.
type EventLook struct {
	Seq  uint64        `json:"seq"`            // one more than of the event before
	At   time.Duration `json:"at_ns"`          // on the loop's clock
	Kind string        `json:"kind"`           // "made", "ended", "park", "step" or "slow"
	Task uint64        `json:"task,omitempty"` // 0: a callback, or the loop
	// Took is how long a step took that began at At, or a park that ended then.
	Took time.Duration `json:"took_ns,omitempty"`
	// Parent is who has made the task.
	Parent uint64 `json:"parent,omitempty"`
}

// A HistogramLook counts durations by their size.
type HistogramLook struct {
	// Counts has at [0] those below 128 ns, and at each after it those up to twice the
	// one before.
	Counts []uint64 `json:"counts,omitempty"`
}

// Quantile returns the duration that the part q of all is below, from 0 to 1: the
// upper end of where that lies. It is zero where nothing was counted.
func (h HistogramLook) Quantile(q float64) time.Duration {
	var all, sum uint64
	for _, n := range h.Counts {
		all += n
	}
	for i, n := range h.Counts {
		if sum += n; n > 0 && float64(sum) >= q*float64(all) {
			return 128 << i
		}
	}
	return 0
}

// An ExecutorLook is an executor that a loop has made or was given.
type ExecutorLook struct {
	Kind    string `json:"kind"`    // "threads", or "lookups" for names
	Workers int    `json:"workers"` // goroutines that there are now
	Max     int    `json:"max"`     // the most of them
	Running int    `json:"running"` // jobs under way
	Queued  int    `json:"queued"`  // jobs that wait for a worker
}

// A SocketLook is a socket of a loop.
type SocketLook struct {
	Kind   string `json:"kind"`             // "server", "connection" or "datagram"
	State  string `json:"state"`            // "open", "closing"; of a server also "not serving"
	Local  string `json:"local,omitempty"`  // this side's address
	Remote string `json:"remote,omitempty"` // the other side's
}

// A ProcessLook is a subprocess of a loop.
type ProcessLook struct {
	PID     int    `json:"pid"`     // its number
	Command string `json:"command"` // the path of its program
}
