package h2_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/h2"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// loopOptions are the options of run. onEveryDriver changes them.
var loopOptions []asyncio.Option

// onEveryDriver runs a test on the system's driver and on the portable one.
func onEveryDriver(t *testing.T, body func(t *testing.T)) {
	t.Run("system", body)
	t.Run("portable", func(t *testing.T) {
		loopOptions = []asyncio.Option{asyncio.WithPortableDriver()}
		defer func() { loopOptions = nil }()
		body(t)
	})
}

// run runs main on a loop of its own, and fails the test with its error.
func run(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := asyncio.Run(ctx, main, loopOptions...); err != nil {
		t.Fatal(err)
	}
}

// A testServer is a server on a port of its own.
type testServer struct {
	addr  string
	conns []*h2.ServerConn
	l     *asyncio.Server
}

// listen serves h on the running loop until the test's main has ended.
func listen(ctx context.Context, srv *h2.Server, opts ...asyncio.ServerOption) (*testServer, error) {
	s := &testServer{}
	l, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, stream *asyncio.Stream) error {
		c, err := srv.NewConn(ctx, stream, nil)
		if err != nil {
			return err
		}
		s.conns = append(s.conns, c)
		c.Read()
		c.End()
		return nil
	}, opts...)
	if err != nil {
		return nil, err
	}
	s.l, s.addr = l, l.Addr().String()
	return s, nil
}

// close ends all connections, and waits until they have ended.
func (s *testServer) close(ctx context.Context) error {
	s.l.Close()
	for _, c := range s.conns {
		c.Close()
	}
	return s.l.WaitClosed(ctx)
}

// serving runs main with a server of h on the same loop.
func serving(t *testing.T, h http.HandlerFunc, main func(ctx context.Context, addr string) error) {
	t.Helper()
	run(t, func(ctx context.Context) error {
		s, err := listen(ctx, &h2.Server{Handler: h})
		if err != nil {
			return err
		}
		if err := main(ctx, s.addr); err != nil {
			return err
		}
		return s.close(ctx)
	})
}

// inThread runs f, which blocks, while the loop goes on.
func inThread(ctx context.Context, f func(ctx context.Context) error) error {
	_, err := asyncio.ToThread(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// dial makes a client's connection.
func dial(ctx context.Context, cl *h2.Client, addr string) (*h2.ClientConn, error) {
	s, err := asyncio.OpenConnection(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return cl.NewConn(ctx, s)
}

// plainH2 is net/http's client for HTTP/2 without TLS.
func plainH2() *http.Transport {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: &p, DisableCompression: true}
}

// netServer is net/http's server for HTTP/2 without TLS. It is stopped when the
// test ends.
func netServer(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: h, Protocols: &p}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return l.Addr().String()
}
