package insight

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/asyncio-go/asyncio"
)

// serveOnLoop serves a request that came in on a loop, by package asynchttp, in a thread:
// a loop that looked at itself would wait for its own answer. It reports whether it did.
func (w *window) serveOnLoop(rt route, out http.ResponseWriter, r *http.Request) bool {
	if _, err := asyncio.RunningLoop(r.Context()); err != nil {
		return false
	}
	if rt.endless {
		refuse(out, &statusError{http.StatusNotImplemented, "not on a loop: use the socket, or a server of net/http"})
		return true
	}
	answer, err := asyncio.ToThread(r.Context(), func(ctx context.Context) (*heldAnswer, error) {
		a := &heldAnswer{header: make(http.Header), status: http.StatusOK}
		if err := rt.serve(w, a, r.WithContext(ctx)); err != nil {
			refuse(a, err)
		}
		return a, nil
	})
	if errors.Is(err, asyncio.ErrWrongGoroutine) {
		return false // only the context is a loop's
	}
	if err != nil {
		refuse(out, err)
		return true
	}
	for name, values := range answer.header {
		out.Header()[name] = values
	}
	out.WriteHeader(answer.status)
	_, _ = out.Write(answer.body.Bytes()) // an error is one of the connection
	return true
}

// A heldAnswer is an answer that is sent later.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }
