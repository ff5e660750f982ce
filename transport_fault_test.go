package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// onEachDriverWithFaults is onEachDriver in debug mode, for tests that make
// trouble on purpose: what the exception handler is told is kept.
func onEachDriverWithFaults(t *testing.T, body func(t *testing.T, ctx context.Context, told *[]asyncio.ExceptionContext)) {
	t.Helper()
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var told []asyncio.ExceptionContext
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				body(t, ctx, &told)
				return nil
			}, options(driver, asyncio.WithDebug(true), asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				told = append(told, c)
			}))...)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// legal reports whether calls are in the order that the diagram has.
func legal(calls []string) bool {
	stage, paused := "", false
	for _, call := range calls {
		ok := false
		switch call {
		case "made":
			ok, stage = stage == "", "made"
		case "data":
			ok = stage == "made"
		case "pause", "resume":
			ok, paused = (stage == "made" || stage == "eof") && paused == (call == "resume"), call == "pause"
		case "eof":
			ok, stage = stage == "made", "eof"
		case "lost":
			ok, stage = stage == "made" || stage == "eof", "lost"
		}
		if !ok {
			return false
		}
	}
	return true
}

// drive makes a connection of which r is one end and go through all callbacks:
// the peer sends, reads slowly, and ends its half.
func drive(t *testing.T, ctx context.Context, r asyncio.Protocol, rec *recorder, secure bool) {
	t.Helper()
	var sopts []asyncio.ServerOption
	var copts []asyncio.ConnOption
	if secure {
		sopts = append(sopts, asyncio.WithTLS(serverTLS()))
		copts = append(copts, asyncio.WithTLS(clientTLS()))
	}
	srv := host(t, ctx, func() asyncio.Protocol { return r }, sopts...)
	peer := &recorder{}
	tr := join(t, ctx, srv.Addr(), peer, copts...)
	tr.PauseReading()
	tr.Write([]byte("hello"))
	rec.until(ctx, func() bool {
		return slices.Contains(rec.calls, "data") || rec.transport != nil && rec.transport.IsClosing()
	})
	for i := 0; i < 400 && rec.transport != nil && !rec.transport.IsClosing() && !slices.Contains(rec.calls, "pause"); i++ {
		rec.transport.Write(pattern(64 << 10))
		asyncio.Sleep(ctx, 0)
	}
	tr.ResumeReading()
	if !rec.transport.IsClosing() {
		rec.until(ctx, func() bool { return slices.Contains(rec.calls, "resume") || slices.Contains(rec.calls, "lost") })
	}
	if !tr.IsClosing() {
		tr.WriteEOF()
	}
	rec.untilCall(ctx, "lost")
	peer.untilCall(ctx, "lost")
	shutdown(t, ctx, srv)
	if !legal(rec.calls) {
		t.Errorf("the calls were %v", rec.calls)
	}
}

var allCallbacks = []string{"made", "data", "eof", "lost", "pause", "resume"}

func TestConnectionMayBeEndedInsideEveryCallback(t *testing.T) {
	ways := map[string]func(r *recorder){
		"close":      func(r *recorder) { r.transport.Close() },
		"abort":      func(r *recorder) { r.transport.Abort() },
		"both":       func(r *recorder) { r.transport.Close(); r.transport.Abort(); r.transport.Close() },
		"writeclose": func(r *recorder) { r.transport.Write([]byte("bye")); r.transport.Close() },
		"eof":        func(r *recorder) { r.transport.WriteEOF() },
		"pause":      func(r *recorder) { r.transport.PauseReading(); r.transport.ResumeReading() },
	}
	onEachDriverWithFaults(t, func(t *testing.T, ctx context.Context, told *[]asyncio.ExceptionContext) {
		for _, secure := range []bool{false, true} {
			for way, do := range ways {
				for _, call := range allCallbacks {
					r := &recorder{}
					r.on = map[string]func(){call: func() { do(r) }}
					drive(t, ctx, r, r, secure)
					if len(*told) > 0 {
						t.Fatalf("%s inside %s: %v", way, call, (*told)[0].Err)
					}
					if r.lost != nil && (way == "close" || way == "abort") {
						t.Errorf("%s inside %s: lost with %v", way, call, r.lost)
					}
				}
			}
		}
	})
}

func TestPanicInACallbackEndsItsConnectionOnly(t *testing.T) {
	onEachDriverWithFaults(t, func(t *testing.T, ctx context.Context, told *[]asyncio.ExceptionContext) {
		good := &recorder{}
		srv := host(t, ctx, newEcho)
		join(t, ctx, srv.Addr(), good)
		for _, secure := range []bool{false, true} {
			for _, call := range allCallbacks {
				*told = nil
				r := &recorder{}
				r.on = map[string]func(){call: func() { r.on = nil; panic("oh, " + call) }}
				drive(t, ctx, r, r, secure)
				var p *asyncio.PanicError
				if len(*told) != 1 || !errors.As((*told)[0].Err, &p) || p.Value != "oh, "+call || (*told)[0].Transport != any(r.transport) {
					t.Errorf("panic inside %s: told %+v", call, *told)
				}
				if call != "lost" && !errors.As(r.lost, &p) {
					t.Errorf("panic inside %s: lost with %v", call, r.lost)
				}
			}
		}
		*told = nil
		good.transport.Write([]byte("fine"))
		good.untilData(ctx, 4)
		good.transport.Close()
		shutdown(t, ctx, srv)
	})
}

func TestPanicOfAFactoryClosesThatConnectionOnly(t *testing.T) {
	onEachDriverWithFaults(t, func(t *testing.T, ctx context.Context, told *[]asyncio.ExceptionContext) {
		n := 0
		srv := host(t, ctx, func() asyncio.Protocol {
			if n++; n%2 == 1 {
				panic("oh")
			}
			return newEcho()
		})
		for range 2 {
			bad, good := &recorder{}, &recorder{}
			join(t, ctx, srv.Addr(), bad)
			bad.untilCall(ctx, "lost")
			tr := join(t, ctx, srv.Addr(), good)
			tr.Write([]byte("x"))
			good.untilData(ctx, 1)
			tr.Close()
		}
		shutdown(t, ctx, srv)
		if len(*told) != 2 {
			t.Errorf("told %v", *told)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic of a client's factory was swallowed")
				}
			}()
			again := host(t, ctx, newEcho)
			defer again.Close()
			loopOf(ctx).CreateConnection(ctx, "tcp", again.Addr().String(), func() asyncio.Protocol { panic("oh") })
		}()
	})
}

func TestReaderThatNeverReadsHoldsTheWriterUp(t *testing.T) {
	const all, chunk = 1 << 30, 256 << 10
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, connect := range []func(*testing.T, context.Context) (*recorder, *recorder){pair, securePair} {
			server, client := connect(t, ctx)
			server.transport.PauseReading()
			data := make([]byte, chunk)
			sent, most, writing := 0, 0, true
			write := func() {
				for writing = true; writing && sent < all; sent += chunk {
					n, err := client.transport.Write(data)
					if n != chunk || err != nil {
						t.Fatalf("Write gave %d, %v", n, err)
					}
					most = max(most, client.transport.WriteBufferSize())
					asyncio.Sleep(ctx, 0) // a pause is told in a later turn
				}
			}
			client.on = map[string]func(){"pause": func() { writing = false }}
			write()
			turns(ctx, 50)
			if sent >= all {
				t.Error("all of it went somewhere")
			}
			// The mark, and the chunk that went above it; TLS adds a little.
			if limit := 64<<10 + chunk + chunk/50; most > limit {
				t.Errorf("%d bytes were queued, more than %d", most, limit)
			}
			server.transport.Abort()
			client.untilCall(ctx, "lost")
			server.untilCall(ctx, "lost")
		}
	})
}

func TestStreamThatNeverReadsHoldsTheWriterUp(t *testing.T) {
	const chunk = 256 << 10
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			asyncio.Sleep(ctx, 1<<40)
			return nil
		})
		s := dial(t, ctx, srv.Addr())
		most := 0
		writer := asyncio.Go(ctx, func(ctx context.Context) error {
			for range 1 << 30 / chunk {
				if _, err := s.Write(make([]byte, chunk)); err != nil {
					return err
				}
				most = max(most, s.WriteBufferSize())
			}
			return nil
		})
		turns(ctx, 300)
		if most = max(most, s.WriteBufferSize()); writer.Done() || most > 64<<10+chunk {
			t.Errorf("%d bytes were queued; the writer has ended: %v", most, writer.Done())
		}
		writer.Cancel()
		writer.Await(ctx)
		s.Abort()
		short, cancel := context.WithCancel(ctx)
		cancel()
		srv.Shutdown(short)
		srv.WaitClosed(ctx)
	})
}

// reset closes a connection of Go's so that the peer is told by a reset.
func reset(nc net.Conn) {
	nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
}

func TestPeerResetsAtEveryStageOfAConnection(t *testing.T) {
	resets := func(err error) bool {
		return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	}
	onEachDriverWithFaults(t, func(t *testing.T, ctx context.Context, told *[]asyncio.ExceptionContext) {
		for _, c := range []struct {
			stage string
			peer  func(nc net.Conn)                   // until it resets; on a goroutine
			serve func(r *recorder) map[string]func() // what the server does
		}{
			{"before it is accepted", func(net.Conn) {}, nil},
			{"after it has sent", func(nc net.Conn) { nc.Write([]byte("x")) }, nil},
			{"after it was sent to", func(nc net.Conn) { nc.Read(make([]byte, 1)) },
				func(r *recorder) map[string]func() {
					return map[string]func(){"made": func() { r.transport.Write([]byte("x")) }}
				}},
			{"while it is sent to", func(nc net.Conn) { io.CopyN(io.Discard, nc, 1<<20) },
				func(r *recorder) map[string]func() {
					return map[string]func(){"made": func() { r.transport.Write(pattern(16 << 20)) }}
				}},
			{"while nobody reads", func(nc net.Conn) { nc.Write(pattern(1000)); io.CopyN(io.Discard, nc, 1<<20) },
				func(r *recorder) map[string]func() {
					return map[string]func(){"made": func() { r.transport.PauseReading(); r.transport.Write(pattern(16 << 20)) }}
				}},
			{"while it is closed", func(nc net.Conn) { io.CopyN(io.Discard, nc, 1<<20) },
				func(r *recorder) map[string]func() {
					return map[string]func(){"made": func() { r.transport.Write(pattern(16 << 20)); r.transport.Close() }}
				}},
			{"after half of it was closed", func(nc net.Conn) { nc.(*net.TCPConn).CloseWrite(); io.CopyN(io.Discard, nc, 1<<20) },
				func(r *recorder) map[string]func() {
					r.keepOpen = true
					return map[string]func(){"eof": func() { r.transport.Write(pattern(16 << 20)) }}
				}},
		} {
			server := &recorder{}
			if c.serve != nil {
				server.on = c.serve(server)
			}
			srv := host(t, ctx, func() asyncio.Protocol { return server })
			nc := must(net.Dial("tcp", srv.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
			asyncio.ToThread(ctx, func(context.Context) (int, error) { c.peer(nc); reset(nc); return 0, nil })
			if c.stage == "before it is accepted" {
				turns(ctx, 10)
				srv.Close()
			} else {
				server.untilCall(ctx, "lost")
				if !resets(server.lost) {
					t.Errorf("reset %s: lost with %v", c.stage, server.lost)
				}
			}
			shutdown(t, ctx, srv)
			if !legal(server.calls) || len(*told) > 0 {
				t.Errorf("reset %s: the calls were %v, told %v", c.stage, server.calls, *told)
			}
		}
	})
}

// toldOnce is a connection that was reset, and says so to the first write only.
type toldOnce struct{ plenty }

func (toldOnce) Read([]byte) (int, error)  { return 0, io.EOF }
func (toldOnce) Write([]byte) (int, error) { return 0, syscall.ECONNRESET }

func TestAResetThatOnlyAWriteIsToldOfIsWhyTheConnectionWasLost(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := &recorder{}
		r.on = map[string]func(){"made": func() { r.transport.Write([]byte("x")) }}
		if err := asyncio.NewTransportOn(loopOf(ctx), toldOnce{}, r); err != nil {
			t.Fatal(err)
		}
		r.untilCall(ctx, "lost")
		if r.lost != syscall.ECONNRESET {
			t.Errorf("lost with %v", r.lost)
		}
		r.check(t, "made", "lost")
	})
}

// cutConn is a connection of Go's that resets after so many bytes were written
// or read.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	m, err := c.Conn.Write(p[:n])
	if c.left -= m; err == nil && n < len(p) {
		reset(c.Conn)
		return m, io.ErrClosedPipe
	}
	return m, err
}

func TestPeerResetsAtEveryStageOfATLSConnection(t *testing.T) {
	onEachDriverWithFaults(t, func(t *testing.T, ctx context.Context, told *[]asyncio.ExceptionContext) {
		for _, cut := range []int{0, 1, 5, 100, 250, 300, 400, 600, 1000, 2000} {
			server := &recorder{}
			srv := host(t, ctx, func() asyncio.Protocol { return server }, asyncio.WithTLS(serverTLS()))
			nc := must(net.Dial("tcp", srv.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
			asyncio.ToThread(ctx, func(context.Context) (int, error) {
				c := tls.Client(&cutConn{nc, cut}, &tls.Config{InsecureSkipVerify: true})
				for range 100 {
					if _, err := c.Write(make([]byte, 100)); err != nil {
						break
					}
				}
				return 0, nil
			})
			shutdown(t, ctx, srv)
			if !legal(server.calls) || len(*told) > 0 || len(server.calls) > 0 && server.lost == nil {
				t.Errorf("cut after %d: the calls were %v, lost with %v, told %v", cut, server.calls, server.lost, *told)
			}

			// and the other way round: the server is the one that goes
			ln := must(net.Listen("tcp", "127.0.0.1:0"))
			peer := asyncio.RunInExecutor(loopOf(ctx), nil, func(context.Context) (int, error) {
				nc, err := ln.Accept()
				if err != nil {
					return 0, err
				}
				c := tls.Server(&cutConn{nc, cut}, serverTLS())
				for range 100 {
					if _, err := c.Write(make([]byte, 100)); err != nil {
						break
					}
				}
				return 0, nil
			})
			client := &recorder{}
			_, _, err := loopOf(ctx).CreateConnection(ctx, "tcp", ln.Addr().String(),
				func() asyncio.Protocol { return client }, asyncio.WithTLS(clientTLS()))
			if err == nil {
				client.untilCall(ctx, "lost")
				err = client.lost
			}
			if err == nil || !legal(client.calls) || len(*told) > 0 {
				t.Errorf("the server cut after %d: %v, the calls were %v, told %v", cut, err, client.calls, *told)
			}
			peer.Await(ctx)
			ln.Close()
		}
	})
}

func TestHalfOpenConnectionIsFoundOutByWriting(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &recorder{keepOpen: true}
		srv := host(t, ctx, func() asyncio.Protocol { return server })
		nc := must(net.Dial("tcp", srv.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		nc.Close()                                       // an end, and nobody there any more
		server.untilCall(ctx, "eof")
		for !server.transport.IsClosing() {
			if server.transport.WriteBufferSize() == 0 { // or it would be paused, and resumed, in time
				server.transport.Write([]byte("is anybody there?"))
			}
			asyncio.Sleep(ctx, 0)
		}
		server.untilCall(ctx, "lost")
		if !legal(server.calls) || slices.Contains(server.calls, "resume") {
			t.Errorf("the calls were %v", server.calls)
		}
		if !errors.Is(server.lost, syscall.EPIPE) && !errors.Is(server.lost, syscall.ECONNRESET) {
			t.Errorf("it was lost with %v", server.lost)
		}
		shutdown(t, ctx, srv)
	})
}

func TestWhatThePeerSentBeforeItBrokeIsReceived(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		server.transport.Write([]byte("go away"))
		server.transport.Close()
		server.untilCall(ctx, "lost")
		for range 10 { // before the client has looked, it writes to nobody
			client.transport.Write([]byte("hello?"))
		}
		client.untilCall(ctx, "lost")
		if !bytes.Equal(client.data, []byte("go away")) {
			t.Errorf("the client received %q", client.data)
		}
	})
}

func TestConnectionThatIsClosedByAnothersCallbackIsToldNothingMore(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		const n = 20
		var servers []*recorder
		srv := host(t, ctx, func() asyncio.Protocol {
			r := &recorder{}
			r.on = map[string]func(){"data": func() {
				for _, other := range servers { // their events are pending
					if other != r {
						other.transport.Abort()
					}
				}
			}}
			servers = append(servers, r)
			return r
		})
		var clients []*recorder
		for range n {
			c := &recorder{}
			join(t, ctx, srv.Addr(), c)
			clients = append(clients, c)
		}
		for len(servers) < n {
			asyncio.Sleep(ctx, 0)
		}
		for _, c := range clients {
			c.transport.Write([]byte("x"))
		}
		first := servers
		for _, r := range first[1:] {
			r.until(ctx, func() bool { return slices.Contains(r.calls, "lost") || len(r.data) > 0 })
		}
		received := 0
		for _, r := range first {
			if len(r.data) > 0 {
				received++
			}
		}
		if received != 1 {
			t.Errorf("%d connections received something, of which one closes all others", received)
		}
		// The descriptors are used anew at once, and nobody gets old events.
		for range n {
			c := &recorder{}
			tr := join(t, ctx, srv.Addr(), c)
			turns(ctx, 2)
			c.check(t, "made")
			tr.Abort()
		}
		srv.Close()
		srv.AbortClients()
		shutdown(t, ctx, srv)
	})
}
