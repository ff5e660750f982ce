package insight

import (
	"encoding/json"
	"fmt"
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
	out.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(out)
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen := make(map[uint64]uint64) // the last event of each loop
	for {
		looks := w.looks(r.Context(), loop, patience, func(id uint64) asyncio.LookOptions {
			o := o
			after := seen[id]
			o.Events = &after
			return o
		})
		for _, k := range looks.Loops {
			if n := len(k.Events); n > 0 {
				seen[k.Loop] = k.Events[n-1].Seq
			}
		}
		if top {
			dropStacks(looks.Loops)
		}
		text, err := json.Marshal(looks)
		if err != nil {
			return err
		}
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprintf(out, "event: looks\ndata: %s\n\n", text); err != nil || c.Flush() != nil {
			return nil // the client has gone
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return nil
		}
	}
}
