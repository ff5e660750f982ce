package insight

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/trace"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

const (
	recordPeriod   = 250 * time.Millisecond // the loops keep few events: fetch them so often
	maxKeptEvents  = 100_000                // of one record; the oldest are dropped
	maxRecordTasks = 1000                   // of each loop, before and after
)

// serveRecord records for some seconds, or until a loop stands still or something panics,
// and answers with a zip of what was seen last. Meanwhile Go's flight recorder runs,
// which slows the program down.
func (w *window) serveRecord(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	length := time.Duration(p.number("seconds", 5, 1, 600)) * time.Second
	until := p.choice("until", "time", "incident") == "incident"
	within := p.duration("within", time.Hour, time.Second, 24*time.Hour)
	megabytes := p.number("megabytes", 64, 1, 1024)
	if p.err != nil {
		return p.err
	}
	rec := &recording{w: w, flight: trace.NewFlightRecorder(trace.FlightRecorderConfig{
		MinAge: length, MaxBytes: uint64(megabytes) << 20,
	})}
	if err := rec.flight.Start(); err != nil {
		return &statusError{http.StatusConflict, "the process is being recorded already: " + err.Error()}
	}
	defer rec.flight.Stop()
	_ = http.NewResponseController(out).SetWriteDeadline(time.Time{})
	rec.before = rec.look(r.Context())
	if until {
		length = within
	}
	if !rec.run(r.Context(), length, until) {
		return nil // the client has gone
	}
	_ = http.NewResponseController(out).SetWriteDeadline(time.Now().Add(answerTime))
	h := out.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="asyncio-%d.zip"`, w.process.PID))
	_ = rec.write(r.Context(), out) // an error is one of the connection: the zip is cut off
	return nil
}

// A recording is what is taken down of the loops, beside Go's trace.
type recording struct {
	w        *window
	flight   *trace.FlightRecorder
	before   insightwire.Looks
	events   []recordedEvent
	dropped  int
	seen     map[uint64]uint64
	incident *asyncio.Incident
}

// A recordedEvent is an event of one of the loops.
type recordedEvent struct {
	Loop uint64 `json:"loop"`
	asyncio.EventLook
}

// run takes events down until the time is over, or there is an incident. It reports
// whether somebody still wants them.
func (rec *recording) run(ctx context.Context, length time.Duration, until bool) bool {
	rec.seen = make(map[uint64]uint64)
	happened := make(chan asyncio.Incident, 1)
	if until {
		stop := rec.w.incidents(func(in asyncio.Incident) {
			if in.Kind == "goes on" {
				return
			}
			select {
			case happened <- in:
			default: // one is enough
			}
		})
		defer stop()
	}
	over := time.NewTimer(length)
	defer over.Stop()
	tick := time.NewTicker(recordPeriod)
	defer tick.Stop()
	for {
		rec.takeEvents(ctx)
		select {
		case <-tick.C:
		case in := <-happened:
			rec.incident = &in
			return true
		case <-over.C:
			rec.takeEvents(ctx)
			return ctx.Err() == nil
		case <-ctx.Done():
			return false
		}
	}
}

func (rec *recording) takeEvents(ctx context.Context) {
	looks := rec.w.looks(ctx, 0, defaultPatience, func(id uint64) asyncio.LookOptions {
		after := rec.seen[id]
		return asyncio.LookOptions{Tasks: -1, Events: &after}
	})
	for _, k := range looks.Loops {
		for _, e := range k.Events {
			rec.events = append(rec.events, recordedEvent{k.Loop, e})
			rec.seen[k.Loop] = e.Seq
		}
	}
	if n := len(rec.events) - maxKeptEvents; n > 0 {
		rec.dropped += n
		rec.events = append(rec.events[:0], rec.events[n:]...)
	}
}

func (rec *recording) look(ctx context.Context) insightwire.Looks {
	return rec.w.looks(ctx, 0, defaultPatience, func(uint64) asyncio.LookOptions {
		return asyncio.LookOptions{Tasks: maxRecordTasks, Stacks: true}
	})
}

// write packs it all, the trace first: what it is about may end the process.
func (rec *recording) write(ctx context.Context, out io.Writer) error {
	z := zip.NewWriter(out)
	f, err := z.Create("trace.out")
	if err != nil {
		return err
	}
	if _, err := rec.flight.WriteTo(f); err != nil {
		return err
	}
	err = z.Flush()
	pack := func(name string, value any) {
		if err == nil {
			f, err = z.Create(name)
		}
		if err == nil {
			err = json.NewEncoder(f).Encode(value)
		}
	}
	pack("before.json", rec.before)
	pack("events.json", struct {
		Dropped int             `json:"dropped,omitempty"` // older ones
		Events  []recordedEvent `json:"events"`
	}{rec.dropped, rec.events})
	if rec.incident != nil {
		in := rec.w.incident(*rec.incident)
		pack("incident.json", in)
		pack("after.json", in.Window)
	} else {
		pack("after.json", rec.look(ctx))
	}
	if err != nil {
		return err
	}
	return z.Close()
}
