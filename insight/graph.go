package insight

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// maxNodes is the most nodes of a graph: no person reads more.
const maxNodes = 1000

func (w *window) serveGraph(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	loop, patience := p.id("loop"), p.patience()
	if p.err != nil {
		return p.err
	}
	var g grapher
	failed := w.walk(r.Context(), loop, patience, func(uint64) asyncio.LookOptions { return asyncio.LookOptions{Tasks: allTasks} }, &g)
	for _, x := range g.loops {
		circles := w.inCycles(r.Context(), x.look, patience)
		g.draw(x, circles)
		x.look.Tasks, x.look.More = circles, false
		g.g.Loops = append(g.g.Loops, x.look)
	}
	g.g.Head, g.g.Failed = w.head(), failed
	return reply(out, g.finish())
}

// A grapher makes a graph of tasks. It is a walker.
type grapher struct {
	g      insightwire.Graph
	loops  []*graphedLoop
	now    *graphedLoop // whose tasks come, or which is drawn
	circle map[uint64]bool
	shown  map[string]bool
	edges  map[insightwire.Edge]bool
}

// A graphedLoop is what may be shown of a loop.
type graphedLoop struct {
	id    uint64
	look  *asyncio.LoopLook
	known []knownTask // all tasks, by their numbers
	waits [2][]asyncio.TaskLook
}

// A knownTask is what a node says of a task.
type knownTask struct {
	id          uint64
	name, state string
	since       time.Duration
}

func (g *grapher) begin(loop uint64) {
	if g.now == nil || g.now.id != loop {
		g.now = &graphedLoop{id: loop}
	}
}

func (g *grapher) task(loop uint64, t *asyncio.TaskLook) {
	g.begin(loop)
	g.now.known = append(g.now.known, knownTask{t.ID, t.Name, t.State, t.For})
	w := t.Waits
	if w == nil || len(w.Tasks) == 0 && (w.Object == "" || !slices.Contains(shared, w.Kind)) {
		return // it waits for nobody
	}
	list := &g.now.waits[rank(w)]
	if len(*list) == maxNodes {
		g.g.More = true
		return
	}
	k := *t
	k.Waits = new(asyncio.WaitLook)
	*k.Waits = *w
	if len(w.Tasks) > maxNodes {
		g.g.More = true
	}
	k.Waits.Tasks = slices.Clone(w.Tasks[:min(len(w.Tasks), maxNodes)])
	*list = append(*list, k)
}

func (g *grapher) loop(k *asyncio.LoopLook) {
	g.begin(k.Loop)
	g.now.look = k
	g.loops = append(g.loops, g.now)
}

// draw makes nodes and edges of a loop's tasks. Of what is too much to show, circles are
// shown.
func (g *grapher) draw(x *graphedLoop, circles []asyncio.TaskLook) {
	g.now = x
	g.circle = make(map[uint64]bool)
	g.shown, g.edges = make(map[string]bool), make(map[insightwire.Edge]bool)
	for _, c := range x.look.Cycles {
		for _, id := range c {
			g.circle[id] = true
		}
	}
	for i := range circles {
		if circles[i].Waits != nil {
			g.addWait(&circles[i])
		}
	}
	for _, list := range x.waits {
		for i := range list {
			if t := &list[i]; !g.circle[t.ID] {
				g.addWait(t)
			}
		}
	}
}

// rank says which waits are shown first: those for somebody who is known.
func rank(w *asyncio.WaitLook) int {
	if len(w.Tasks) > 0 {
		return 0
	}
	return 1
}

// shared are the kinds of things that several tasks have to do with. A socket or a job
// is one task's own, and in a graph no more than a dead end.
var shared = []string{"lock", "semaphore", "queue", "condition", "event", "barrier", "thread queue"}

// addWait makes edges of what a task waits for.
func (g *grapher) addWait(t *asyncio.TaskLook) {
	from := g.taskNode(t.ID)
	if t.Waits.Object == "" || t.Waits.Kind == "task" || t.Waits.Kind == "tasks" {
		for _, id := range t.Waits.Tasks {
			g.edge(insightwire.Edge{From: from, To: g.taskNode(id), Kind: "waits", Cycle: g.circle[t.ID] && g.circle[id]})
		}
		return
	}
	object, detail := fmt.Sprintf("l%do%s", g.now.id, t.Waits.Object), t.Waits.Detail
	if len(t.Waits.Tasks) > 0 && strings.HasPrefix(detail, "held by ") {
		detail = "" // the edge says it
	}
	g.node(insightwire.Node{ID: object, Loop: g.now.id, Kind: t.Waits.Kind, Name: t.Waits.Kind, Detail: detail})
	cycle := false
	for _, id := range t.Waits.Tasks {
		in := g.circle[t.ID] && g.circle[id]
		cycle = cycle || in
		g.edge(insightwire.Edge{From: object, To: g.taskNode(id), Kind: "held", Cycle: in})
	}
	g.edge(insightwire.Edge{From: from, To: object, Kind: "waits", Cycle: cycle})
}

// taskNode makes a node of a task.
func (g *grapher) taskNode(id uint64) string {
	n := insightwire.Node{ID: fmt.Sprintf("l%dt%d", g.now.id, id), Loop: g.now.id, Kind: "task", Task: id, Cycle: g.circle[id]}
	i, ok := slices.BinarySearchFunc(g.now.known, id, func(t knownTask, id uint64) int { return cmp.Compare(t.id, id) })
	if ok {
		t := &g.now.known[i]
		n.Name, n.State, n.For = t.name, t.state, t.since
	} else {
		n.Name = fmt.Sprintf("Task-%d", id)
	}
	g.node(n)
	return n.ID
}

func (g *grapher) node(n insightwire.Node) {
	if g.shown[n.ID] {
		return
	}
	if len(g.g.Nodes) == maxNodes {
		g.g.More = true
		return
	}
	g.shown[n.ID] = true
	g.g.Nodes = append(g.g.Nodes, n)
}

func (g *grapher) edge(e insightwire.Edge) {
	if g.shown[e.From] && g.shown[e.To] && !g.edges[e] {
		g.edges[e] = true
		g.g.Edges = append(g.g.Edges, e)
	}
}

func (g *grapher) finish() insightwire.Graph {
	if g.g.Loops == nil {
		g.g.Loops = []*asyncio.LoopLook{}
	}
	if g.g.Nodes == nil {
		g.g.Nodes = []insightwire.Node{}
	}
	if g.g.Edges == nil {
		g.g.Edges = []insightwire.Edge{}
	}
	return g.g
}
