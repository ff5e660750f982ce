package look

import (
	"context"
	"fmt"
	"strings"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// Where shows the tasks of a process, grouped by where they stand.
func Where(ctx context.Context, s *Screen, arg string, o Options) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	w := new(insightwire.Where)
	if err := t.get(ctx, w, "/v1/where"); err != nil {
		return err
	}
	if o.JSON {
		return s.writeJSON(w)
	}
	return s.print(s.where(w)...)
}

// where returns the groups, the largest first.
func (s *Screen) where(w *insightwire.Where) []string {
	lines := s.heads(&w.Looks)
	for _, g := range w.Groups {
		lines = append(lines, "")
		head := count(g.Count, "task")
		if len(w.Loops) > 1 {
			head = fmt.Sprintf("loop %d: %s", g.Loop, head)
		}
		switch g.Waits {
		case "":
			head += " suspended"
		case "ready", "runs", "not started":
			head += " " + g.Waits
		default:
			head += " waiting for " + clean(g.Waits)
		}
		if g.Longest >= 0 {
			head += ", longest " + duration(g.Longest)
		}
		var names []string
		for _, m := range g.Tasks {
			names = append(names, clean(m.Name))
		}
		if len(names) > 0 {
			more := ""
			if g.Count > len(names) {
				more = ", ..."
			}
			head += ": " + strings.Join(names, ", ") + more
		}
		lines = append(lines, s.style(s.fit(head), styleBold))
		lines = append(lines, s.stack(g.Stack, len(g.Stack))...)
	}
	if w.Others > 0 {
		lines = append(lines, "", count(w.Others, "task")+" in yet other places")
	}
	return lines
}
