package insight

import (
	"bytes"
	"net/http"
	"runtime/pprof"

	"github.com/asyncio-go/asyncio"
)

// maxProfile is the most bytes of the goroutines' profile in a dump.
const maxProfile = 8 << 20

// serveDump writes everything.
func (w *window) serveDump(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	patience := p.patience()
	goroutines := p.choice("goroutines", "0", "1") == "1"
	if p.err != nil {
		return p.err
	}
	var begin uint64
	ctx, s := newStream(r.Context(), out, answerTime)
	defer s.stop()
	s.looks(ctx, w, 0, patience, func(uint64) asyncio.LookOptions {
		return asyncio.LookOptions{Tasks: allTasks, Stacks: true, Labels: true, Sockets: true, Events: &begin}
	}, func() {
		if goroutines {
			s.raw(`,"goroutines":`)
			s.value(profile())
		}
	})
	s.raw("\n")
	s.flush()
	return nil
}

// profile returns the goroutines, grouped by their stacks.
func profile() string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	b.Truncate(min(b.Len(), maxProfile))
	return b.String()
}
