package insight

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

const (
	maxPacks   = 2000 // the most places that are told apart
	maxMembers = 5    // of each place, so many tasks are named
)

func (w *window) serveWhere(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	loop, patience := p.id("loop"), p.patience()
	if p.err != nil {
		return p.err
	}
	o := asyncio.LookOptions{Tasks: allTasks, Stacks: true}
	where := insightwire.Where{Looks: w.looks(r.Context(), loop, patience, func(uint64) asyncio.LookOptions { return o })}
	var g packer
	for _, k := range where.Loops {
		g.begin(k.Loop)
		if k.State == "stuck" {
			for _, place := range k.Places {
				g.addPlace(place)
			}
		} else {
			g.addTasks(k.Tasks)
		}
		k.Tasks, k.More, k.Places = inCycles(k), false, nil
	}
	where.Groups, where.Others = g.finish()
	return reply(out, where)
}

// A packer puts tasks that stand in the same place together.
type packer struct {
	loop   uint64
	places map[string]int // in packs, for the loop
	packs  []insightwire.Pack
	others int
	key    []byte
}

// begin goes on with another loop.
func (g *packer) begin(loop uint64) { g.loop, g.places = loop, make(map[string]int) }

func (g *packer) addTasks(tasks []asyncio.TaskLook) {
	for i := range tasks {
		t := &tasks[i]
		waits := t.State
		if t.Waits != nil {
			waits = t.Waits.Kind
			if waits == "future" && t.Waits.Call != "" {
				waits = t.Waits.Call
			}
		}
		p := g.pack(waits, t.Stack)
		if p == nil {
			g.others++
			continue
		}
		p.Count++
		p.Longest = max(p.Longest, t.For)
		if len(p.Tasks) < maxMembers {
			p.Tasks = append(p.Tasks, insightwire.Member{ID: t.ID, Name: t.Name})
		}
	}
}

func (g *packer) addPlace(place asyncio.PlaceLook) {
	if p := g.pack("", place.Stack); p != nil {
		p.Count += place.Count
	} else {
		g.others += place.Count
	}
}

// pack returns the pack for a stack, or nil when there are too many.
func (g *packer) pack(waits string, stack []asyncio.FrameLook) *insightwire.Pack {
	g.key = append(append(g.key[:0], waits...), 0)
	for _, f := range stack {
		g.key = append(append(g.key, f.Function...), 0)
		g.key = append(append(g.key, f.File...), 0)
		g.key = append(strconv.AppendInt(g.key, int64(f.Line), 10), 0)
	}
	if i, ok := g.places[string(g.key)]; ok {
		return &g.packs[i]
	}
	if len(g.packs) == maxPacks {
		return nil
	}
	g.places[string(g.key)] = len(g.packs)
	g.packs = append(g.packs, insightwire.Pack{Loop: g.loop, Longest: -1, Waits: waits, Stack: stack})
	return &g.packs[len(g.packs)-1]
}

// finish returns the packs, those of most tasks first.
func (g *packer) finish() (packs []insightwire.Pack, others int) {
	slices.SortStableFunc(g.packs, func(a, b insightwire.Pack) int { return b.Count - a.Count })
	if g.packs == nil {
		g.packs = []insightwire.Pack{}
	}
	return g.packs, g.others
}

// inCycles returns the tasks of a look that wait for each other, without their stacks.
func inCycles(k *asyncio.LoopLook) (tasks []asyncio.TaskLook) {
	for _, t := range k.Tasks {
		if slices.ContainsFunc(k.Cycles, func(c []uint64) bool { return slices.Contains(c, t.ID) }) {
			t.Stack = nil
			tasks = append(tasks, t)
		}
	}
	return tasks
}
