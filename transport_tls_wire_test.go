package asyncio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A link is a wire whose peer is another one.
type link struct {
	*wire
	to  *link
	cut bool // nothing arrives any more
}

// links returns both ends of a connection.
func links() (a, b *link) {
	a, b = &link{wire: &wire{room: 1 << 30}}, &link{wire: &wire{room: 1 << 30}}
	a.to, b.to = b, a
	return a, b
}

func (l *link) Write(p []byte) (int, error) {
	n, err := l.wire.Write(p)
	l.deliver(p[:n])
	return n, err
}

func (l *link) Writev(bufs [][]byte) (int, error) {
	p := slices.Concat(bufs...)
	n, err := l.wire.Writev(bufs)
	l.deliver(p[:n])
	return n, err
}

func (l *link) deliver(p []byte) {
	if l.cut || l.to.closed > 0 {
		return
	}
	if l.to.in, l.to.drained = append(l.to.in, p...), false; l.to.h != nil {
		l.to.h.Ready(driver.Readable)
	}
}

func (l *link) CloseWrite() error { defer l.tellEnd(); return l.wire.CloseWrite() }
func (l *link) Close() error      { defer l.tellEnd(); return l.wire.Close() }

func (l *link) tellEnd() {
	if !l.cut && l.to.closed == 0 && l.to.end == nil {
		l.to.end, l.to.drained = io.EOF, false
		l.to.h.Ready(driver.Readable | driver.Hangup)
	}
}

// A linkDriver takes over what the test has put there in a connection's place.
type linkDriver struct {
	*asyncio.Clock
	of map[net.Conn]driver.Conn
}

func (d *linkDriver) FromConn(nc net.Conn) (driver.Conn, error) { return d.of[nc], nil }

// stands returns a connection in whose place c is.
func (d *linkDriver) stands(c driver.Conn) net.Conn {
	nc, _ := net.Pipe()
	d.of[nc] = c
	return nc
}

func onLinks(t *testing.T, body func(ctx context.Context, l *asyncio.Loop, d *linkDriver)) {
	t.Helper()
	d := &linkDriver{asyncio.NewClock(), map[net.Conn]driver.Conn{}}
	runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) { body(ctx, loopOf(ctx), d) })
}

// linkedTLS connects two recorders over TLS.
func linkedTLS(t *testing.T, ctx context.Context, d *linkDriver, opts ...asyncio.StreamOption) (client, server *recorder, a, b *link) {
	t.Helper()
	client, server = &recorder{}, &recorder{}
	a, b = links()
	shaking := asyncio.Go(ctx, func(ctx context.Context) error {
		return third(loopOf(ctx).ConnectAcceptedSocket(ctx, d.stands(b), func() asyncio.Protocol { return server }, append(opts, asyncio.WithTLS(serverTLS()))...))
	})
	turns(ctx, 1)
	copts := []asyncio.ConnOption{asyncio.WithConn(d.stands(a)), asyncio.WithTLS(clientTLS())}
	for _, o := range opts {
		copts = append(copts, o)
	}
	if err := third(loopOf(ctx).CreateConnection(ctx, "tcp", "localhost:1", func() asyncio.Protocol { return client }, copts...)); err != nil {
		t.Fatal(err)
	}
	if _, err := shaking.Await(ctx); err != nil {
		t.Fatal(err)
	}
	turns(ctx, 3)
	return client, server, a, b
}

// timesOut looks at the error of a time limit of TLS, and how long it took.
func timesOut(t *testing.T, err error, what string, took, limit time.Duration) {
	t.Helper()
	var timeout *asyncio.TimeoutError
	if !errors.As(err, &timeout) || !strings.Contains(err.Error(), what+": ") || took != limit {
		t.Errorf("after %v: %v; want one of %q after %v", took, err, what, limit)
	}
}

