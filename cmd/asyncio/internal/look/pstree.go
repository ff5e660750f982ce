package look

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// PSTree shows the tasks of a process as a tree.
func PSTree(ctx context.Context, s *Screen, arg string, o Options, byParent bool) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	l, err := t.looks(ctx, o.Tasks, "stacks", "1")
	if err != nil {
		return err
	}
	if o.JSON {
		return s.writeJSON(l)
	}
	return s.print(s.pstree(l, byParent)...)
}

// pstree returns the tasks of all loops as trees.
func (s *Screen) pstree(l *insightwire.Looks, byParent bool) []string {
	lines := s.heads(l)
	for _, k := range l.Loops {
		if len(k.Tasks) == 0 {
			continue
		}
		t := newTree(s, k, byParent)
		lines = append(lines, "")
		if len(l.Loops) > 1 {
			lines = append(lines, s.style(fmt.Sprintf("loop %d", k.Loop), styleBold))
		}
		lines = append(lines, t.draw()...)
		if k.More {
			lines = append(lines, fmt.Sprintf("... and %d more: --tasks 0 shows all", k.Stats.Tasks-len(k.Tasks)))
		}
	}
	return lines
}

// A tree is the tasks of a loop: below each one those that it awaits, with the calls
// between, as python -m asyncio pstree has it; or those that it has made.
type tree struct {
	s        *Screen
	look     *asyncio.LoopLook
	byParent bool
	names    map[uint64]string
	tasks    map[uint64]*asyncio.TaskLook
	below    map[uint64][]uint64
	roots    []uint64
	drawn    map[uint64]bool
	lines    []string
}

func newTree(s *Screen, k *asyncio.LoopLook, byParent bool) *tree {
	t := &tree{
		s: s, look: k, byParent: byParent, names: namesOf(k),
		tasks: make(map[uint64]*asyncio.TaskLook, len(k.Tasks)), below: make(map[uint64][]uint64), drawn: make(map[uint64]bool),
	}
	for i := range k.Tasks {
		t.tasks[k.Tasks[i].ID] = &k.Tasks[i]
	}
	hangs := make(map[uint64]bool) // on another
	for i := range k.Tasks {
		x := &k.Tasks[i]
		switch {
		case byParent && t.tasks[x.Parent] != nil && x.Parent != x.ID:
			t.below[x.Parent] = append(t.below[x.Parent], x.ID)
			hangs[x.ID] = true
		case !byParent && awaits(x):
			for _, id := range x.Waits.Tasks {
				if t.tasks[id] != nil {
					t.below[x.ID] = append(t.below[x.ID], id)
					hangs[id] = true
				}
			}
		}
	}
	for _, x := range k.Tasks {
		if !hangs[x.ID] {
			t.roots = append(t.roots, x.ID)
		}
	}
	return t
}

// draw returns the lines of the tree. Tasks in a circle hang on nobody: the first of them
// is drawn as a root.
func (t *tree) draw() []string {
	roots := t.roots
	reached := make(map[uint64]bool)
	var reach func(id uint64)
	reach = func(id uint64) {
		if !reached[id] {
			reached[id] = true
			for _, b := range t.below[id] {
				reach(b)
			}
		}
	}
	for _, id := range roots {
		reach(id)
	}
	for _, x := range t.look.Tasks {
		if !reached[x.ID] {
			roots = append(roots, x.ID)
			reach(x.ID)
		}
	}
	for i, id := range roots {
		t.task(id, "", i == len(roots)-1)
	}
	return t.lines
}

// maxDepth is how deep a tree is drawn.
const maxDepth = 200

// task draws a task and what is below it.
func (t *tree) task(id uint64, indent string, last bool) {
	x := t.tasks[id]
	branch, below := "├── ", "│   "
	if last {
		branch, below = "└── ", "    "
	}
	text := "(T) " + x.Name
	if own := fmt.Sprintf("Task-%d", id); x.Name != own {
		text += fmt.Sprintf(" [%d]", id)
	}
	text = clean(text) + "  " + clean(x.State)
	if x.For >= 0 {
		text += " " + duration(x.For)
	}
	if x.Cancels > 0 {
		text += ", to be cancelled"
	}
	if t.drawn[id] {
		t.line(indent+branch, clean("(T) "+x.Name)+"  (see above)")
		return
	}
	t.drawn[id] = true
	t.line(indent+branch, text)
	if strings.Count(indent, "    ")+strings.Count(indent, "│   ") > maxDepth {
		t.line(indent+below+"└── ", "...")
		return
	}
	indent += below
	stack := slices.Clone(x.Stack)
	slices.Reverse(stack) // the task's function comes first
	why := ""
	if !awaits(x) || t.byParent {
		why = waits(t.look, x, t.names)
	}
	for _, f := range stack {
		t.line(indent+"└──  ", function(f.Function)+" "+place(&f))
		indent += "    "
	}
	if why != "" {
		branch := "└──  "
		if len(t.below[id]) > 0 {
			branch = "├──  "
		}
		t.line(indent+branch, "waits for "+why)
	}
	for i, b := range t.below[id] {
		t.task(b, indent, i == len(t.below[id])-1)
	}
}

func (t *tree) line(indent, text string) { t.lines = append(t.lines, t.s.fit(indent+text)) }
