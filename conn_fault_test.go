package asyncio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// noProtocol makes a protocol for a connection that is never to be.
func noProtocol() asyncio.Protocol { return &recorder{} }

// An attempt is something that does not work where a call of the driver is refused.
type attempt struct {
	name, refused string
	n             int // so many are not refused
	do            func(ctx context.Context, addr string) error
}

// processAttempts are those with processes, where there are tests of these.
var processAttempts []attempt

func TestWhatTheSystemRefusesIsAnErrorAndLeavesNothing(t *testing.T) {
	nc := func(addr string) net.Conn { return must(net.Dial("tcp", addr)) } //asyncvet:ignore blocking the peer is a plain connection, to this machine
	twice := asyncio.WithResolver(func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, nil
	})
	open := func(opts ...asyncio.ConnOption) func(ctx context.Context, addr string) error {
		return func(ctx context.Context, addr string) error {
			return second(asyncio.OpenConnection(ctx, "tcp", addr, opts...))
		}
	}
	create := func(opts ...asyncio.ConnOption) func(ctx context.Context, addr string) error {
		return func(ctx context.Context, addr string) error {
			return third(loopOf(ctx).CreateConnection(ctx, "tcp", addr, noProtocol, opts...))
		}
	}
	datagrams := func(opts ...asyncio.DatagramOption) func(ctx context.Context, addr string) error {
		return func(ctx context.Context, addr string) error {
			return third(loopOf(ctx).CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { return &mailbox{} }, opts...))
		}
	}
	pipe := func(write bool) func(ctx context.Context, addr string) error {
		return func(ctx context.Context, _ string) error {
			in, out := must2(os.Pipe())
			if write {
				defer in.Close()
				return third(loopOf(ctx).ConnectWritePipe(ctx, noProtocol, out))
			}
			defer out.Close()
			return third(loopOf(ctx).ConnectReadPipe(ctx, noProtocol, in))
		}
	}
	all := []attempt{
		{"a stream", "Dial", 0, open()},
		{"a stream", "Start", 0, open()},
		{"a stream over TLS", "Start", 0, open(asyncio.WithTLS(clientTLS()))},
		{"a stream of two addresses", "Dial", 0, open(twice)},
		{"a connection", "Dial", 0, create()},
		{"a connection", "Start", 0, create()},
		{"a stream of others", "FromConn", 0, func(ctx context.Context, addr string) error { return open(asyncio.WithConn(nc(addr)))(ctx, addr) }},
		{"a stream of others", "Start", 0, func(ctx context.Context, addr string) error { return open(asyncio.WithConn(nc(addr)))(ctx, addr) }},
		{"a connection of others", "FromConn", 0, func(ctx context.Context, addr string) error { return create(asyncio.WithConn(nc(addr)))(ctx, addr) }},
		{"a connection of others", "Start", 0, func(ctx context.Context, addr string) error { return create(asyncio.WithConn(nc(addr)))(ctx, addr) }},
		{"an accepted socket", "FromConn", 0, func(ctx context.Context, addr string) error {
			return third(loopOf(ctx).ConnectAcceptedSocket(ctx, nc(addr), noProtocol))
		}},
		{"an accepted socket", "Start", 0, func(ctx context.Context, addr string) error {
			return third(loopOf(ctx).ConnectAcceptedSocket(ctx, nc(addr), noProtocol))
		}},
		{"a server", "Listen", 0, func(ctx context.Context, _ string) error {
			return second(asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", echo))
		}},
		{"a server of unix sockets", "Listen", 0, func(ctx context.Context, _ string) error {
			return second(loopOf(ctx).CreateServer(ctx, "unix", filepath.Join(os.TempDir(), "never"), noProtocol))
		}},
		{"a listener of others", "FromListener", 0, func(ctx context.Context, _ string) error {
			return second(asyncio.StartServer(ctx, "tcp", "", echo, asyncio.WithListener(must(net.Listen("tcp", "127.0.0.1:0")))))
		}},
		{"a pipe to read", "OpenFile", 0, pipe(false)},
		{"a pipe to read", "Start", 0, pipe(false)},
		{"a pipe to write", "OpenFile", 0, pipe(true)},
		{"a pipe to write", "Start", 0, pipe(true)},
		{"a pipe to write that is not watched", "Start", 1, pipe(true)},
		{"datagrams", "OpenPacket", 0, datagrams(asyncio.WithLocalAddr("127.0.0.1:0"))},
		{"datagrams of others", "FromPacket", 0, func(ctx context.Context, addr string) error {
			return datagrams(asyncio.WithPacketConn(must(net.ListenPacket("udp", "127.0.0.1:0"))))(ctx, addr)
		}},
		{"datagrams of a group", "SyscallConn", 0, datagrams(asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithMulticastGroup(netip.MustParseAddr("224.0.0.251"), nil))},
		{"datagrams of a group", "Control", 0, datagrams(asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithMulticastGroup(netip.MustParseAddr("224.0.0.251"), nil))},
		{"a packet connection", "OpenPacket", 0, func(ctx context.Context, _ string) error {
			return second(asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr("127.0.0.1:0")))
		}},
	}
	onFaultyDrivers(t, func(t *testing.T, ctx context.Context, d *faultyDriver) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		for _, a := range append(all, processAttempts...) {
			d.refused, d.n = a.refused, a.n
			before := d.open
			if err := a.do(ctx, ln.Addr().String()); !errors.Is(err, errFault) {
				t.Errorf("%s, where %s is refused after %d: %v", a.name, a.refused, a.n, err)
			}
			d.refused = ""
			for range 200 { // a process is ended first
				if d.open == before {
					break
				}
				asyncio.Sleep(ctx, 1e6)
			}
			if d.open != before {
				t.Errorf("%s, where %s is refused after %d: %d are left open", a.name, a.refused, a.n, d.open-before)
				d.open = before
			}
		}
	})
}

