// Command events tells web pages what happens, by server-sent events. A page that
// was cut off comes back by itself and gets what it has missed.
//
//	events [ADDRESS]
//	curl -d 'good news' http://ADDRESS/say
package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

const (
	kept      = 100              // events for those who come back
	heartbeat = 15 * time.Second // so that nobody takes a quiet connection for a dead one
	writeTime = 10 * time.Second // for one event
)

//go:embed page.html
var page []byte

// A feed is what has happened. It has no lock: between two waits nothing else runs.
type feed struct {
	events []event // the last ones
	next   int
	news   *asyncio.Event // of the next event; each has its own
	ended  bool
}

type event struct {
	id   int
	text []byte
}

func main() { asyncio.Main(run) }

func run(ctx context.Context) error {
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	f := &feed{next: 1, news: asyncio.NewEvent()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	mux.HandleFunc("GET /events", f.stream)
	mux.HandleFunc("POST /say", f.say)
	srv := &asynchttp.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	addr, err := srv.Start(ctx, "tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening at", addr)
	stop := asyncio.WaitDone(ctx)
	srv.RegisterOnShutdown(f.end)                              // streams do not end by themselves
	limited, cancel := context.WithTimeout(ctx, 5*time.Second) // holds, although ctx has ended
	defer cancel()
	if err := srv.Shutdown(limited); err != nil {
		return err
	}
	return stop
}

// say makes an event of what is posted.
func (f *feed) say(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.events = append(f.events, event{f.next, text})
	if f.next++; len(f.events) > kept {
		f.events = f.events[1:]
	}
	f.wake()
	w.WriteHeader(http.StatusNoContent)
}

func (f *feed) end() {
	f.ended = true
	f.wake()
}

func (f *feed) wake() {
	f.news.Set()
	f.news = asyncio.NewEvent()
}

// stream is the task of a page that listens. Each waits for its own client only:
// one that reads slowly misses events when it is a hundred behind, and holds up
// nobody.
func (f *feed) stream(w http.ResponseWriter, r *http.Request) {
	ctx, out := r.Context(), http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	last, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil {
		last = f.next - 1 // it is new here
	}
	fmt.Fprint(w, "retry: 1000\n\n")
	for !f.ended {
		_ = out.SetWriteDeadline(time.Now().Add(writeTime))
		if out.Flush() != nil {
			return
		}
		quiet, err := asyncio.MoveOnAfter(ctx, heartbeat, func(ctx context.Context) error { return f.after(ctx, last) })
		if err != nil {
			return // the client has gone
		}
		if quiet {
			fmt.Fprint(w, ": still here\n\n")
		}
		for _, e := range f.events {
			if e.id > last {
				last = e.id
				fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.id, bytes.ReplaceAll(e.text, []byte("\n"), []byte("\ndata: ")))
			}
		}
	}
}

// after waits until there are events after that one, or there will be no more.
func (f *feed) after(ctx context.Context, last int) error {
	for !f.ended && f.next-1 <= last {
		if err := f.news.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
