package look

import (
	"fmt"
	"strings"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// How much of the culprit's stack heads what a command shows; on a low screen, less.
const (
	culpritFrames    = 8
	culpritFramesLow = 3
	lowScreen        = 40
)

// heads returns what comes before all else: for each loop a line, a loop that hangs
// in red with what holds it, and circles of tasks that wait for each other.
func (s *Screen) heads(l *insightwire.Looks) (lines []string) {
	lines = append(lines, s.style(s.fit(processLine(&l.Head)), styleFaint))
	for _, k := range l.Loops {
		if k.State == "stuck" {
			lines = append(lines, s.stuck(k)...)
		}
	}
	for _, k := range l.Loops {
		lines = append(lines, s.cycles(k)...)
	}
	for _, k := range l.Loops {
		if k.State != "stuck" {
			lines = append(lines, s.loopLine(k)...)
		}
	}
	for _, f := range l.Failed {
		lines = append(lines, s.style(s.fit(fmt.Sprintf("loop %d: %s", f.Loop, clean(f.Error))), styleBad))
	}
	if len(l.Loops)+len(l.Failed) == 0 {
		lines = append(lines, "no loop runs in it now")
	}
	return lines
}

func processLine(h *insightwire.Head) string {
	return fmt.Sprintf("process %d %s  %s", h.Process.PID, clean(h.Process.Program), clean(h.Process.Go))
}

// loopLine returns a loop in a line or more, what matters most first.
func (s *Screen) loopLine(k *asyncio.LoopLook) []string {
	parts := []string{
		fmt.Sprintf("loop %d %s", k.Loop, clean(k.State)), count(k.Stats.Tasks, "task"), fmt.Sprintf("%d ready", k.Stats.Ready),
		fmt.Sprintf("busy %.1f%%", 100*k.Busy), fmt.Sprintf("lag %s max %s", duration(k.Stats.Lag), duration(k.Stats.MaxLag)),
	}
	for _, c := range []struct {
		n    int
		noun string
	}{
		{k.Stats.Timers, "timer"}, {k.Stats.Jobs, "job"}, {k.SocketCount, "socket"},
		{len(k.Processes), "child process"}, {k.Unseen, "unseen error"},
	} {
		if c.n > 0 {
			parts = append(parts, count(c.n, c.noun))
		}
	}
	if k.Level == "off" {
		parts = append(parts, "(takes note of nothing)")
	}
	var lines []string
	line := ""
	for _, p := range parts {
		switch {
		case line == "":
			line = p
		case s.Width == 0 || width(line)+len(gap)+width(p) <= s.Width:
			line += gap + p
		default:
			lines, line = append(lines, line), "       "+p
		}
	}
	return append(lines, line)
}

// stuck returns the alarm for a loop that hangs.
func (s *Screen) stuck(k *asyncio.LoopLook) (lines []string) {
	alarm := fmt.Sprintf("loop %d HANGS", k.Loop)
	if k.Stuck > 0 {
		alarm += " for " + duration(k.Stuck)
	}
	c := k.Culprit
	if c == nil {
		alarm += ": what holds it is not known"
	} else {
		alarm += ": " + culprit(c)
	}
	for _, line := range s.wrap(alarm) {
		lines = append(lines, s.style(line, styleAlarm))
	}
	if c == nil {
		return lines
	}
	if c.Hint != "" {
		lines = append(lines, s.wrap(clean(c.Hint))...)
	}
	frames := culpritFrames
	if s.Height > 0 && s.Height < lowScreen {
		frames = culpritFramesLow
	}
	return append(lines, s.stack(fromPlace(c), frames)...)
}

// fromPlace drops what stands far above the line that is named: how Go's library does
// what was called there.
func fromPlace(c *asyncio.CulpritLook) []asyncio.FrameLook {
	for i, f := range c.Stack {
		if fmt.Sprintf("%s:%d", f.File, f.Line) == c.Place {
			if i > 0 && !strings.HasPrefix(c.Stack[i-1].Function, "runtime.") {
				i--
			}
			return c.Stack[i:]
		}
	}
	return c.Stack
}

// culprit says who holds a loop, with what, and where.
func culprit(c *asyncio.CulpritLook) string {
	text := "a callback is "
	if c.Task != 0 {
		text = who(c.Task, map[uint64]string{c.Task: c.Name}) + " is "
		if !strings.HasPrefix(text, "Task-") {
			text = "task " + text
		}
	}
	text += clean(c.Doing)
	if c.Place != "" {
		text += " at " + shortPlace(c.Place)
	}
	return text
}

// stack returns a stack, a line each call.
func (s *Screen) stack(frames []asyncio.FrameLook, most int) (lines []string) {
	for i, f := range frames {
		if i == most {
			lines = append(lines, fmt.Sprintf("    ... %d more", len(frames)-most))
			break
		}
		at := clean(fmt.Sprintf("%s:%d", f.File, f.Line))
		name := function(f.Function)
		line := "    " + name + "  " + at
		if s.Width > 0 && width(line) > s.Width {
			name = cut(name, max(20, s.Width/2-4))
			line = "    " + name + "  " + cutFront(at, max(10, s.Width-6-width(name)))
		}
		lines = append(lines, s.fit(line))
	}
	return lines
}

// cycles names tasks that wait for each other.
func (s *Screen) cycles(k *asyncio.LoopLook) (lines []string) {
	names := namesOf(k)
	for _, c := range k.Cycles {
		var b strings.Builder
		fmt.Fprintf(&b, "loop %d DEADLOCK: ", k.Loop)
		for _, id := range c {
			b.WriteString(who(id, names) + " waits for ")
		}
		if len(c) > 0 {
			b.WriteString(who(c[0], names))
		}
		for _, line := range s.wrap(b.String()) {
			lines = append(lines, s.style(line, styleBad))
		}
	}
	return lines
}

// namesOf returns the names of a loop's tasks.
func namesOf(k *asyncio.LoopLook) map[uint64]string {
	names := make(map[uint64]string, len(k.Tasks))
	for _, t := range k.Tasks {
		names[t.ID] = t.Name
	}
	return names
}

// who returns a task by its number and, if it has one of its own, its name.
func who(id uint64, names map[uint64]string) string {
	own := fmt.Sprintf("Task-%d", id)
	if name := names[id]; name != "" && name != own {
		return fmt.Sprintf("%d \"%s\"", id, clean(name))
	}
	return own
}
