package insight

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// answerTime is the most that an answer may take to be written, from its beginning.
const answerTime = time.Minute

// A route is a path that is served, with what the index says of it.
type route struct {
	pattern, parameters, about string
	serve                      func(w *window, out http.ResponseWriter, r *http.Request) error
	endless                    bool // it ends when the client goes
}

func routes() []route {
	return []route{
		{"GET /v1/loops", "tasks=1000 after=ID stacks=0|top|1 labels=0|1 sockets=0|1 loop=ID patience=80ms", "all loops, and what their tasks do", (*window).serveLooks, false},
		{"GET /v1/where", "loop=ID patience=80ms", "the tasks, grouped by where they stand", (*window).serveWhere, false},
		{"GET /v1/graph", "loop=ID patience=80ms", "who waits for what, and who holds it", (*window).serveGraph, false},
		{"POST /v1/cancel", "task=ID loop=ID patience=1s", "cancels a task", (*window).serveCancel, false},
		{"GET /v1/dump", "patience=80ms goroutines=0|1", "everything, as one JSON", (*window).serveDump, false},
		{"GET /v1/events", "every=1s tasks=0 stacks=0|top|1 sockets=0|1 loop=ID patience=80ms", "the loops again and again, with their events, as server-sent events", (*window).serveEvents, true},
		{"POST /v1/record", "seconds=5 until=incident within=1h megabytes=64", "Go's execution trace and the loops' events, as a zip", (*window).serveRecord, false},
		{"GET /metrics", "", "counts and histograms in Prometheus' text format", (*window).serveMetrics, false},
		{"GET /{$}", "", "all this as a page", (*window).servePage, false},
	}
}

// handler returns what is served.
func (w *window) handler() http.Handler {
	m := http.NewServeMux()
	for _, rt := range routes() {
		m.HandleFunc(rt.pattern, func(out http.ResponseWriter, r *http.Request) {
			h := out.Header()
			h.Set("Cache-Control", "no-store")
			h.Set("X-Content-Type-Options", "nosniff")
			if w.serveOnLoop(rt, out, r) {
				return
			}
			_ = http.NewResponseController(out).SetWriteDeadline(time.Now().Add(answerTime))
			if err := rt.serve(w, out, r); err != nil {
				refuse(out, err)
			}
		})
	}
	m.HandleFunc("GET /v1/{$}", w.serveIndex)
	return http.NewCrossOriginProtection().Handler(m)
}

func (w *window) serveIndex(out http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	fmt.Fprintf(&b, "process %d, %s, %s\n\n", w.process.PID, w.process.Program, w.process.Go)
	for _, rt := range routes() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		fmt.Fprintf(&b, "%-4s %-11s %s\n", method, strings.TrimSuffix(path, "{$}"), rt.about)
		if rt.parameters != "" {
			fmt.Fprintf(&b, "%17s%s\n", "", rt.parameters)
		}
	}
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = out.Write([]byte(b.String()))
}

// A statusError is an error that is the client's own affair.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse answers with an error, unless the answer has begun.
func refuse(out http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if e, ok := err.(*statusError); ok {
		status = e.status
	}
	http.Error(out, err.Error(), status)
}

func reply(out http.ResponseWriter, v any) error {
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(v) // an error is one of the connection
	return nil
}

// parameters are those of a request. What was wrong with the first that was wrong is in err.
type parameters struct {
	values url.Values
	err    error
}

func parametersOf(r *http.Request) *parameters { return &parameters{values: r.URL.Query()} }

// parse calls fn with a parameter if it is given.
func (p *parameters) parse(name string, fn func(value string) error) {
	value := p.values.Get(name)
	if value == "" || p.err != nil {
		return
	}
	if fn(value) != nil {
		p.err = badRequest("%s=%.40q cannot be", name, value)
	}
}

func (p *parameters) number(name string, otherwise, least, most int) int {
	n := otherwise
	p.parse(name, func(value string) (err error) {
		if n, err = strconv.Atoi(value); err == nil && (n < least || n > most) {
			err = strconv.ErrRange
		}
		return err
	})
	return n
}

func (p *parameters) id(name string) (id uint64) {
	p.parse(name, func(value string) (err error) {
		id, err = strconv.ParseUint(value, 10, 64)
		return err
	})
	return id
}

func (p *parameters) duration(name string, otherwise, least, most time.Duration) time.Duration {
	d := otherwise
	p.parse(name, func(value string) (err error) {
		if d, err = time.ParseDuration(value); err == nil && (d < least || d > most) {
			err = strconv.ErrRange
		}
		return err
	})
	return d
}

// choice returns which of several words a parameter is; the first without it.
func (p *parameters) choice(name string, words ...string) string {
	word := words[0]
	p.parse(name, func(value string) error {
		for _, word = range words {
			if word == value {
				return nil
			}
		}
		return strconv.ErrSyntax
	})
	return word
}

func (p *parameters) patience() time.Duration {
	return p.duration("patience", defaultPatience, time.Millisecond, time.Minute)
}

// maxTasks is the most tasks of one answer.
const maxTasks = 1 << 20

// lookOptions returns what the parameters say of a look, and whether of the stacks only
// their tops are wanted.
func (p *parameters) lookOptions(tasks int) (o asyncio.LookOptions, top bool) {
	if o.Tasks = p.number("tasks", tasks, 0, maxTasks); o.Tasks == 0 {
		o.Tasks = -1 // none
	}
	o.After = p.id("after")
	o.Sockets = p.choice("sockets", "0", "1") == "1"
	stacks := p.choice("stacks", "0", "top", "1")
	o.Stacks = stacks != "0"
	o.Labels = p.choice("labels", "0", "1") == "1"
	return o, stacks == "top"
}

func (w *window) serveLooks(out http.ResponseWriter, r *http.Request) error {
	p := parametersOf(r)
	o, top := p.lookOptions(1000)
	loop, patience := p.id("loop"), p.patience()
	if p.err != nil {
		return p.err
	}
	ctx, s := newStream(r.Context(), out, answerTime)
	defer s.stop()
	s.top = top
	s.looks(ctx, w, loop, patience, func(uint64) asyncio.LookOptions { return o }, nil)
	s.raw("\n")
	s.flush()
	return nil
}
