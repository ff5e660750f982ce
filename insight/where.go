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
	var g packer
	failed := w.walk(r.Context(), loop, patience, func(uint64) asyncio.LookOptions {
		return asyncio.LookOptions{Tasks: allTasks, Stacks: true}
	}, &g)
	for _, k := range g.loops {
		k.Tasks, k.More, k.Places = w.inCycles(r.Context(), k, patience), false, nil
	}
	where := insightwire.Where{Looks: insightwire.Looks{Head: w.head(), Loops: g.loops, Failed: failed}}
	if where.Loops == nil {
		where.Loops = []*asyncio.LoopLook{}
	}
	where.Groups, where.Others = g.finish()
	return reply(out, where)
}

// A packer puts tasks that stand in the same place together. It is a walker.
type packer struct {
	loops  []*asyncio.LoopLook
	last   uint64             // the loop whose tasks come
	first  int                // where its packs begin
	places map[string]int     // in packs, for the loop
	known  map[knownStack]int // likewise
	packs  []insightwire.Pack
	others int
	before int // others before the loop's
	key    []byte
}

// A knownStack is a stack that is the same in memory: a look names equal ones once.
type knownStack struct {
	waits string
	first *asyncio.FrameLook
}

// begin goes on with another loop.
func (g *packer) begin(loop uint64) {
	if g.last == loop {
		return
	}
	g.last, g.first, g.before = loop, len(g.packs), g.others
	g.places, g.known = make(map[string]int), make(map[knownStack]int)
}

func (g *packer) task(loop uint64, t *asyncio.TaskLook) {
	g.begin(loop)
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
		return
	}
	p.Count++
	p.Longest = max(p.Longest, t.For)
	if len(p.Tasks) < maxMembers {
		p.Tasks = append(p.Tasks, insightwire.Member{ID: t.ID, Name: t.Name})
	}
}

func (g *packer) loop(k *asyncio.LoopLook) {
	g.begin(k.Loop)
	g.loops = append(g.loops, k)
	if k.State != "stuck" {
		return
	}
	g.packs, g.others = g.packs[:g.first], g.before // it cannot say which task stands where
	clear(g.places)
	clear(g.known)
	for _, place := range k.Places {
		if p := g.pack("", place.Stack); p != nil {
			p.Count += place.Count
		} else {
			g.others += place.Count
		}
	}
}

// pack returns the pack for a stack, or nil when there are too many.
func (g *packer) pack(waits string, stack []asyncio.FrameLook) *insightwire.Pack {
	known := knownStack{waits: waits}
	if len(stack) > 0 {
		known.first = &stack[0]
	}
	i, ok := g.known[known]
	if !ok {
		if i, ok = g.place(waits, stack); !ok {
			return nil
		}
		if len(g.known) < 2*maxPacks {
			g.known[known] = i
		}
	}
	return &g.packs[i]
}

// place returns where the pack for a stack is in packs, and whether there is one.
func (g *packer) place(waits string, stack []asyncio.FrameLook) (int, bool) {
	g.key = append(append(g.key[:0], waits...), 0)
	for _, f := range stack {
		g.key = append(append(g.key, f.Function...), 0)
		g.key = append(append(g.key, f.File...), 0)
		g.key = append(strconv.AppendInt(g.key, int64(f.Line), 10), 0)
	}
	if i, ok := g.places[string(g.key)]; ok {
		return i, true
	}
	if len(g.packs) == maxPacks {
		return 0, false
	}
	g.places[string(g.key)] = len(g.packs)
	g.packs = append(g.packs, insightwire.Pack{Loop: g.last, Longest: -1, Waits: waits, Stack: stack})
	return len(g.packs) - 1, true
}

// finish returns the packs, those of most tasks first.
func (g *packer) finish() (packs []insightwire.Pack, others int) {
	slices.SortStableFunc(g.packs, func(a, b insightwire.Pack) int { return b.Count - a.Count })
	if g.packs == nil {
		g.packs = []insightwire.Pack{}
	}
	return g.packs, g.others
}