func TestAHandshakeHasItsTimeLimitAndLeavesNoTimer(t *testing.T) {
	onLinks(t, func(ctx context.Context, l *asyncio.Loop, d *linkDriver) {
		timers := l.Stats().Timers
		for limit, opts := range map[time.Duration][]asyncio.StreamOption{
			time.Minute: nil, 5 * time.Second: {asyncio.WithTLSHandshakeTimeout(5 * time.Second)},
		} {
			silent := &wire{room: 1 << 20}
			began := d.Now()
			err := third(l.ConnectAcceptedSocket(ctx, d.stands(silent), noProtocol, append(opts, asyncio.WithTLS(serverTLS()))...))
			if timesOut(t, err, "TLS handshake", d.Now()-began, limit); silent.closed != 1 {
				t.Errorf("it was closed %d times", silent.closed)
			}
			began = d.Now()
			client, server, _, _ := linkedTLS(t, ctx, d, opts...)
			if n := l.Stats().Timers; d.Now() != began || n != timers {
				t.Errorf("a handshake took %v, and has left %d timers", d.Now()-began, n-timers)
			}
			client.transport.Abort()
			server.untilCall(ctx, "lost")
			client.untilCall(ctx, "lost")
		}
		never := &wire{room: 1 << 20}
		endless := asyncio.Go(ctx, func(ctx context.Context) error {
			return third(l.ConnectAcceptedSocket(ctx, d.stands(never), noProtocol, asyncio.WithTLS(serverTLS()), asyncio.WithTLSHandshakeTimeout(asyncio.NoTimeout)))
		})
		turns(ctx, 3)
		if n := l.Stats().Timers; n != timers || endless.Done() {
			t.Errorf("without a limit there are %d timers", n-timers)
		}
		never.finish(io.EOF)
		if _, err := endless.Await(ctx); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "TLS handshake: ") {
			t.Errorf("with a peer that goes: %v", err)
		}
	})
}

func TestTheEndOverTLSIsAWordOfBothSides(t *testing.T) {
	onLinks(t, func(ctx context.Context, l *asyncio.Loop, d *linkDriver) {
		timers := l.Stats().Timers
		client, server, a, b := linkedTLS(t, ctx, d)
		began := d.Now()
		client.transport.Write([]byte("last words"))
		client.transport.Close()
		client.transport.Close()
		if !client.transport.IsClosing() || a.shut != 1 || a.closed != 0 || l.Stats().Timers != timers+1 {
			t.Errorf("closing %v; shut %d, closed %d times; %d timers", client.transport.IsClosing(), a.shut, a.closed, l.Stats().Timers-timers)
		}
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
		client.check(t, "made", "lost")
		server.check(t, "made", "data", "eof", "lost")
		if client.lost != nil || server.lost != nil || string(server.data) != "last words" || a.closed != 1 || b.closed != 1 {
			t.Errorf("lost with %v and %v, %q came, closed %d and %d times", client.lost, server.lost, server.data, a.closed, b.closed)
		}
		if n := l.Stats().Timers; d.Now() != began || n != timers {
			t.Errorf("the end took %v, and has left %d timers", d.Now()-began, n-timers)
		}
	})
}

func TestAnEndOverTLSThatIsNotAnsweredHasItsTimeLimit(t *testing.T) {
	onLinks(t, func(ctx context.Context, l *asyncio.Loop, d *linkDriver) {
		timers := l.Stats().Timers
		for limit, opts := range map[time.Duration][]asyncio.StreamOption{
			30 * time.Second: nil, 3 * time.Second: {asyncio.WithTLSShutdownTimeout(3 * time.Second)},
		} {
			client, server, a, b := linkedTLS(t, ctx, d, opts...)
			a.cut, b.cut = true, true
			began := d.Now()
			client.transport.Close()
			client.untilCall(ctx, "lost")
			timesOut(t, client.lost, "TLS shutdown", d.Now()-began, limit)
			if a.closed != 1 || l.Stats().Timers != timers {
				t.Errorf("closed %d times; %d timers are left", a.closed, l.Stats().Timers-timers)
			}
			server.transport.Abort()
			server.untilCall(ctx, "lost")
		}
	})
}

