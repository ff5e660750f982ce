package asynchttp

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptrace"
	"runtime"
	"strings"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// errBlocksLoop is reported when a handler sends a request with net/http's
// Transport on the loop's goroutine.
var errBlocksLoop = errors.New("asynchttp: a handler uses net/http's Transport, which blocks the loop until the answer has come, and all other connections with it; use an asynchttp.Transport")

// A transportWatch finds out that a handler blocks the loop with net/http's
// Transport, which nothing else would say: a ReverseProxy without a Transport of
// its own works, for one request at a time. It is a trace in the context of
// each request, as net/http's Transport calls one before it waits.
type transportWatch struct {
	srv   *Server
	trace httptrace.ClientTrace
	told  bool
}

func newTransportWatch(s *Server) *transportWatch {
	w := &transportWatch{srv: s}
	w.trace.GetConn = w.getConn
	return w
}

// ownTrace is the key under which the context of a connection has the trace of
// the server's, which the Transport of this package passes over.
type ownTrace struct{}

// traceOf returns the trace that a request's context has for its user.
func traceOf(ctx context.Context) *httptrace.ClientTrace {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace == ctx.Value(ownTrace{}) {
		return nil
	}
	return trace
}

func (w *transportWatch) getConn(hostPort string) {
	if w.told || !coro.OnMarkedGoroutine() {
		return
	}
	blocks, where := calledFromNetHTTP()
	if !blocks { // a trace of the user's has called this one
		return
	}
	w.told = true
	w.srv.loop.CallExceptionHandler(asyncio.ExceptionContext{
		Message: "a request to " + hostPort + " blocks the loop" + where,
		Err:     errBlocksLoop,
		Task:    w.srv.loop.CurrentTask(),
	})
}

// calledFromNetHTTP reports whether net/http's Transport has called, and where
// the user's code has called that.
func calledFromNetHTTP() (blocks bool, where string) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "net/http.(*Transport).") {
			blocks = true
		}
		if blocks && !strings.HasPrefix(f.Function, "net/http") && f.File != "" {
			if strings.Contains(f.Function, "/asynchttp.") {
				return true, ""
			}
			return true, fmt.Sprintf(" at %s:%d", f.File, f.Line)
		}
		if !more {
			return blocks, ""
		}
	}
}
