// Package simtrace is what a simulated world leaves of its events for those who look
// into it later: a file of JSON, a page for a browser, captures of its links. Package
// sim writes them, and the command asyncio shows them.
package simtrace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Version is that of the format. A change that readers must know about increases it.
const Version = 1

// A Trace is what has happened in a world.
type Trace struct {
	Head
	Events []Event // in their order
}

// A Head says which world it was. It is the first line of a file.
type Head struct {
	Version int           `json:"asyncio_trace"`
	Test    string        `json:"test,omitempty"`
	Seed    string        `json:"seed,omitempty"`    // a string: it may be more than JavaScript can count
	Error   string        `json:"error,omitempty"`   // why the world has failed
	Command string        `json:"command,omitempty"` // runs it again
	Hash    string        `json:"hash"`
	Choices int           `json:"choices"` // that are not tame
	Elapsed time.Duration `json:"elapsed_ns"`
	Turns   int           `json:"turns"`
	Hosts   []Host        `json:"hosts"`
	Before  int           `json:"left_out,omitempty"` // events that are not here, before the first
}

// A Host is a machine.
type Host struct {
	ID    int      `json:"id"` // from 1
	Name  string   `json:"name"`
	Addrs []string `json:"addrs"`
}

// An Event is something that has happened: a line of a file.
type Event struct {
	At    time.Duration `json:"at"`             // since the world began, nanoseconds
	Host  int           `json:"host,omitempty"` // 0: none of them
	Kind  string        `json:"kind"`           // "turn", "segment", "message", "task" ...
	Group string        `json:"group"`          // "host", "time", "net", "system", "user", "task"
	Text  string        `json:"text"`

	Message *Message `json:"message,omitempty"` // of kind "message"
	Task    *Task    `json:"task,omitempty"`    // of kind "task"
}

// A Message is what one host has sent to another, when it was sent.
type Message struct {
	To      int           `json:"to"`
	Arrives time.Duration `json:"arrives"` // -1: never
	Proto   string        `json:"proto"`   // "tcp", "udp"
	Conn    uint64        `json:"conn,omitempty"`
	From    string        `json:"src"`
	Dest    string        `json:"dst"`
	Flags   string        `json:"flags,omitempty"` // of TCP: "SYN", "SYN ACK", "FIN" ...
	Size    int           `json:"size"`            // of the data
	Data    []byte        `json:"data,omitempty"`  // its beginning, in base64
}

// A Task is what a task does after a turn of its loop.
type Task struct {
	ID    uint64 `json:"id"` // of its host since its start
	Boot  uint64 `json:"boot"`
	Name  string `json:"name"`
	State string `json:"state"`           // "runs", "ready", "waits", "not started" or "ended"
	Waits string `json:"waits,omitempty"` // for what
	Ran   bool   `json:"ran,omitempty"`   // it has taken a step in this turn
}

// Write writes the trace: a line of JSON for its head, and one for each event.
func (t *Trace) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	t.Version = Version
	if err := e.Encode(&t.Head); err != nil {
		return err
	}
	for i := range t.Events {
		if err := e.Encode(&t.Events[i]); err != nil {
			return err
		}
	}
	return b.Flush()
}

// ErrNoTrace is the error of a file that is no trace.
var ErrNoTrace = errors.New("this is no trace of a simulated world")

// Read reads what Write has written.
func Read(r io.Reader) (*Trace, error) {
	d := json.NewDecoder(bufio.NewReader(r))
	t := new(Trace)
	if err := d.Decode(&t.Head); err != nil {
		return nil, fmt.Errorf("%w: its first line: %w", ErrNoTrace, err)
	}
	switch {
	case t.Version == 0:
		return nil, ErrNoTrace
	case t.Version > Version:
		return nil, fmt.Errorf("a trace of version %d, and this program knows up to %d", t.Version, Version)
	}
	for n := 2; ; n++ {
		var e Event
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return nil, fmt.Errorf("line %d of a trace: %w", n, err)
		}
		t.Events = append(t.Events, e)
	}
}
