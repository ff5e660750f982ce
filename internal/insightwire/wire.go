// Package insightwire is what package insight sends and the command asyncio
// receives: the values of version 1 as JSON, and where the sockets are.
package insightwire

import (
	"time"

	"github.com/asyncio-go/asyncio"
)

// Version is that of the values and of the paths that begin with /v1/.
const Version = 1

// A Process is the process whose loops are shown.
type Process struct {
	PID     int       `json:"pid"`     // as the process itself knows it
	Program string    `json:"program"` // the name of its executable file
	Module  string    `json:"module,omitempty"`
	Go      string    `json:"go"`
	Started time.Time `json:"started"` // when insight was started
}

// A Head begins every answer.
type Head struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Process Process   `json:"process"`
}

// Looks are the loops of a process. It is the answer of /v1/loops, and each event
// "looks" of /v1/events.
type Looks struct {
	Head
	Loops []*asyncio.LoopLook `json:"loops"`
	// Failed are loops that could not be looked into, and why.
	Failed []Failure `json:"failed,omitempty"`
}

// A Failure is a loop that could not be looked into.
type Failure struct {
	Loop  uint64 `json:"loop"`
	Error string `json:"error"`
}

// Where is the tasks of a process, grouped by where they stand: the answer of
// /v1/where.
type Where struct {
	Looks         // with those tasks alone that are in Cycles
	Groups []Pack `json:"groups"`
	// Others are tasks that stand in yet other places.
	Others int `json:"others,omitempty"`
}

// A Pack is tasks of one loop that stand in the same place.
type Pack struct {
	Loop    uint64              `json:"loop"`
	Count   int                 `json:"count"`
	Longest time.Duration       `json:"longest_ns"` // how long the oldest of them waits; -1: not known
	Waits   string              `json:"waits,omitempty"`
	Tasks   []Member            `json:"tasks,omitempty"` // the first of them
	Stack   []asyncio.FrameLook `json:"stack"`
}

// A Member is a task of a Pack.
type Member struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
}

// A Graph is who waits for what, and who holds it: the answer of /v1/graph. Tasks
// that wait for nobody, and for whom nobody waits, are left out.
type Graph struct {
	Looks        // without tasks
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
	// More is whether there were more than the answer may hold.
	More bool `json:"more,omitempty"`
}

// A Node is a task, or what tasks wait for.
type Node struct {
	ID     string        `json:"id"`
	Loop   uint64        `json:"loop"`
	Kind   string        `json:"kind"` // "task", or as WaitLook.Kind
	Task   uint64        `json:"task,omitempty"`
	Name   string        `json:"name"`
	State  string        `json:"state,omitempty"`
	For    time.Duration `json:"for_ns,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Cycle  bool          `json:"cycle,omitempty"` // it is in a circle of tasks that wait for each other
}

// An Edge leads from who waits to what it waits for, or from a thing to who holds it.
type Edge struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Kind  string `json:"kind"` // "waits" or "held"
	Cycle bool   `json:"cycle,omitempty"`
}

// Cancelled is the answer of /v1/cancel.
type Cancelled struct {
	Loop uint64 `json:"loop"`
	Task uint64 `json:"task"`
	Name string `json:"name,omitempty"`
	// Result is "cancelled", or "queued" when the loop does not answer: then the
	// task is cancelled when the loop goes on.
	Result string `json:"result"`
}

// An Incident is a stall or a panic, as it is logged and put into files.
type Incident struct {
	Head
	Kind   string            `json:"kind"`
	Loop   uint64            `json:"loop"`
	Task   uint64            `json:"task,omitempty"`
	Error  string            `json:"error,omitempty"`
	Missed int               `json:"missed,omitempty"` // of the same kind, not written down since the last
	Look   *asyncio.LoopLook `json:"look,omitempty"`
	Window *Looks            `json:"window,omitempty"` // all loops, shortly after
}
