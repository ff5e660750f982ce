package look

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// Options are what the commands share.
type Options struct {
	JSON  bool
	Tasks int // at most so many of each loop; 0: all
}

// writeJSON writes a value as one line.
func (s *Screen) writeJSON(v any) error {
	e := json.NewEncoder(s.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// A listed process is one that ps has found.
type listed struct {
	PID int `json:"pid"` // here
	*insightwire.Looks
	Error string `json:"error,omitempty"`
}

// listTasks is up to how many tasks of a loop circles are looked for where all processes
// are listed.
const listTasks = 1000

// List shows all processes and their loops.
func List(ctx context.Context, s *Screen, o Options) error {
	targets, err := findAll()
	if err != nil {
		return err
	}
	all := make([]listed, len(targets))
	var asked sync.WaitGroup
	for i, t := range targets {
		asked.Go(func() {
			defer t.close()
			all[i].PID = t.pid
			looks, err := t.looks(ctx, listTasks)
			if err != nil {
				all[i].Error = err.Error()
				return
			}
			all[i].Looks = looks
		})
	}
	asked.Wait()
	if o.JSON {
		for _, p := range all {
			if p.Looks != nil {
				for _, k := range p.Loops {
					k.Tasks = nil
				}
			}
		}
		return s.writeJSON(all)
	}
	return s.print(s.list(all)...)
}

// list returns the table of all processes.
func (s *Screen) list(all []listed) (lines []string) {
	if len(all) == 0 {
		return s.wrap("There is no process whose loops can be looked into. A program opens its window with: import _ \"github.com/asyncio-go/asyncio/insight/auto\"")
	}
	t := table{columns: []column{
		{title: "PID", right: true}, {title: "PROGRAM", least: 8}, {title: "LOOP", right: true},
		{title: "STATE", style: stateStyle}, {title: "TASKS", right: true}, {title: "READY", right: true}, {title: "BUSY", right: true},
		{title: "LAG", right: true}, {title: "MAX LAG", right: true}, {title: "TIMERS", right: true, from: 100}, {title: "JOBS", right: true, from: 100},
		{title: "SOCKETS", right: true, from: 120}, {title: "UNSEEN", right: true, from: 120}, {title: "GO", from: 160}, {title: "UP", right: true, from: 120}, {title: "MODULE", from: 160, least: 8},
	}}
	for _, p := range all {
		if p.Looks == nil {
			t.add(strconv.Itoa(p.PID), "?", "", clean(p.Error), "", "", "", "", "", "", "", "", "", "", "", "")
			continue
		}
		for _, k := range p.Loops {
			if k.State != "stuck" && len(k.Cycles) == 0 {
				continue
			}
			style := styleBad
			if k.State == "stuck" {
				style = styleAlarm
			}
			lines = append(lines, s.style(s.fit(fmt.Sprintf("process %d %s:", p.PID, clean(p.Process.Program))), style))
			if k.State == "stuck" {
				lines = append(lines, s.stuck(k)...)
			}
			lines = append(lines, s.cycles(k)...)
		}
		up := duration(p.At.Sub(p.Process.Started))
		if len(p.Loops) == 0 {
			t.add(strconv.Itoa(p.PID), clean(p.Process.Program), "-", "no loop", "", "", "", "", "", "", "", "", "", clean(p.Process.Go), up, clean(p.Process.Module))
		}
		for _, k := range p.Loops {
			t.add(strconv.Itoa(p.PID), clean(p.Process.Program), strconv.FormatUint(k.Loop, 10), loopState(k),
				strconv.Itoa(k.Stats.Tasks), strconv.Itoa(k.Stats.Ready), fmt.Sprintf("%.1f%%", 100*k.Busy), duration(k.Stats.Lag), duration(k.Stats.MaxLag),
				strconv.Itoa(k.Stats.Timers), strconv.Itoa(k.Stats.Jobs), strconv.Itoa(k.SocketCount), strconv.Itoa(k.Unseen), clean(p.Process.Go), up, clean(p.Process.Module))
		}
	}
	return append(lines, t.lines(s)...)
}

// loopState returns the state of a loop, as it is shown.
func loopState(k *asyncio.LoopLook) string {
	switch {
	case k.State == "stuck":
		return "HANGS"
	case len(k.Cycles) > 0:
		return "DEADLOCK"
	}
	return clean(k.State)
}

// stateStyle returns the style of a state.
func stateStyle(state string) string {
	switch state {
	case "HANGS":
		return styleAlarm
	case "DEADLOCK":
		return styleBad
	case "runs", "ready":
		return styleWarn
	}
	return ""
}

// looks asks a process for its loops with their tasks, at most so many of each; 0: all.
func (t *target) looks(ctx context.Context, most int, parameters ...string) (*insightwire.Looks, error) {
	if most == 0 {
		most = 1 << 20
	}
	l := new(insightwire.Looks)
	if err := t.get(ctx, l, "/v1/loops", append(parameters, "tasks", strconv.Itoa(most))...); err != nil {
		return nil, err
	}
	return l, nil
}

// PS shows the tasks of a process.
func PS(ctx context.Context, s *Screen, arg string, o Options) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	l, err := t.looks(ctx, o.Tasks, "stacks", "1", "labels", "1")
	if err != nil {
		return err
	}
	if o.JSON {
		return s.writeJSON(l)
	}
	return s.print(s.ps(l)...)
}

// ps returns the tasks of all loops.
func (s *Screen) ps(l *insightwire.Looks) []string {
	lines := s.heads(l)
	for _, k := range l.Loops {
		if len(k.Tasks) == 0 && k.Stats.Tasks == 0 {
			continue
		}
		lines = append(lines, "")
		if len(l.Loops) > 1 {
			lines = append(lines, s.style(fmt.Sprintf("loop %d", k.Loop), styleBold))
		}
		lines = append(lines, s.tasks(k, k.Tasks).lines(s)...)
		if k.More {
			lines = append(lines, s.wrap(fmt.Sprintf("... and %d more: --tasks 0 shows all, and 'asyncio where' groups them", k.Stats.Tasks-len(k.Tasks)))...)
		}
	}
	return lines
}

// tasks returns a table of tasks. Its model is that of python -m asyncio ps: who it is,
// where it stands, and who awaits it; with what is known here beside that.
func (s *Screen) tasks(k *asyncio.LoopLook, tasks []asyncio.TaskLook) *table {
	names, awaiters := namesOf(k), awaitersOf(k)
	t := &table{columns: []column{
		{title: "ID", right: true}, {title: "NAME", least: 10}, {title: "STATE", style: stateStyle}, {title: "FOR", right: true},
		{title: "BUSY", right: true, from: 100}, {title: "STEPS", right: true, from: 120}, {title: "CANCELS", right: true, from: 60},
		{title: "WAITS FOR", least: 16}, {title: "AT", least: 12, front: true}, {title: "STACK", from: 160, least: 20}, {title: "AWAITED BY", from: 130, least: 12}, {title: "MADE BY", from: 160, least: 8}, {title: "LABELS", from: 160, least: 8},
	}}
	for i := range tasks {
		x := &tasks[i]
		cancels := ""
		if x.Cancels > 0 {
			cancels = strconv.Itoa(x.Cancels)
		}
		made := ""
		if x.Parent != 0 {
			made = who(x.Parent, names)
		}
		var by []string
		for _, id := range awaiters[x.ID] {
			by = append(by, who(id, names))
		}
		t.add(strconv.FormatUint(x.ID, 10), clean(x.Name), clean(x.State), duration(x.For), duration(x.Busy), strconv.FormatUint(uint64(x.Steps), 10), cancels,
			waits(k, x, names), place(x.At), chain(x.Stack), strings.Join(by, ", "), made, labels(x.Labels))
	}
	return t
}

// awaitersOf returns for each task those that await it.
func awaitersOf(k *asyncio.LoopLook) map[uint64][]uint64 {
	by := make(map[uint64][]uint64)
	for i := range k.Tasks {
		if t := &k.Tasks[i]; awaits(t) {
			for _, id := range t.Waits.Tasks {
				by[id] = append(by[id], t.ID)
			}
		}
	}
	return by
}

// awaits reports whether a task waits for others to end, and not for what they hold.
func awaits(t *asyncio.TaskLook) bool {
	return t.Waits != nil && len(t.Waits.Tasks) > 0 && (t.Waits.Kind == "task" || t.Waits.Kind == "tasks" || t.Waits.Object == "")
}

// maxNamed is how many of the tasks that are waited for are named.
const maxNamed = 3

// waits says what a task waits for.
func waits(k *asyncio.LoopLook, t *asyncio.TaskLook, names map[uint64]string) string {
	w := t.Waits
	if w == nil {
		return ""
	}
	var b strings.Builder
	kind := w.Kind
	if kind == "future" && w.Call != "" {
		kind = w.Call
	}
	b.WriteString(clean(kind))
	if w.Detail != "" && !(len(w.Tasks) > 0 && strings.HasPrefix(w.Detail, "held by ")) { // who holds it follows
		b.WriteString(" " + clean(w.Detail))
	}
	if w.Until > 0 {
		if left := w.Until - k.Now; left > 0 {
			b.WriteString(" " + duration(left))
		} else {
			b.WriteString(" due")
		}
	}
	verb := " held by "
	if awaits(t) {
		verb = " "
	}
	for i, id := range w.Tasks {
		if i == maxNamed {
			fmt.Fprintf(&b, " and %d more", len(w.Tasks)-i)
			break
		}
		if i > 0 {
			verb = ", "
		}
		b.WriteString(verb + who(id, names))
	}
	return b.String()
}

// chain returns a stack in a line, the innermost call first, as python -m asyncio ps does.
func chain(stack []asyncio.FrameLook) string {
	var names []string
	for _, f := range stack {
		names = append(names, function(f.Function))
	}
	return strings.Join(names, " -> ")
}

// labels returns labels in a line, by their names.
func labels(m map[string]string) string {
	text, _ := json.Marshal(m)
	if len(m) == 0 {
		return ""
	}
	return clean(string(text))
}
