package asyncio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// Who tells by net.ErrClosed that it was itself that has closed must be right with
// TLS, too: crypto/tls has words of its own for that, which wrap nothing.
func TestWhatAClosedStreamSaysIsTheSameWithTLS(t *testing.T) {
	old := namedTLS()
	old.MaxVersion = tls.VersionTLS12
	kinds := map[string]struct {
		server   []asyncio.ServerOption
		client   []asyncio.ConnOption
		startTLS bool
	}{
		"plain":    {},
		"TLS":      {server: []asyncio.ServerOption{asyncio.WithTLS(serverTLS())}, client: []asyncio.ConnOption{asyncio.WithTLS(namedTLS())}},
		"TLS 1.2":  {server: []asyncio.ServerOption{asyncio.WithTLS(serverTLS())}, client: []asyncio.ConnOption{asyncio.WithTLS(old)}},
		"StartTLS": {startTLS: true},
	}
	ends := map[string]func(s *asyncio.Stream) error{
		"Close":                (*asyncio.Stream).Close,
		"Abort":                func(s *asyncio.Stream) error { s.Abort(); return nil },
		"Close of the Conn":    func(s *asyncio.Stream) error { return s.Conn().Close() },
		"Close twice":          func(s *asyncio.Stream) error { return errors.Join(s.Close(), s.Close()) },
		"Close with a queue":   func(s *asyncio.Stream) error { return errors.Join(s.WriteNowait(make([]byte, 8<<20)), s.Close()) },
		"WriteEOF":             (*asyncio.Stream).WriteEOF,
		"WriteEOF and Close":   func(s *asyncio.Stream) error { return errors.Join(s.WriteEOF(), s.Close()) },
		"Close with an answer": func(s *asyncio.Stream) error { s.WriteNowait([]byte("x")); return s.Close() },
	}
	for kind, o := range kinds {
		t.Run(kind, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) {
				srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
					if o.startTLS {
						if err := s.StartServerTLS(ctx, serverTLS()); err != nil {
							return err
						}
						if err := s.WriteNowait([]byte("+")); err != nil {
							return err
						}
					}
					_ = echo(ctx, s) // some cut the connection off
					return nil
				}, o.server...)
				for end, f := range ends {
					s := dial(t, ctx, srv.Addr(), o.client...)
					if o.startTLS {
						if err := s.StartTLS(ctx, namedTLS()); err != nil {
							t.Fatal(err)
						}
						// The server's handshake ends later. A reset would be an error of it.
						if _, err := s.ReadExactly(ctx, 1); err != nil {
							t.Fatal(err)
						}
					}
					if err := f(s); err != nil {
						t.Errorf("%s: %v", end, err)
					}
					for call, err := range callsOf(ctx, s) {
						if !errors.Is(err, net.ErrClosed) {
							t.Errorf("after %s %s gave %v", end, call, err)
						}
					}
					s.Abort()
				}
				shutdown(t, ctx, srv)
			})
		})
	}
}

// callsOf writes to s in every way there is, and where it is closed, reads it.
func callsOf(ctx context.Context, s *asyncio.Stream) map[string]error {
	p := []byte("x")
	errs := map[string]error{"WriteNowait": s.WriteNowait(p)}
	_, errs["Write"] = s.Write(p)
	_, errs["WriteContext"] = s.WriteContext(ctx, p)
	_, errs["WriteLines"] = s.WriteLines(p, p)
	_, errs["Write of the Conn"] = s.Conn().Write(p)
	_, errs["Write of the SharedConn"] = s.SharedConn().Write(p)
	if s.IsClosing() {
		_, errs["Read"] = s.Read(p)
		_, errs["ReadLine"] = s.ReadLine(ctx)
		_, errs["Read of the Conn"] = s.Conn().Read(p)
	}
	return errs
}
