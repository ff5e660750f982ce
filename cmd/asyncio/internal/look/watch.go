package look

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// errGone is the error of a process that ended while it was looked at.
var errGone = errors.New("the process has ended, or has closed its window")

// follow calls fn with the looks that a process sends, until it returns an error or the
// process ends.
func (t *target) follow(ctx context.Context, fn func(l *insightwire.Looks) error, parameters ...string) error {
	body, err := t.open(ctx, http.MethodGet, "/v1/events", parameters...)
	if err != nil {
		return err
	}
	defer body.Close()
	r := bufio.NewReaderSize(body, 1<<16)
	for {
		data, err := nextEvent(r)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return errGone
		}
		l := new(insightwire.Looks)
		if err := json.Unmarshal(data, l); err != nil {
			return fmt.Errorf("process %d: its answer is broken: %w", t.pid, err)
		}
		if err := fn(l); err != nil {
			return err
		}
	}
}

// maxEvent is the longest event that is read.
const maxEvent = 256 << 20

// nextEvent returns the data of the next server-sent event.
func nextEvent(r *bufio.Reader) ([]byte, error) {
	var data []byte
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil // the rest follows
		}
		if err != nil {
			return nil, err
		}
		if rest, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			data = append(data, rest...)
			for !bytes.HasSuffix(data, []byte("\n")) {
				if line, err = r.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
					return nil, err
				}
				if data = append(data, line...); len(data) > maxEvent {
					return nil, io.ErrShortBuffer
				}
			}
		} else if len(bytes.TrimSpace(line)) == 0 && data != nil {
			return data, nil
		}
	}
}

// Watch shows what happens in a process, a line each.
func Watch(ctx context.Context, s *Screen, arg string, o Options) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	w := watcher{s: s, json: o.JSON, names: make(map[taskOf]string), stuck: make(map[uint64]bool)}
	err = t.follow(ctx, w.take, "every", "250ms", "tasks", "1000")
	if ctx.Err() != nil {
		return nil // it was the user who has ended it
	}
	return err
}

type taskOf struct{ loop, task uint64 }

// A watcher turns looks into lines.
type watcher struct {
	s     *Screen
	json  bool
	names map[taskOf]string // of tasks that have ended lately, too
	stuck map[uint64]bool
	begun bool
}

// A watched event is a line of watch as JSON.
type watched struct {
	Time time.Time `json:"time"`
	Loop uint64    `json:"loop"`
	Name string    `json:"name,omitempty"` // of the task
	asyncio.EventLook
	Culprit *asyncio.CulpritLook `json:"culprit,omitempty"`
	For     time.Duration        `json:"for_ns,omitempty"`
}

// maxKnownNames is how many names are kept.
const maxKnownNames = 100_000

func (w *watcher) take(l *insightwire.Looks) error {
	if !w.begun && !w.json {
		if err := w.s.print(w.s.style(w.s.fit("watching "+processLine(&l.Head)), styleFaint)); err != nil {
			return err
		}
	}
	w.begun = true
	if len(w.names) > maxKnownNames {
		clear(w.names)
	}
	for _, k := range l.Loops {
		for _, t := range k.Tasks {
			w.names[taskOf{k.Loop, t.ID}] = t.Name
		}
		for _, e := range k.Ended {
			w.names[taskOf{k.Loop, e.ID}] = e.Name
		}
		for _, e := range k.Events {
			if e.Kind == "park" || e.Kind == "step" {
				continue // thousands a second: they are for the page and the record
			}
			at := l.At.Add(e.At - k.Now)
			if err := w.event(watched{Time: at, Loop: k.Loop, Name: w.names[taskOf{k.Loop, e.Task}], EventLook: e}); err != nil {
				return err
			}
		}
		if stuck := k.State == "stuck"; stuck != w.stuck[k.Loop] {
			w.stuck[k.Loop] = stuck
			kind := "goes on"
			if stuck {
				kind = "hangs"
			}
			if err := w.event(watched{Time: l.At, Loop: k.Loop, EventLook: asyncio.EventLook{Kind: kind}, Culprit: k.Culprit, For: k.Stuck}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watcher) event(e watched) error {
	if w.json {
		return w.s.writeJSON(e)
	}
	line, style := w.line(e)
	lines := []string{w.s.fit(line)}
	if e.Culprit != nil {
		lines = w.s.wrap(line)
	}
	for i, line := range lines {
		lines[i] = w.s.style(line, style)
	}
	return w.s.print(lines...)
}

// line returns an event as a line, and its style.
func (w *watcher) line(e watched) (line, style string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  loop %d  ", e.Time.Format("15:04:05.000"), e.Loop)
	task := who(e.Task, map[uint64]string{e.Task: e.Name})
	switch e.Kind {
	case "hangs":
		style = styleAlarm
		b.WriteString("HANGS")
		if e.For > 0 {
			b.WriteString(" for " + duration(e.For))
		}
		if e.Culprit != nil {
			b.WriteString(": " + culprit(e.Culprit))
		}
	case "made":
		b.WriteString("made    " + task)
		if e.Parent != 0 {
			b.WriteString("  by " + who(e.Parent, map[uint64]string{e.Parent: w.names[taskOf{e.Loop, e.Parent}]}))
		}
	case "slow":
		style = styleWarn
		if e.Task == 0 {
			task = "a callback"
		}
		fmt.Fprintf(&b, "slow    %s  took %s", task, duration(e.Took))
	default:
		fmt.Fprintf(&b, "%-7s", clean(e.Kind))
		if e.Task != 0 {
			b.WriteString(" " + task)
		}
	}
	return strings.TrimRight(b.String(), " "), style
}
