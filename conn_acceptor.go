package asyncio

import (
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// An acceptor is one listening descriptor of a server.
type acceptor struct {
	server    *Server
	listener  driver.Listener
	scheduled bool
	retry     *TimerHandle // then it tries again, and not before; or nil
	closed    bool
}

const (
	acceptsAtOnce = 64 // in one turn, so that others have theirs
	// acceptRetry is how long to wait when the system has no descriptor left.
	// CPython waits a second.
	acceptRetry = 100 * time.Millisecond
)

// Ready implements driver.Handler.
func (a *acceptor) Ready(driver.Event) { a.schedule() }

func (a *acceptor) schedule() {
	if !a.scheduled && !a.closed && a.retry == nil && a.server.serving {
		a.scheduled = true
		a.server.loop.ready.Push(a)
	}
}

// run accepts what has come.
func (a *acceptor) run() {
	a.scheduled = false
	for range acceptsAtOnce {
		if a.closed || !a.server.serving {
			return
		}
		conn, err := a.listener.Accept()
		switch {
		case err == nil:
			a.serve(conn)
		case err == driver.ErrWouldBlock:
			return
		default:
			a.backOff(err)
			return
		}
	}
	a.schedule()
}

// serve hands a connection to the server. It may panic, in a factory of the
// user's: then that connection is closed, and the loop comes back for the others.
func (a *acceptor) serve(conn driver.Conn) {
	served := false
	defer func() {
		if !served {
			a.schedule()
		}
	}()
	err := a.server.serve(conn)
	served = true
	if err != nil {
		a.server.loop.handleException(ExceptionContext{Message: "an accepted connection could not be used", Err: err})
	}
}

// backOff tries again later: descriptors may be free then. The connections
// that wait, and those that come meanwhile, are kept by the system.
func (a *acceptor) backOff(err error) {
	a.server.loop.handleException(ExceptionContext{
		Message: "accepting a connection failed; it is tried again",
		Err:     err,
	})
	a.retry = a.server.loop.CallLater(acceptRetry, func() {
		a.retry = nil
		a.schedule()
	})
}

func (a *acceptor) close() {
	if a.closed {
		return
	}
	a.closed = true
	if a.retry != nil {
		a.retry.Cancel()
	}
	_ = a.listener.Close() // there is nobody who could do something about it
}
