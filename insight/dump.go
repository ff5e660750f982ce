package insight

import (
	"bytes"
	"encoding/json"
	"net/http"
	"runtime/pprof"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// maxProfile is the most bytes of the goroutines' profile in a dump.
const maxProfile = 8 << 20

// serveDump writes everything, page by page, so that the stacks of all tasks need not be
// in memory at once.
func (w *window) serveDump(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	patience := p.patience()
	goroutines := p.choice("goroutines", "0", "1") == "1"
	if p.err != nil {
		return p.err
	}
	var begin uint64
	o := asyncio.LookOptions{Tasks: pageOfTasks, Stacks: true, Labels: true}
	looks := w.looks(r.Context(), 0, patience, func(uint64) asyncio.LookOptions {
		first := o
		first.Events = &begin
		return first
	})
	all := looks.Loops
	head := struct {
		insightwire.Head
		Failed []insightwire.Failure `json:"failed,omitempty"`
	}{looks.Head, looks.Failed}
	out.Header().Set("Content-Type", "application/json")
	d := dumper{out: out, c: http.NewResponseController(out)}
	d.object(head, "loops", func() {
		d.list(len(all), func(i int) {
			tasks := all[i].Tasks
			whole := *all[i]
			whole.Tasks, whole.More = nil, false
			d.object(whole, "tasks", func() {
				first := *all[i]
				first.Tasks = tasks
				n := 0
				d.raw("[")
				_ = w.eachPage(r.Context(), &first, patience, o, func(tasks []asyncio.TaskLook) error {
					for _, t := range tasks {
						if n++; n > 1 {
							d.raw(",\n")
						}
						d.value(t)
					}
					return d.err
				})
				d.raw("]")
			})
		})
	}, func() {
		if goroutines {
			d.raw(`,"goroutines":`)
			d.value(profile())
		}
	})
	return nil
}

// profile returns the goroutines, grouped by their stacks.
func profile() string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	b.Truncate(min(b.Len(), maxProfile))
	return b.String()
}

// A dumper writes JSON piece by piece. After an error it writes nothing more.
type dumper struct {
	out http.ResponseWriter
	c   *http.ResponseController
	err error
}

func (d *dumper) write(b []byte) {
	if d.err == nil {
		_ = d.c.SetWriteDeadline(time.Now().Add(answerTime))
		_, d.err = d.out.Write(b)
	}
}

func (d *dumper) raw(s string) { d.write([]byte(s)) }

func (d *dumper) value(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		d.err = err
		return
	}
	d.write(text)
}

// object writes a struct with one more field, whose value fill writes, and what more
// writes after it.
func (d *dumper) object(v any, field string, fill func(), more ...func()) {
	text, err := json.Marshal(v)
	if err != nil {
		d.err = err
		return
	}
	d.write(text[:len(text)-1])
	d.raw(`,"` + field + `":`)
	fill()
	for _, fn := range more {
		fn()
	}
	d.raw("}")
}

func (d *dumper) list(n int, fn func(i int)) {
	d.raw("[")
	for i := range n {
		if i > 0 {
			d.raw(",\n")
		}
		fn(i)
	}
	d.raw("]")
}
