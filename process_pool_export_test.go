package asyncio

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// A PoolWorker is a worker process as its pool sees it.
type PoolWorker struct {
	Calls    int  // that it has
	Starting bool // its process is not there yet
	Tasks    int  // that it has done
	Last     uint64
	Average  time.Duration
	HeldUp   bool
	Doomed   bool
}

func (w PoolWorker) of(p *ProcessPoolExecutor) *poolWorker {
	out := &poolWorker{
		pool: p, calls: make([]*poolCall, w.Calls), tasks: w.Tasks, last: w.Last, average: w.Average, heldUp: w.HeldUp, doomed: w.Doomed,
	}
	if !w.Starting {
		out.process = &workerproc.Process{}
	}
	return out
}

// HasRoom reports whether such a worker of p is given a call whose request has so many
// bytes.
func (p *ProcessPoolExecutor) HasRoom(w PoolWorker, request int) bool {
	return w.of(p).room(&poolCall{request: make(workerproc.Request, request)})
}

// Before reports whether a call is rather given to w than to other.
func (w PoolWorker) Before(other PoolWorker) bool { return w.of(nil).before(other.of(nil)) }

// Learn returns what a worker believes that calls take, after one that took d.
func (w PoolWorker) Learn(d time.Duration) time.Duration {
	out := w.of(nil)
	out.learn(d)
	return out.average
}

// Ahead returns how many calls wait behind another at a worker, and how many in the queue.
func (p *ProcessPoolExecutor) Ahead() (ahead, queued int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.all {
		ahead += max(0, len(w.calls)-1)
	}
	return ahead, len(p.queue)
}

// SetCallsLast makes the workers believe that calls take so long. After 0 they do not know.
func (p *ProcessPoolExecutor) SetCallsLast(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.all {
		w.average = d
	}
}

// SetBegan makes the workers believe that the calls at which they are began so long ago:
// less than 0, and none is held up.
func (p *ProcessPoolExecutor) SetBegan(ago time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.all {
		if len(w.calls) > 0 {
			w.calls[0].began = time.Now().Add(-ago)
		}
	}
}

const (
	MaxAhead      = maxAhead
	MaxAheadBytes = maxAheadBytes
	AheadTime     = aheadTime
	PoolMinSweep  = minSweep
)