// Of several addresses of a server all are listened to, or none.
func TestAServerThatCannotListenEverywhereListensNowhere(t *testing.T) {
	onFaultyDrivers(t, func(t *testing.T, ctx context.Context, d *faultyDriver) {
		probe, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Skip("no IPv6 here: ", err)
		}
		probe.Close()
		d.refused, d.n = "Listen", 1
		_, err = asyncio.StartServer(ctx, "tcp", "localhost:0", echo)
		if d.n >= 0 {
			t.Skip("localhost has one address")
		}
		if !errors.Is(err, errFault) || d.open != 0 {
			t.Errorf("%v; %d are left open", err, d.open)
		}
	})
}

// A connection that cannot be served is closed, and the next one is.
func TestAServerGoesOnAfterAConnectionThatItCannotUse(t *testing.T) {
	for name, o := range drivers() {
		t.Run(name, func(t *testing.T) {
			d := &faultyDriver{Driver: must(asyncio.NewDriver(o))}
			var told []asyncio.ExceptionContext
			handler := asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) { told = append(told, c) })
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				for _, start := range []func() *asyncio.Server{
					func() *asyncio.Server { return host(t, ctx, newEcho) },
					func() *asyncio.Server { return serve(t, ctx, echo) },
				} {
					told = nil
					srv := start()
					d.refused, d.n = "Start", 0
					bad := must(net.Dial("tcp", srv.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
					n, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return bad.Read(make([]byte, 1)) })
					if n != 0 || err == nil {
						t.Errorf("a connection that cannot be used read %d, %v", n, err)
					}
					bad.Close()
					if len(told) != 1 || !errors.Is(told[0].Err, errFault) {
						t.Errorf("told %v", told)
					}
					d.refused = ""
					good := must(net.Dial("tcp", srv.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
					good.Write([]byte("x"))
					if n, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return good.Read(make([]byte, 1)) }); n != 1 || err != nil {
						t.Errorf("the next one read %d, %v", n, err)
					}
					good.Close()
					shutdown(t, ctx, srv)
					if d.open != 0 {
						t.Errorf("%d are left open", d.open)
					}
				}
				return nil
			}, asyncio.WithDriver(d), handler)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Who is cancelled while it waits for its connection gets that error, and the
