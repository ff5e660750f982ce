// Package insight opens a window into the event loops of this process, also into one
// that hangs: which loop stands still, since when, in which line, which task did it, and
// who holds what the others wait for.
//
//	import _ "github.com/asyncio-go/asyncio/insight/auto"
//
// starts it, and so does [Start]. Then the commands asyncio ps, top, pstree, where, graph,
// cancel, dump, watch, record and web find the process, and so does curl:
//
//	curl --unix-socket $XDG_RUNTIME_DIR/asyncio/PID.sock http://insight/v1/
//
// It serves HTTP on a unix socket in a directory of the user's own; only processes of the
// same user, and root's, get an answer. It opens no TCP port, but on Windows: there it
// listens on the loopback address, and wants a token that stands in a file in the
// user's profile. Its goroutines are no loop's, so it answers when all loops hang.
package insight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// ErrStarted is the error of [Start] when it was called before and the server was not
// closed since.
var ErrStarted = errors.New("insight: started already")

// started is whether the process has a server: a process has one socket.
var started atomic.Bool

// A Server answers those who want to look into the process. See [Start].
type Server struct {
	path   string
	http   *http.Server
	stop   func() // what was started beside it
	done   chan struct{}
	closed atomic.Bool
}

// Start makes the loops of the process take note of what is looked at, and serves it to
// the processes of the same user until Close. It costs what
// [asyncio.InsightOn] costs, a goroutine, and else nothing while nobody asks. It may be
// called in any goroutine; that of a loop waits for a few system calls.
func Start(opts ...Option) (*Server, error) {
	o := options{level: asyncio.InsightOn, pause: incidentPause}
	for _, opt := range opts {
		opt.apply(&o)
	}
	if o.directory == "" {
		o.directory = insightwire.Directory()
	}
	if !started.CompareAndSwap(false, true) {
		return nil, ErrStarted
	}
	s, err := start(&o, newWindow())
	if err != nil {
		started.Store(false)
		return nil, fmt.Errorf("insight: %w", err)
	}
	return s, nil
}

func start(o *options, w *window) (*Server, error) {
	if err := insightwire.MakeDirectory(o.directory); err != nil {
		return nil, err
	}
	in, err := newIncidents(o, w)
	if err != nil {
		return nil, err
	}
	listener, path, err := listen(o.directory)
	if err != nil {
		return nil, err
	}
	before := asyncio.Insight()
	asyncio.SetInsight(max(before, o.level))
	stopIncidents := in.begin()
	s := &Server{path: path, done: make(chan struct{})}
	s.stop = func() {
		stopIncidents()
		asyncio.SetInsight(before)
		_ = os.Remove(path)
		started.Store(false)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           listenerGuard(listener, w.handler()),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(s.done)
		defer cancel()
		_ = s.http.Serve(newBoundedListener(listener)) // it ends when it is closed
	}()
	return s, nil
}

// Path returns the name of the socket; on Windows, of the file with the address and the
// token.
func (s *Server) Path() string { return s.path }

// Close ends the server and removes its socket. Answers that are under way are cut off.
// The loops take note of what they did before. It may be called in any goroutine, more
// than once.
func (s *Server) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		<-s.done
		return nil
	}
	err := s.http.Close()
	<-s.done
	s.stop()
	if err != nil {
		return fmt.Errorf("insight: %w", err)
	}
	return nil
}

// Handler returns what the server serves, for a server of your own. It does not look at
// who asks: whoever reaches it may see stacks and names, and cancel tasks. What it
// shows is as much as [asyncio.SetInsight] has been told to take note of. On a server of
// package asynchttp, whose handlers run on a loop, it answers from a thread, and all but
// the page and its events are there.
func Handler() http.Handler { return newWindow().handler() }
