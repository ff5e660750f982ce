package asynchttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"

	"github.com/asyncio-go/asyncio/internal/hook"
)

// netHTTP returns the server as handlers find it under [http.ServerContextKey]:
// some look for it there to know that a panic with [http.ErrAbortHandler] is
// understood. It has the settings, and serves nothing.
func (s *Server) netHTTP() *http.Server {
	return &http.Server{
		Addr:              s.listener.Addr().String(),
		Handler:           s.Handler,
		TLSConfig:         s.tls,
		ReadTimeout:       s.ReadTimeout,
		ReadHeaderTimeout: s.ReadHeaderTimeout,
		WriteTimeout:      s.WriteTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    s.MaxHeaderBytes,
	}
}

// connBase returns the context of the requests of a connection; stop is to be
// called when it has ended.
func (s *Server) connBase(c *serverConn) (ctx context.Context, stop func()) {
	ctx, stop = c.own, func() {}
	if s.base != nil {
		if s.base.Done() != nil {
			ended, cancel := context.WithCancelCause(c.own)
			forget := hook.WhenDone(s.loop, s.base, func() { cancel(context.Cause(s.base)) })
			ctx, stop = ended, func() { forget(); cancel(nil) }
		}
		ctx = valuesFrom{ctx, s.base}
	}
	ctx = httptrace.WithClientTrace(&connContext{ctx, c}, &s.watch.trace)
	if s.ConnContext != nil {
		if ctx = s.ConnContext(ctx, c.conn()); ctx == nil {
			panic("asynchttp: ConnContext returned a nil context")
		}
	}
	return ctx, stop
}

// addrListener is the listener that BaseContext is given.
type addrListener struct{ addr net.Addr }

var errAddrOnly = errors.New("asynchttp: this listener is only to be asked for its address")

func (l addrListener) Accept() (net.Conn, error) { return nil, errAddrOnly }
func (l addrListener) Close() error              { return errAddrOnly }
func (l addrListener) Addr() net.Addr            { return l.addr }

// valuesFrom is a context with the values of another one.
type valuesFrom struct {
	context.Context
	values context.Context
}

// Value asks the other one first. But package context looks for contexts by
// their values, too, and those must be the ones that end this one.
func (c valuesFrom) Value(key any) any {
	v := c.values.Value(key)
	if _, own := v.(context.Context); v == nil || own {
		if mine := c.Context.Value(key); mine != nil {
			return mine
		}
	}
	return v
}
