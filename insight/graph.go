package insight

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

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
	o := asyncio.LookOptions{Tasks: allTasks}
	g := grapher{g: insightwire.Graph{Looks: w.looks(r.Context(), loop, patience, func(uint64) asyncio.LookOptions { return o })}}
	for _, k := range g.g.Loops {
		g.begin(k)
		g.addTasks(k.Tasks)
		k.Tasks, k.More = inCycles(k), false
	}
	return reply(out, g.finish())
}

// A grapher makes a graph of tasks.
type grapher struct {
	g      insightwire.Graph
	loop   uint64
	known  map[uint64]insightwire.Node // tasks of the loop, as they would be shown
	circle map[uint64]bool
	shown  map[string]bool
	edges  map[insightwire.Edge]bool
}

func (g *grapher) begin(k *asyncio.LoopLook) {
	g.loop = k.Loop
	g.known, g.circle = make(map[uint64]insightwire.Node), make(map[uint64]bool)
	g.shown, g.edges = make(map[string]bool), make(map[insightwire.Edge]bool)
	for _, c := range k.Cycles {
		for _, id := range c {
			g.circle[id] = true
		}
	}
}

// addTasks makes nodes and edges of the loop's tasks.
func (g *grapher) addTasks(tasks []asyncio.TaskLook) {
	wait := make([]*asyncio.TaskLook, 0, len(tasks)) // those that wait for somebody
	for i := range tasks {
		t := &tasks[i]
		g.known[t.ID] = insightwire.Node{
			ID: taskNode(g.loop, t.ID), Loop: g.loop, Kind: "task", Task: t.ID,
			Name: t.Name, State: t.State, For: t.For, Cycle: g.circle[t.ID],
		}
		if w := t.Waits; w != nil && (len(w.Tasks) > 0 || w.Object != "" && slices.Contains(shared, w.Kind)) {
			wait = append(wait, t)
		}
	}
	// Of what is too much to show, circles are shown.
	slices.SortStableFunc(wait, func(a, b *asyncio.TaskLook) int { return cmp.Compare(g.rank(a), g.rank(b)) })
	for _, t := range wait {
		g.addWait(t)
	}
}

// rank says which waits are shown first.
func (g *grapher) rank(t *asyncio.TaskLook) int {
	switch {
	case g.circle[t.ID]:
		return 0
	case len(t.Waits.Tasks) > 0:
		return 1
	}
	return 2
}

// shared are the kinds of things that several tasks have to do with. A socket or a job
// is one task's own, and in a graph no more than a dead end.
var shared = []string{"lock", "semaphore", "queue", "condition", "event", "barrier", "thread queue"}

func taskNode(loop, id uint64) string { return fmt.Sprintf("l%dt%d", loop, id) }

// addWait makes edges of what a task waits for.
func (g *grapher) addWait(t *asyncio.TaskLook) {
	from := g.task(t.ID)
	if t.Waits.Object == "" || t.Waits.Kind == "task" || t.Waits.Kind == "tasks" {
		for _, id := range t.Waits.Tasks {
			g.edge(insightwire.Edge{From: from, To: g.task(id), Kind: "waits", Cycle: g.circle[t.ID] && g.circle[id]})
		}
		return
	}
	object, detail := fmt.Sprintf("l%do%s", g.loop, t.Waits.Object), t.Waits.Detail
	if len(t.Waits.Tasks) > 0 && strings.HasPrefix(detail, "held by ") {
		detail = "" // the edge says it
	}
	g.node(insightwire.Node{ID: object, Loop: g.loop, Kind: t.Waits.Kind, Name: t.Waits.Kind, Detail: detail})
	cycle := false
	for _, id := range t.Waits.Tasks {
		in := g.circle[t.ID] && g.circle[id]
		cycle = cycle || in
		g.edge(insightwire.Edge{From: object, To: g.task(id), Kind: "held", Cycle: in})
	}
	g.edge(insightwire.Edge{From: from, To: object, Kind: "waits", Cycle: cycle})
}

func (g *grapher) task(id uint64) string {
	n, ok := g.known[id]
	if !ok {
		n = insightwire.Node{ID: taskNode(g.loop, id), Loop: g.loop, Kind: "task", Task: id, Name: fmt.Sprintf("Task-%d", id)}
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
	if g.g.Nodes == nil {
		g.g.Nodes = []insightwire.Node{}
	}
	if g.g.Edges == nil {
		g.g.Edges = []insightwire.Edge{}
	}
	return g.g
}
