package asyncio_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// serving is a server with one client, whose handler waits for release.
type serving struct {
	server  *asyncio.Server
	client  *asyncio.Stream
	release *asyncio.Event
	handler error // how it ended
}

func startServing(t *testing.T, ctx context.Context) *serving {
	t.Helper()
	s := &serving{release: asyncio.NewEvent()}
	begun := asyncio.NewEvent()
	s.server = serve(t, ctx, func(ctx context.Context, _ *asyncio.Stream) error {
		begun.Set()
		s.handler = s.release.Wait(ctx)
		return s.handler
	})
	s.client = dial(t, ctx, s.server.Addr())
	begun.Wait(ctx)
	return s
}

func TestServeEndsWithItsContext(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, ctx context.Context, s *serving, grace time.Duration) error{
		"a cancelled task": func(_ *testing.T, ctx context.Context, s *serving, grace time.Duration) error {
			var err error
			task := asyncio.Go(ctx, func(ctx context.Context) error {
				err = s.server.Serve(ctx, grace)
				return nil
			})
			asyncio.Sleep(ctx, 0)
			task.Cancel()
			task.Await(ctx)
			return err
		},
		"a derived context": func(_ *testing.T, ctx context.Context, s *serving, grace time.Duration) error {
			derived, cancel := context.WithCancel(ctx)
			loopOf(ctx).CallSoon(cancel)
			return s.server.Serve(derived, grace)
		},
		"one that has ended": func(_ *testing.T, ctx context.Context, s *serving, grace time.Duration) error {
			derived, cancel := context.WithCancel(ctx)
			cancel()
			return s.server.Serve(derived, grace)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) {
				s := startServing(t, ctx)
				loopOf(ctx).CallLater(5*time.Millisecond, s.release.Set)
				if err := end(t, ctx, s, time.Minute); err != nil || s.handler != nil {
					t.Errorf("it gave %v, and the handler ended with %v", err, s.handler)
				}
				if s.server.IsServing() || len(s.server.Addrs()) != 0 {
					t.Error("the server is not closed")
				}
				s.client.Close()

				for _, grace := range []time.Duration{time.Millisecond, 0} {
					s = startServing(t, ctx)
					err := end(t, ctx, s, grace)
					var late *asyncio.TimeoutError
					if !errors.As(err, &late) {
						t.Errorf("with a handler that does not end it gave %v", err)
					}
					s.server.WaitClosed(ctx)
					if !asyncio.IsCancelled(s.handler) {
						t.Errorf("the handler ended with %v", s.handler)
					}
					s.client.Close()
				}
			})
		})
	}
}

func TestServeThatIsCancelledTwiceWaitsNoLonger(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s := startServing(t, ctx)
		task := asyncio.Go(ctx, func(ctx context.Context) error { return s.server.Serve(ctx, time.Hour) })
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		if task.Done() {
			t.Fatal("it did not wait")
		}
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it gave %v", err)
		}
		s.server.WaitClosed(ctx)
		s.client.Close()
	})
}

func TestServeOfAServerThatIsClosed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s := startServing(t, ctx)
		loopOf(ctx).CallSoon(func() {
			s.server.Close()
			s.release.Set()
		})
		if err := s.server.Serve(ctx, 0); err != nil {
			t.Errorf("it gave %v", err)
		}
		if err := s.server.Serve(ctx, 0); !errors.Is(err, net.ErrClosed) {
			t.Errorf("of a closed server it gave %v", err)
		}
		s.client.Close()
	})
}

func TestAddrsOfAClosedServerAreNone(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		if len(srv.Addrs()) != 1 {
			t.Errorf("it listens on %v", srv.Addrs())
		}
		srv.Close()
		if len(srv.Addrs()) != 0 || srv.Addr() == nil {
			t.Errorf("closed, it listens on %v; the address was %v", srv.Addrs(), srv.Addr())
		}
	})
}

func TestOptionsOfTLSWithoutTLSAreErrors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		base := func() asyncio.Protocol { return asyncio.BaseProtocol{} }
		for name, opts := range map[string][]asyncio.StreamOption{
			"handshake":      {asyncio.WithTLSHandshakeTimeout(time.Second)},
			"shutdown":       {asyncio.WithTLSShutdownTimeout(time.Second)},
			"not positive":   {asyncio.WithTLSHandshakeTimeout(0), asyncio.WithTLS(clientTLS())},
			"negative":       {asyncio.WithTLSShutdownTimeout(-1), asyncio.WithTLS(clientTLS())},
			"a nil TLS, too": {asyncio.WithTLS(nil), asyncio.WithTLSHandshakeTimeout(time.Second)},
		} {
			var client []asyncio.ConnOption
			var server []asyncio.ServerOption
			for _, o := range opts {
				client, server = append(client, o), append(server, o)
			}
			one, other := net.Pipe()
			defer other.Close()
			for call, err := range map[string]error{
				"StartServer":      second(asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", echo, server...)),
				"CreateServer":     second(l.CreateServer(ctx, "tcp", "127.0.0.1:0", base, server...)),
				"Listen":           second(asyncio.Listen(ctx, "tcp", "127.0.0.1:0", server...)),
				"OpenConnection":   second(asyncio.OpenConnection(ctx, "tcp", "127.0.0.1:1", client...)),
				"ConnectAccepted":  third(l.ConnectAcceptedSocket(ctx, one, base, opts...)),
				"CreateConnection": third(l.CreateConnection(ctx, "tcp", "127.0.0.1:1", base, client...)),
			} {
				if !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("%s, %s: %v", name, call, err)
				}
			}
		}
	})
}

func third[A, B any](_ A, _ B, err error) error { return err }

func TestServersWithoutAHandlerAreErrors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for _, err := range []error{
			second(asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", nil)),
			second(l.CreateServer(ctx, "tcp", "127.0.0.1:0", nil)),
		} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("it gave %v", err)
			}
		}
		srv := serve(t, ctx, echo)
		if err := third(l.CreateConnection(ctx, "tcp", srv.Addr().String(), nil)); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("CreateConnection gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestReadAfterCloseGivesNothingThoughMuchIsQueued(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		s.WriteNowait(make([]byte, 32<<20)) // so that it cannot close yet
		peer.Write([]byte("late"))
		s.Close()
		if n, err := s.ReadContext(ctx, make([]byte, 10)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadContext gave %d, %v", n, err)
		}
		if line, err := s.ReadLine(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadLine gave %q, %v", line, err)
		}
		s.Abort()
	})
}
