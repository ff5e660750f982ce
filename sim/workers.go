package sim

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/coro"
	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
)

// WorkerCrashes sets the probability with which a worker process of an
// [asyncio.ProcessPoolExecutor] dies in a call: before the function has run, or after
// it, so that what it has done is done and only its result is lost. The functions run
// on the world's goroutine, each at a moment of the world's choice.
func (h *Host) WorkerCrashes(p float64) { h.workerCrashes = p }

// A workerPool is the workers of a pool of processes.
type workerPool struct {
	busy    int
	waiting []func()
}

// RunWorker implements [netsim.World].
func (n *netWorld) RunWorker(of *netsim.Driver, pool any, most int, call func(), end func(died bool)) {
	h := n.hosts[of.Machine().ID-1]
	if h.pools == nil {
		h.pools = make(map[any]*workerPool)
	}
	p := h.pools[pool]
	if p == nil {
		p = new(workerPool)
		h.pools[pool] = p
	}
	begin := func() {
		p.busy++
		took := time.Duration(n.tape.pick(execStream, maxJob)) * jobUnit
		n.net.At(n.net.Now()+took, netsim.EventFunc(func() {
			if !of.Up() {
				return // they have died with it
			}
			h.work(call, end)
			if p.busy--; len(p.waiting) > 0 {
				next := p.waiting[0]
				p.waiting = p.waiting[1:]
				next()
			}
		}))
	}
	if p.busy < most {
		begin()
	} else {
		p.waiting = append(p.waiting, begin)
	}
}

// work runs a call of a worker.
func (h *Host) work(call func(), end func(died bool)) {
	w := h.w
	w.jobs++
	w.note(netsim.Job, h.machine.ID, w.jobs, 0)
	died := h.workerCrashes > 0 && w.tape.chance(procStream, h.workerCrashes)
	before := died && w.tape.pick(procStream, 2) == 1
	if died {
		h.event(processKind, w.jobs, 1, func() string { return "a worker process dies" })
	}
	coro.UnmarkGoroutine() // a job is on no loop
	defer coro.MarkGoroutine()
	if !before {
		call()
	}
	end(died)
}
