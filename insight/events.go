package insight

import (
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
)

// serveEvents sends the loops again and again, until the client goes or the server is
// closed. A client that does not read is cut off.
func (w *window) serveEvents(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	o, top := p.lookOptions(0)
	loop, patience := p.id("loop"), p.patience()
	every := p.duration("every", time.Second, 20*time.Millisecond, time.Hour)
	if p.err != nil {
		return p.err
	}
	ctx, s := newStream(r.Context(), out, 10*time.Second)
	defer s.stop()
	out.Header().Set("Content-Type", "text/event-stream")
	s.top, s.gap = top, "," // an event is one line
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen := make(map[uint64]uint64) // the last event of each loop
	s.seen = func(k *asyncio.LoopLook) {
		if n := len(k.Events); n > 0 {
			seen[k.Loop] = k.Events[n-1].Seq
		}
	}
	for {
		s.raw("event: looks\ndata: ")
		s.looks(ctx, w, loop, patience, func(id uint64) asyncio.LookOptions {
			o := o
			after := seen[id]
			o.Events = &after
			return o
		}, nil)
		s.raw("\n\n")
		if s.flush(); s.err != nil {
			return nil // the client has gone
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return nil
		}
	}
}