// However much is before the peer's end, who closes reads it, a little in each turn.
func TestACloseOverTLSReadsRecordsInTurns(t *testing.T) {
	onLinks(t, func(ctx context.Context, _ *asyncio.Loop, d *linkDriver) {
		client, server, _, _ := linkedTLS(t, ctx, d)
		client.transport.PauseReading()
		for range 40 {
			server.transport.Write([]byte("record"))
		}
		server.transport.WriteEOF()
		turns(ctx, 2)
		began := d.Now()
		client.transport.Close()
		turns(ctx, 8)
		if slices.Contains(client.calls, "lost") {
			t.Error("it has read all in a few turns")
		}
		turns(ctx, 5)
		if d.Now() != began || client.lost != nil || len(client.data) != 0 {
			t.Errorf("after %v lost with %v, received %q", d.Now()-began, client.lost, client.data)
		}
		client.check(t, "made", "lost")
		server.untilCall(ctx, "lost")
	})
}

func TestTheFaultsOfTLSEndTheConnection(t *testing.T) {
	onLinks(t, func(ctx context.Context, l *asyncio.Loop, d *linkDriver) {
		for name, c := range map[string]struct {
			fault func(client *recorder, a *link)
			want  func(error) bool
		}{
			"cut off":    {func(_ *recorder, a *link) { a.finish(io.EOF) }, func(err error) bool { return err == asyncio.ErrTruncated }},
			"no record":  {func(_ *recorder, a *link) { a.feed([]byte("this is no record")) }, func(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "TLS: ") }},
			"reset":      {func(_ *recorder, a *link) { a.finish(errFault) }, func(err error) bool { return errors.Is(err, errFault) }},
			"no writing": {func(r *recorder, a *link) { a.broken = errFault; r.transport.Write([]byte("x")) }, func(err error) bool { return errors.Is(err, errFault) }},
			"while paused": {func(r *recorder, a *link) {
				r.transport.PauseReading()
				a.broken = errFault
				r.transport.Write([]byte("x"))
			}, func(err error) bool { return errors.Is(err, errFault) }},
		} {
			client, server, a, b := linkedTLS(t, ctx, d)
			a.cut, b.cut = true, true
			began := d.Now()
			c.fault(client, a)
			client.untilCall(ctx, "lost")
			if !c.want(client.lost) || a.closed != 1 || d.Now() != began {
				t.Errorf("%s: after %v lost with %v, closed %d times", name, d.Now()-began, client.lost, a.closed)
			}
			if n, err := client.transport.Write([]byte("x")); n != 0 || err == nil {
				t.Errorf("%s: then Write gave %d, %v", name, n, err)
			}
			client.check(t, "made", "lost")
			server.transport.Abort()
			server.untilCall(ctx, "lost")
		}
	})
}

// What the peer has ended can still be written to, and closing it needs no answer.
func TestATLSConnectionThatThePeerHasEnded(t *testing.T) {
	onLinks(t, func(ctx context.Context, l *asyncio.Loop, d *linkDriver) {
		timers := l.Stats().Timers
		client, server, a, _ := linkedTLS(t, ctx, d)
		client.keepOpen = true
		if err := errors.Join(server.transport.WriteEOF(), server.transport.WriteEOF()); err != nil {
			t.Error(err)
		}
		client.untilCall(ctx, "eof")
		if client.transport.IsReading() || client.transport.IsClosing() {
			t.Error("it reads, or closes")
		}
		client.transport.Write([]byte("answer"))
		server.untilData(ctx, 6)
		if n, err := server.transport.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end Write gave %d, %v", n, err)
		}
		client.transport.Close()
		if a.closed != 1 || l.Stats().Timers != timers {
			t.Errorf("closed %d times, with %d timers", a.closed, l.Stats().Timers-timers)
		}
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
		client.check(t, "made", "eof", "lost")
		server.check(t, "made", "data", "eof", "lost")
	})
}
