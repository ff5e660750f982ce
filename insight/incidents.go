package insight

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

const (
	maxIncidentText  = 64 << 10
	maxIncidentTasks = 1000
	maxIncidentFiles = 20
	maxLoggedTasks   = 100

	// incidentPause keeps a task that panics again and again from filling the log.
	incidentPause = 10 * time.Second
)

// incidents writes down what the window shows when something has gone wrong.
type incidents struct {
	w   *window
	log *slog.Logger
	dir string

	pause  time.Duration
	last   map[string]time.Time // of each kind
	missed map[string]int
}

func newIncidents(o *options, w *window) (*incidents, error) {
	if o.incidentDir != "" {
		if err := os.MkdirAll(o.incidentDir, 0o700); err != nil {
			return nil, err
		}
	}
	return &incidents{w: w, log: o.log, dir: o.incidentDir, pause: o.pause, last: make(map[string]time.Time), missed: make(map[string]int)}, nil
}

// begin begins to write, if anybody has asked for it.
func (in *incidents) begin() (stop func()) {
	if in.log == nil && in.dir == "" {
		return func() {}
	}
	return in.w.incidents(in.handle)
}

// handle writes an incident down. Incidents come one after another.
func (in *incidents) handle(what asyncio.Incident) {
	if what.Kind == "goes on" {
		return // the loop's own log says it
	}
	if last, ok := in.last[what.Kind]; ok && time.Since(last) < in.pause {
		in.missed[what.Kind]++
		return
	}
	in.last[what.Kind] = time.Now()
	i := in.w.incident(what)
	i.Missed = in.missed[what.Kind]
	in.missed[what.Kind] = 0
	if in.log != nil {
		in.log.Error("asyncio: "+incidentText(i), "loop", i.Loop)
	}
	if in.dir != "" {
		if err := in.save(i); err != nil {
			log := in.log
			if log == nil {
				log = slog.Default()
			}
			log.Warn("asyncio: what the window showed could not be kept", "error", err)
		}
	}
}

// incident adds what the window shows.
func (w *window) incident(in asyncio.Incident) *insightwire.Incident {
	i := &insightwire.Incident{Head: w.head(), Kind: in.Kind, Task: in.Task, Look: in.Look}
	if in.Loop != nil {
		i.Loop = in.Loop.ID()
	}
	if in.Err != nil {
		i.Error = in.Err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	looks := w.looks(ctx, 0, defaultPatience, func(uint64) asyncio.LookOptions {
		return asyncio.LookOptions{Tasks: maxIncidentTasks, Stacks: true}
	})
	i.Window = &looks
	return i
}

// save writes an incident into a file and removes the oldest ones.
func (in *incidents) save(i *insightwire.Incident) error {
	text, err := json.MarshalIndent(i, "", " ")
	if err != nil {
		return err
	}
	prefix := fmt.Sprintf("asyncio-%d-", os.Getpid())
	name := filepath.Join(in.dir, prefix+i.At.UTC().Format("20060102T150405.000000000")+"-"+i.Kind+".json")
	if err := os.WriteFile(name, append(text, '\n'), 0o600); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(in.dir, prefix+"*.json"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, old := range files[:max(0, len(files)-maxIncidentFiles)] {
		if err := os.Remove(old); err != nil {
			return err
		}
	}
	return nil
}

// incidentText returns an incident as lines for a log.
func incidentText(i *insightwire.Incident) string {
	var b strings.Builder
	switch {
	case i.Kind == "panic" && i.Task != 0:
		fmt.Fprintf(&b, "Task-%d has panicked: %s\n", i.Task, i.Error)
	case i.Kind == "panic":
		fmt.Fprintf(&b, "a callback has panicked: %s\n", i.Error)
	case i.Look != nil && i.Look.Culprit != nil:
		c := i.Look.Culprit
		fmt.Fprintf(&b, "loop %d stands still for %s: %s is %s at %s\n", i.Loop, i.Look.Stuck.Round(time.Millisecond), who(c), c.Doing, c.Place)
		writeFrames(&b, c.Stack)
	default:
		fmt.Fprintf(&b, "loop %d stands still\n", i.Loop)
	}
	if i.Missed > 0 {
		fmt.Fprintf(&b, "and %d more since the last that was written down\n", i.Missed)
	}
	if i.Window != nil {
		for _, k := range i.Window.Loops {
			writeLoop(&b, k)
		}
	}
	text := b.String()
	if len(text) > maxIncidentText {
		text = strings.ToValidUTF8(text[:maxIncidentText], "") + "\n... and more\n"
	}
	return text
}

// who returns who holds a loop.
func who(c *asyncio.CulpritLook) string {
	if c.Task == 0 {
		return "a callback"
	}
	return fmt.Sprintf("task %d %q", c.Task, c.Name)
}

// writeLoop writes a loop and what its tasks wait for.
func writeLoop(b *strings.Builder, k *asyncio.LoopLook) {
	fmt.Fprintf(b, "loop %d %s: %d tasks, %d ready, %d timers, %d jobs\n", k.Loop, k.State, k.Stats.Tasks, k.Stats.Ready, k.Stats.Timers, k.Stats.Jobs)
	for _, c := range k.Cycles {
		fmt.Fprintf(b, "  these wait for each other: %s\n", strings.Trim(fmt.Sprint(c), "[]"))
	}
	for n, t := range k.Tasks {
		if n == maxLoggedTasks {
			fmt.Fprintf(b, "  ... and %d more\n", k.Stats.Tasks-n)
			break
		}
		fmt.Fprintf(b, "  %d %q %s", t.ID, t.Name, t.State)
		if t.Waits != nil {
			fmt.Fprintf(b, " for %s %s", t.Waits.Kind, t.Waits.Detail)
			if len(t.Waits.Tasks) > 0 {
				fmt.Fprintf(b, " of tasks %s", strings.Trim(fmt.Sprint(t.Waits.Tasks), "[]"))
			}
		}
		if t.At != nil {
			fmt.Fprintf(b, " at %s:%d", t.At.File, t.At.Line)
		}
		b.WriteByte('\n')
	}
}

func writeFrames(b *strings.Builder, stack []asyncio.FrameLook) {
	for _, f := range stack {
		fmt.Fprintf(b, "  %s\n      %s:%d\n", f.Function, f.File, f.Line)
	}
}