// connection is closed. What has come by then goes to nobody.
func TestACancelledWaitForAConnectionLeavesNothing(t *testing.T) {
	onFaultyDrivers(t, func(t *testing.T, ctx context.Context, d *faultyDriver) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		l := loopOf(ctx)
		var cancel func()
		factory := func() asyncio.Protocol { l.CallSoon(cancel); return &recorder{} }
		for name, do := range map[string]func(ctx context.Context) error{
			"a connection": func(ctx context.Context) error {
				//asyncvet:ignore blocking the peer is a plain connection, to this machine
				return third(l.CreateConnection(ctx, "tcp", "", factory, asyncio.WithConn(must(net.Dial("tcp", ln.Addr().String())))))
			},
			"an accepted socket": func(ctx context.Context) error {
				//asyncvet:ignore blocking the peer is a plain connection, to this machine
				return third(l.ConnectAcceptedSocket(ctx, must(net.Dial("tcp", ln.Addr().String())), factory))
			},
			"a pipe to read": func(ctx context.Context) error {
				in, out := must2(os.Pipe())
				defer out.Close()
				return third(l.ConnectReadPipe(ctx, factory, in))
			},
			"a pipe to write": func(ctx context.Context) error {
				in, out := must2(os.Pipe())
				defer in.Close()
				return third(l.ConnectWritePipe(ctx, factory, out))
			},
			"datagrams": func(ctx context.Context) error {
				return third(l.CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { l.CallSoon(cancel); return &mailbox{} }, asyncio.WithLocalAddr("127.0.0.1:0")))
			},
		} {
			task := asyncio.Go(ctx, do)
			cancel = func() { task.Cancel() }
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("%s: %v", name, err)
			}
			turns(ctx, 3)
			if d.open != 0 {
				t.Errorf("%s: %d are left open", name, d.open)
				d.open = 0
			}
		}
	})
}

// Data that is there before the connection is comes after it: who has asked for
// the connection runs first.
func TestNothingIsReceivedBeforeWhoWaitsForTheConnectionHasRun(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		ready := func() net.Conn {
			nc := must(net.Dial("tcp", ln.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
			peer := must(ln.Accept())                       //asyncvet:ignore blocking the other side has connected, or does so at once
			peer.Write([]byte("early"))
			peer.Close()
			nc.SetReadDeadline(timeSoon())
			nc.Read(nil)
			return nc
		}
		for name, connect := range map[string]func(f func() asyncio.Protocol) error{
			"a connection": func(f func() asyncio.Protocol) error {
				return third(l.CreateConnection(ctx, "tcp", "", f, asyncio.WithConn(ready())))
			},
			"an accepted socket": func(f func() asyncio.Protocol) error {
				return third(l.ConnectAcceptedSocket(ctx, ready(), f))
			},
			"a pipe": func(f func() asyncio.Protocol) error {
				in, out := must2(os.Pipe())
				out.WriteString("early")
				out.Close()
				return third(l.ConnectReadPipe(ctx, f, in))
			},
		} {
			r := &recorder{}
			if err := connect(func() asyncio.Protocol { return r }); err != nil {
				t.Fatal(err)
			}
			r.check(t, "made")
			r.untilCall(ctx, "lost")
			if string(r.data) != "early" {
				t.Errorf("%s: received %q", name, r.data)
			}
		}
		pc := must(net.ListenPacket("udp", "127.0.0.1:0"))
		sender := must(net.Dial("udp", pc.LocalAddr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		defer sender.Close()
		sender.Write([]byte("early"))
		m := openMailbox(t, ctx, "udp", asyncio.WithPacketConn(pc))
		if len(m.calls) != 1 {
			t.Errorf("datagrams: the calls were %v", m.calls)
		}
		m.untilGot(ctx, 1)
		closeMailboxes(t, ctx, m)
	})
}

func TestControlRunsOnDatagramSocketsToo(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		var seen []string
		m := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithControl(func(network, address string, c syscall.RawConn) error {
			seen = append(seen, network+" "+address)
			return c.Control(func(uintptr) {})
		}))
		if len(seen) != 1 || !strings.HasPrefix(seen[0], "udp4 127.0.0.1:") {
			t.Errorf("it was called with %q", seen)
		}
		closeMailboxes(t, ctx, m)
		_, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp4", func() asyncio.DatagramProtocol { return &mailbox{} },
			asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithControl(func(string, string, syscall.RawConn) error { return errFault }))
		if !errors.Is(err, errFault) {
			t.Errorf("its error: %v", err)
		}
	})
}

