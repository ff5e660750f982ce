package main

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/asyncio-go/asyncio"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

//go:embed page.html
var page []byte

// A room is all sockets. It has no lock: between two waits nothing else runs.
type room struct {
	members map[*socket]asyncio.AnyTask // with the tasks that read them
}

func (r *room) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	mux.HandleFunc("GET /room", r.join)
	return mux
}

// join is the task of a member, until it leaves.
func (r *room) join(w http.ResponseWriter, req *http.Request) {
	// A page of another site could join in its reader's name.
	if origin := req.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != req.Host {
			http.Error(w, "wrong origin", http.StatusForbidden)
			return
		}
	}
	name := req.FormValue("name")
	if name == "" || len(name) > 32 {
		http.Error(w, "a name, please, of at most 32 bytes", http.StatusBadRequest)
		return
	}
	conn, rw, _, err := ws.UpgradeHTTP(req, w)
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		return // it has answered
	}
	s := newSocket(conn, rw.Reader, ws.StateServerSide)
	r.members[s] = asyncio.CurrentTask(req.Context())
	r.say(name + " joined")
	err = s.run(req.Context(), func(message string) { r.say(name + ": " + message) })
	delete(r.members, s)
	r.say(name + " left")
	var closed wsutil.ClosedError
	if s.behind {
		err = errBehind
	}
	if err != nil && !errors.As(err, &closed) && !asyncio.IsCancelled(err) {
		fmt.Println(name+":", err)
	}
}

// say sends a line to everybody. It does not wait, so the map does not change under
// it, and who reads slowly holds up nobody.
func (r *room) say(line string) {
	frame := ws.MustCompileFrame(ws.NewTextFrame([]byte(line)))
	for s := range r.members {
		s.sendBytes(frame)
	}
}

// end makes all leave.
func (r *room) end() {
	for _, task := range r.members {
		task.Cancel()
	}
}