// Calls that belong to a task of the loop close what they were given when they
// come from elsewhere.
//
//asyncvet:ignore goroutine the errors are what is looked at
func TestWhatIsGivenFromElsewhereIsClosed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		for name, give := range map[string]func(nc net.Conn) error{
			"OpenConnection": func(nc net.Conn) error { return second(asyncio.OpenConnection(ctx, "tcp", "", asyncio.WithConn(nc))) },
			"CreateConnection": func(nc net.Conn) error {
				return third(l.CreateConnection(ctx, "tcp", "", noProtocol, asyncio.WithConn(nc)))
			},
			"ConnectAcceptedSocket": func(nc net.Conn) error { return third(l.ConnectAcceptedSocket(ctx, nc, noProtocol)) },
		} {
			nc := must(net.Dial("tcp", ln.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, give(nc) })
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: it is not closed: %v", name, err)
			}
		}
		for name, give := range map[string]func(ln net.Listener) error{
			"StartServer": func(ln net.Listener) error {
				return second(asyncio.StartServer(ctx, "tcp", "", echo, asyncio.WithListener(ln)))
			},
			"CreateServer": func(ln net.Listener) error {
				return second(l.CreateServer(ctx, "tcp", "", noProtocol, asyncio.WithListener(ln)))
			},
		} {
			ln := must(net.Listen("tcp", "127.0.0.1:0"))
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, give(ln) })
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) { //asyncvet:ignore blocking the other side has connected, or does so at once
				t.Errorf("%s: it is not closed: %v", name, err)
			}
		}
		pc := must(net.ListenPacket("udp", "127.0.0.1:0"))
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			return 0, third(l.CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { return &mailbox{} }, asyncio.WithPacketConn(pc)))
		})
		if _, rerr := pc.WriteTo([]byte("x"), pc.LocalAddr()); err == nil || !errors.Is(rerr, net.ErrClosed) {
			t.Errorf("datagrams: %v, %v", err, rerr)
		}
	})
}

// A mute connection fails to write, and has something to be read.
type mute struct {
	driver.Conn
	data   io.Reader
	took   int
	closed bool
}

func (c *mute) Start(h driver.Handler) error { h.Ready(driver.Readable | driver.Hangup); return nil }
func (c *mute) Read(p []byte) (int, error)   { return c.data.Read(p) }
func (c *mute) Write(p []byte) (int, error)  { return min(c.took, len(p)), syscall.EPIPE }
func (c *mute) Writev([][]byte) (int, error) { return c.took, syscall.EPIPE }
func (c *mute) CloseWrite() error            { return syscall.ENOTCONN }
func (c *mute) Close() error                 { c.closed = true; return nil }
func (c *mute) Reset()                       {}

func TestWhatCanStillBeReadIsReceivedAfterWritingHasFailed(t *testing.T) {
	for name, write := range map[string]func(tr asyncio.Transport) (int, error){
		"Write":      func(tr asyncio.Transport) (int, error) { return tr.Write([]byte("12345")) },
		"WriteLines": func(tr asyncio.Transport) (int, error) { return tr.WriteLines([]byte("12"), []byte("345")) },
	} {
		onVirtualClock(t, func(t *testing.T, ctx context.Context) {
			r := &recorder{}
			r.on = map[string]func(){"made": func() {
				if n, err := write(r.transport); n != 3 || err != syscall.EPIPE {
					t.Errorf("%s: %d, %v", name, n, err)
				}
				if n, err := write(r.transport); n != 0 || err != syscall.EPIPE {
					t.Errorf("%s again: %d, %v", name, n, err)
				}
			}}
			c := &mute{data: strings.NewReader("last words"), took: 3}
			if err := asyncio.NewTransportOn(loopOf(ctx), c, r); err != nil {
				t.Fatal(err)
			}
			r.untilCall(ctx, "lost")
			if string(r.data) != "last words" || r.lost != syscall.EPIPE || !c.closed {
				t.Errorf("%s: received %q, lost with %v, closed: %v", name, r.data, r.lost, c.closed)
			}
		})
	}
}

// Who the peer is cannot be told without the descriptor.
func TestPeerCredentialsThatCannotBeHadAreAnError(t *testing.T) {
	onFaultyDrivers(t, func(t *testing.T, ctx context.Context, d *faultyDriver) {
		path := filepath.Join(t.TempDir(), "s")
		server := &recorder{}
		srv := must(loopOf(ctx).CreateServer(ctx, "unix", path, func() asyncio.Protocol { return server }))
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client)
		for _, refused := range []string{"SyscallConn", "Control"} {
			d.refused, d.n = refused, 0
			c, err := tr.PeerCredentials()
			if d.refused = ""; c != nil || !errors.Is(err, errFault) || !strings.HasPrefix(err.Error(), "peer credentials: ") {
				t.Errorf("where %s is refused: %v, %v", refused, c, err)
			}
		}
		tr.Close()
		shutdown(t, ctx, srv)
	})
}
