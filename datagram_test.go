package asyncio_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A mailbox is a datagram protocol that notes what it is told.
type mailbox struct {
	transport asyncio.DatagramTransport
	calls     []string
	got       []string
	from      net.Addr // of the last one
	errs      []error
	lost      error
	on        map[string]func() // what else a callback does
	news      *asyncio.Future[struct{}]
}

func (m *mailbox) note(call string) {
	if n := len(m.calls); n == 0 || m.calls[n-1] != call || call != "data" && call != "error" {
		m.calls = append(m.calls, call)
	}
	if m.news != nil && !m.news.Done() {
		m.news.SetResult(struct{}{})
	}
	if f := m.on[call]; f != nil {
		f()
	}
}

func (m *mailbox) ConnectionMade(t asyncio.DatagramTransport) { m.transport = t; m.note("made") }
func (m *mailbox) ErrorReceived(err error)                    { m.errs = append(m.errs, err); m.note("error") }
func (m *mailbox) ConnectionLost(err error)                   { m.lost = err; m.note("lost") }
func (m *mailbox) PauseWriting()                              { m.note("pause") }
func (m *mailbox) ResumeWriting()                             { m.note("resume") }

func (m *mailbox) DatagramReceived(data []byte, from net.Addr) {
	m.got, m.from = append(m.got, string(data)), from
	m.note("data")
}

// until waits until the mailbox was told what makes cond true.
func (m *mailbox) until(ctx context.Context, cond func() bool) {
	for !cond() {
		m.news = asyncio.NewFuture[struct{}](loopOf(ctx))
		if _, err := m.news.Await(ctx); err != nil {
			panic(err)
		}
	}
}

func (m *mailbox) untilCall(ctx context.Context, call string) {
	m.until(ctx, func() bool { return slices.Contains(m.calls, call) })
}

func (m *mailbox) untilGot(ctx context.Context, n int) {
	m.until(ctx, func() bool { return len(m.got) >= n })
}

func (m *mailbox) send(t *testing.T, data string, to net.Addr) {
	t.Helper()
	if err := m.transport.SendTo([]byte(data), to); err != nil {
		t.Fatal(err)
	}
}

// openMailbox makes an endpoint.
func openMailbox(t *testing.T, ctx context.Context, network string, opts ...asyncio.DatagramOption) *mailbox {
	t.Helper()
	m := &mailbox{}
	tr, p, err := loopOf(ctx).CreateDatagramEndpoint(ctx, network, func() asyncio.DatagramProtocol { return m }, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if tr != m.transport || p != asyncio.DatagramProtocol(m) || tr.Protocol() != p || tr.Loop() != loopOf(ctx) {
		t.Error("CreateDatagramEndpoint gave another transport or protocol")
	}
	return m
}

// closeMailboxes closes endpoints and waits for that.
func closeMailboxes(t *testing.T, ctx context.Context, all ...*mailbox) {
	t.Helper()
	for _, m := range all {
		m.transport.Close()
		m.untilCall(ctx, "lost")
		if m.lost != nil {
			t.Errorf("it was lost with %v", m.lost)
		}
		if last := len(m.calls) - 1; m.calls[0] != "made" || m.calls[last] != "lost" || slices.Index(m.calls, "lost") != last {
			t.Errorf("the calls were %v", m.calls)
		}
	}
}

// datagramPair returns an endpoint, and one that is connected to it.
func datagramPair(t *testing.T, ctx context.Context, network string) (server, client *mailbox) {
	t.Helper()
	local := "127.0.0.1:0"
	var opts []asyncio.DatagramOption
	switch network {
	case "udp6":
		if _, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
			t.Skip("no IPv6 here: ", err)
		}
		local = "[::1]:0"
	case "unixgram":
		if runtime.GOOS == "windows" {
			t.Skip("no datagrams on unix sockets here")
		}
		dir := t.TempDir()
		local = filepath.Join(dir, "s")
		opts = append(opts, asyncio.WithLocalAddr(filepath.Join(dir, "c")))
	}
	server = openMailbox(t, ctx, network, asyncio.WithLocalAddr(local))
	client = openMailbox(t, ctx, network, append(opts, asyncio.WithRemoteAddr(server.transport.LocalAddr().String()))...)
	return server, client
}

func TestDatagramsGoBothWays(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, network := range []string{"udp", "udp4", "unixgram"} {
			server, client := datagramPair(t, ctx, network)
			if client.transport.RemoteAddr().String() != server.transport.LocalAddr().String() || server.transport.RemoteAddr() != nil {
				t.Errorf("the remote addresses are %v and %v", client.transport.RemoteAddr(), server.transport.RemoteAddr())
			}
			client.send(t, "question", nil)
			client.send(t, "", nil) // an empty datagram is one
			client.send(t, "addressed", server.transport.LocalAddr())
			server.untilGot(ctx, 3)
			if !slices.Equal(server.got, []string{"question", "", "addressed"}) || server.from.String() != client.transport.LocalAddr().String() {
				t.Errorf("the server got %q from %v", server.got, server.from)
			}
			server.send(t, "answer", server.from)
			client.untilGot(ctx, 1)
			if client.got[0] != "answer" || client.from.String() != server.transport.LocalAddr().String() {
				t.Errorf("the client got %q from %v", client.got, client.from)
			}
			closeMailboxes(t, ctx, server, client)
		}
	})
}

func TestDatagramsOfIPv6(t *testing.T) {
	probe, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	probe.Close()
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		// An endpoint without an address is one of both families.
		both := openMailbox(t, ctx, "udp")
		four := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"))
		six := openMailbox(t, ctx, "udp6", asyncio.WithLocalAddr("[::1]:0"))
		for _, m := range []*mailbox{four, six} {
			both.send(t, "hello", m.transport.LocalAddr())
			m.untilGot(ctx, 1)
			m.send(t, "back", m.from)
		}
		both.untilGot(ctx, 2)
		closeMailboxes(t, ctx, both, four, six)
	})
}

func TestDatagramNamesAreLookedUp(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		resolver := asyncio.WithResolver(func(_ context.Context, network, host string) ([]netip.Addr, error) {
			if network != "ip" || host != "mail.test" {
				return nil, fmt.Errorf("asked for %s, %s", network, host)
			}
			return []netip.Addr{netip.IPv6Loopback(), netip.MustParseAddr("127.0.0.1")}, nil
		})
		server := openMailbox(t, ctx, "udp", asyncio.WithLocalAddr("127.0.0.1:0"))
		_, port, _ := net.SplitHostPort(server.transport.LocalAddr().String())
		// Of the two, only one is of the local address's family.
		client := openMailbox(t, ctx, "udp", resolver, asyncio.WithRemoteAddr("mail.test:"+port), asyncio.WithLocalAddr("127.0.0.1:0"))
		client.send(t, "x", nil)
		server.untilGot(ctx, 1)
		any := openMailbox(t, ctx, "udp", asyncio.WithRemoteAddr("127.0.0.1:"+port), asyncio.WithLocalAddr(":0"))
		any.send(t, "y", nil)
		server.untilGot(ctx, 2)
		closeMailboxes(t, ctx, server, client, any)
	})
}

func TestCreateDatagramEndpointSaysWhyItFailed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		made := 0
		factory := func() asyncio.DatagramProtocol { made++; return &mailbox{} }
		used := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"))
		address := used.transport.LocalAddr().String()
		if _, _, err := l.CreateDatagramEndpoint(ctx, "udp4", factory, asyncio.WithLocalAddr(address)); !errors.Is(err, syscall.EADDRINUSE) && runtime.GOOS != "windows" {
			t.Errorf("a used address gave %v", err)
		}
		if _, _, err := l.CreateDatagramEndpoint(ctx, "tcp", factory); !errors.As(err, new(net.UnknownNetworkError)) {
			t.Errorf("network tcp gave %v", err)
		}
		for _, opts := range [][]asyncio.DatagramOption{
			{asyncio.WithLocalAddr("no port")},
			{asyncio.WithRemoteAddr("127.0.0.1:no-such-service")},
			{asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithRemoteAddr("[::1]:9")},
			{asyncio.WithMulticastGroup(netip.MustParseAddr("127.0.0.1"), nil)},
		} {
			if _, _, err := l.CreateDatagramEndpoint(ctx, "udp", factory, opts...); err == nil {
				t.Errorf("%v gave no error", opts)
			}
		}
		if _, _, err := l.CreateDatagramEndpoint(ctx, "unixgram", factory); err == nil {
			t.Error("a unix socket without an address gave no error")
		}
		if _, _, err := l.CreateDatagramEndpoint(t.Context(), "udp", factory); !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Errorf("without a loop it gave %v", err)
		}
		if made != 0 {
			t.Error("a protocol was made for an endpoint that could not be")
		}
		if _, _, err := l.CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { return nil }); err == nil || !strings.Contains(err.Error(), "factory") {
			t.Errorf("a factory that gives nothing gave %v", err)
		}
		closeMailboxes(t, ctx, used)
	})
}

func TestConnectedEndpointIsToldThatNobodyIsThere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows tells it in its own way")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := datagramPair(t, ctx, "udp")
		address := server.transport.LocalAddr().String()
		loose := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0")) // later it could have the same port
		closeMailboxes(t, ctx, server)
		client.send(t, "x", nil)
		client.untilCall(ctx, "error")
		if !errors.Is(client.errs[0], syscall.ECONNREFUSED) {
			t.Errorf("the error was %v", client.errs[0])
		}
		// It goes on, and so does one that is not connected and sends there.
		loose.send(t, "x", client.transport.RemoteAddr())
		server = openMailbox(t, ctx, "udp", asyncio.WithLocalAddr(address))
		client.send(t, "y", nil)
		loose.send(t, "z", server.transport.LocalAddr())
		server.untilGot(ctx, 2)
		if len(loose.errs) > 0 {
			t.Errorf("one that is not connected was told %v", loose.errs)
		}
		closeMailboxes(t, ctx, server, client, loose)
	})
}

func TestDatagramThatCannotBeSentIsAnErrorReceived(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := datagramPair(t, ctx, "udp")
		told := false
		client.on = map[string]func(){"error": func() { told = true }}
		client.send(t, strings.Repeat("x", 70_000), nil)
		if told {
			t.Error("ErrorReceived was called inside SendTo")
		}
		client.untilCall(ctx, "error")
		if !errors.Is(client.errs[0], syscall.EMSGSIZE) && runtime.GOOS != "windows" {
			t.Errorf("the error was %v", client.errs[0])
		}
		client.send(t, strings.Repeat("y", 60_000), nil)
		server.untilGot(ctx, 1)
		if len(server.got[0]) != 60_000 {
			t.Errorf("%d bytes came", len(server.got[0]))
		}
		closeMailboxes(t, ctx, server, client)
	})
}

func TestSendToRefusesWhatIsAMistake(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := datagramPair(t, ctx, "udp")
		if err := client.transport.SendTo(nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}); !errors.Is(err, syscall.EISCONN) {
			t.Errorf("another address than the remote one gave %v", err)
		}
		if err := server.transport.SendTo(nil, nil); !errors.Is(err, syscall.EDESTADDRREQ) {
			t.Errorf("no address gave %v", err)
		}
		for _, to := range []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, &net.UnixAddr{Name: "x", Net: "unixgram"}} {
			if err := server.transport.SendTo(nil, to); !errors.As(err, new(*net.AddrError)) {
				t.Errorf("an address of type %T gave %v", to, err)
			}
		}
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, server.transport.SendTo(nil, nil) }); !errors.Is(err, asyncio.ErrWrongGoroutine) {
			t.Errorf("from another goroutine it gave %v", err)
		}
		closeMailboxes(t, ctx, server, client)
		if err := client.transport.SendTo(nil, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close it gave %v", err)
		}
		if !client.transport.IsClosing() {
			t.Error("IsClosing says false")
		}
		if len(server.errs)+len(client.errs) > 0 {
			t.Errorf("the protocols were told %v and %v", server.errs, client.errs)
		}
	})
}

func TestDatagramWriterIsPausedAndResumed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no datagrams on unix sockets here")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		// A receiver that is not read from fills up, on unix sockets.
		name := filepath.Join(t.TempDir(), "s")
		slow := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}))
		for _, connected := range []bool{true, false} {
			opts, to := []asyncio.DatagramOption{asyncio.WithLocalAddr(name + fmt.Sprint(connected))}, net.Addr(nil)
			if connected {
				opts = append(opts, asyncio.WithRemoteAddr(name))
			} else {
				to = slow.LocalAddr()
			}
			m := openMailbox(t, ctx, "unixgram", opts...)
			m.transport.SetWriteBufferLimits(5000, 20_000)
			if low, high := m.transport.WriteBufferLimits(); low != 5000 || high != 20_000 {
				t.Errorf("the limits are %d and %d", low, high)
			}
			sent := 0
			for !slices.Contains(m.calls, "pause") {
				m.send(t, strings.Repeat("x", 992), to)
				sent++
				asyncio.Sleep(ctx, 0)
			}
			if n := m.transport.WriteBufferSize(); n <= 20_000 || n%1000 != 0 {
				t.Errorf("paused with %d bytes queued", n)
			}
			m.transport.Close() // after what is queued
			reader := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) {
					n := 0
					for buf := make([]byte, 2000); n < sent; n++ {
						if _, err := slow.Read(buf); err != nil {
							return n, err
						}
					}
					return n, nil
				})
			})
			m.untilCall(ctx, "lost")
			if n, err := reader.Await(ctx); n != sent || err != nil {
				t.Errorf("%d of %d datagrams came, %v", n, sent, err)
			}
			if want := []string{"made", "pause", "resume", "lost"}; !slices.Equal(m.calls, want) && !slices.Equal(m.calls, slices.DeleteFunc(want, func(s string) bool { return s == "resume" })) {
				t.Errorf("the calls were %v", m.calls)
			}
		}
		slow.Close()
	})
}

// Limits that are set anew count at once: what is queued up to the upper one holds
// nobody up, and a byte more does.
func TestDatagramWriterIsPausedByLimitsThatAreSetAnew(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no datagrams on unix sockets here")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		name := filepath.Join(t.TempDir(), "s")
		slow := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}))
		defer slow.Close()
		m := openMailbox(t, ctx, "unixgram", asyncio.WithLocalAddr(name+"c"), asyncio.WithRemoteAddr(name))
		m.transport.SetWriteBufferLimits(5000, 20_000)
		full := func() bool { return m.calls[len(m.calls)-1] == "pause" && datagramsWait(t) }
		for settled := false; !settled; settled = full() {
			for !full() {
				m.send(t, strings.Repeat("x", 992), nil)
				turns(ctx, 3)
			}
			turns(ctx, 40) // the loop has looked for I/O, and was told that there was room meanwhile
		}
		m.calls = m.calls[:0]
		n := m.transport.WriteBufferSize()
		for _, high := range []int{n, n - 1, n} {
			m.transport.SetWriteBufferLimits(-1, high)
			turns(ctx, 3)
		}
		if want := []string{"resume", "pause", "resume"}; !slices.Equal(m.calls, want) {
			t.Errorf("the calls were %v, want %v", m.calls, want)
		}
		m.transport.Abort()
		m.untilCall(ctx, "lost")
	})
}

// datagramsWait reports whether the driver has sent all that the kernel takes. The portable
// one has a goroutine that waits for the kernel then; until it does, it may take more.
func datagramsWait(t *testing.T) bool {
	if filepath.Base(t.Name()) != "portable" {
		return true
	}
	for stack := range bytes.SplitSeq(allStacks(), []byte("\n\n")) {
		head, frames, _ := bytes.Cut(stack, []byte("\n"))
		if bytes.Contains(head, []byte("[IO wait")) && bytes.Contains(frames, []byte("portable.(*packet).writeOut(")) {
			return true
		}
	}
	return false
}

func TestAbortDropsDatagrams(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no datagrams on unix sockets here")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		name := filepath.Join(t.TempDir(), "s")
		slow := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}))
		m := openMailbox(t, ctx, "unixgram", asyncio.WithRemoteAddr(name))
		for m.transport.WriteBufferSize() == 0 {
			m.send(t, "x", nil)
		}
		m.transport.Close()
		m.transport.Abort()
		m.transport.Abort()
		if m.transport.WriteBufferSize() != 0 {
			t.Error("after Abort something is queued")
		}
		closeMailboxes(t, ctx, m)
		slow.Close()
	})
}

func TestDatagramEndpointsShareAPort(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		one := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithReusePort())
		address := one.transport.LocalAddr().String()
		other := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr(address), asyncio.WithReusePort())
		client := openMailbox(t, ctx, "udp4", asyncio.WithRemoteAddr(address))
		got := asyncio.NewFuture[struct{}](loopOf(ctx)) // by one of them, as the system deals
		one.on = map[string]func(){"data": func() { got.SetResult(struct{}{}) }}
		other.on = one.on
		client.send(t, "x", nil)
		if _, err := got.Await(ctx); err != nil {
			t.Fatal(err)
		}
		closeMailboxes(t, ctx, one, other, client)
	})
}

func TestDatagramBroadcast(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a broadcast within the machine is Linux's")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := openMailbox(t, ctx, "udp4")
		to := &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: server.transport.LocalAddr().(*net.UDPAddr).Port}
		shy := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"))
		shy.send(t, "x", to)
		shy.untilCall(ctx, "error")
		if !errors.Is(shy.errs[0], syscall.EACCES) {
			t.Errorf("without WithBroadcast it gave %v", shy.errs[0])
		}
		loud := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"), asyncio.WithBroadcast())
		loud.send(t, "to all", to)
		server.untilGot(ctx, 1)
		if server.got[0] != "to all" {
			t.Errorf("got %q", server.got)
		}
		closeMailboxes(t, ctx, server, shy, loud)
	})
}

func TestExistingDatagramSocketIsTakenOver(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		pc := must(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
		server := openMailbox(t, ctx, "udp", asyncio.WithPacketConn(pc))
		nc := must(net.Dial("udp4", server.transport.LocalAddr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		client := openMailbox(t, ctx, "udp", asyncio.WithPacketConn(nc.(net.PacketConn)))
		client.send(t, "x", nil)
		server.untilGot(ctx, 1)
		if raw, err := server.transport.SyscallConn(); err != nil || raw.Control(func(uintptr) {}) != nil {
			t.Errorf("SyscallConn gave %v", err)
		}
		closeMailboxes(t, ctx, server, client)
		if _, err := loopOf(ctx).Time(), pc.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closing what was taken over gave %v", err)
		}
		// A stream is not one.
		ln := must(net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}))
		defer ln.Close()
		stream := must(net.DialUnix("unix", nil, ln.Addr().(*net.UnixAddr)))
		if _, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "", func() asyncio.DatagramProtocol { return &mailbox{} }, asyncio.WithPacketConn(stream)); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a stream gave %v", err)
		}
	})
}

func TestDatagramProtocolThatPanicsLosesItsEndpointOnly(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var reported []error
			opts := []asyncio.Option{asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				reported = append(reported, c.Err)
			})}
			if driver != nil {
				opts = append(opts, driver)
			}
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				server, client := datagramPair(t, ctx, "udp")
				server.on = map[string]func(){"data": func() { panic("no") }}
				client.send(t, "x", nil)
				server.untilCall(ctx, "lost")
				var p *asyncio.PanicError
				if !errors.As(server.lost, &p) || p.Value != "no" {
					t.Errorf("it was lost with %v", server.lost)
				}
				other, client2 := datagramPair(t, ctx, "udp")
				client2.send(t, "x", nil)
				other.untilGot(ctx, 1)
				closeMailboxes(t, ctx, client, client2, other)

				// One that panics at once is an error of the call.
				m := &mailbox{on: map[string]func(){"made": func() { panic("never") }}}
				if _, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { return m }); !errors.As(err, &p) {
					t.Errorf("CreateDatagramEndpoint gave %v", err)
				}
				return nil
			}, opts...)
			if err != nil || len(reported) != 2 {
				t.Errorf("%v; the handler was told %v", err, reported)
			}
		})
	}
}

func TestDatagramEndpointIsClosedInsideEachCallback(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, call := range []string{"made", "data", "error", "lost"} {
			for _, abort := range []bool{false, true} {
				server := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"))
				m := &mailbox{}
				m.on = map[string]func(){call: func() {
					if abort {
						m.transport.Abort()
					} else {
						m.transport.Close()
					}
				}}
				_, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp4", func() asyncio.DatagramProtocol { return m },
					asyncio.WithRemoteAddr(server.transport.LocalAddr().String()))
				if err != nil {
					t.Fatal(err)
				}
				switch call {
				case "data":
					server.send(t, "x", m.transport.LocalAddr())
					server.send(t, "y", m.transport.LocalAddr())
				case "error":
					m.send(t, strings.Repeat("x", 70_000), nil)
				case "lost":
					m.transport.Close()
				}
				m.untilCall(ctx, "lost")
				if len(m.got) > 1 {
					t.Errorf("closed in %s it got %q", call, m.got)
				}
				closeMailboxes(t, ctx, server, m)
			}
		}
	})
}

func TestDatagramSetProtocolGivesTheRestToAnother(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := datagramPair(t, ctx, "udp")
		second := &mailbox{transport: server.transport}
		server.transport.SetProtocol(second)
		client.send(t, "x", nil)
		second.untilGot(ctx, 1)
		server.transport.Close()
		second.untilCall(ctx, "lost")
		if !slices.Equal(server.calls, []string{"made"}) || !slices.Equal(second.calls, []string{"data", "lost"}) {
			t.Errorf("the calls were %v and %v", server.calls, second.calls)
		}
		closeMailboxes(t, ctx, client)
	})
}

func TestManyDatagramsShareTheLoop(t *testing.T) {
	const n = 2000
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := datagramPair(t, ctx, "unixgram") // which loses none
		for i := range n {
			client.send(t, fmt.Sprint(i), nil)
		}
		server.untilGot(ctx, n)
		for i, got := range server.got {
			if got != fmt.Sprint(i) {
				t.Fatalf("datagram %d was %q", i, got)
			}
		}
		big := bytes.Repeat([]byte("x"), 100_000) // longer than one of UDP can be
		client.send(t, string(big), nil)
		server.untilGot(ctx, n+1)
		if len(server.got[n]) != len(big) {
			t.Errorf("of %d bytes %d came", len(big), len(server.got[n]))
		}
		closeMailboxes(t, ctx, server, client)
	})
}

func TestClosingTheLoopClosesDatagramEndpoints(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var opts []asyncio.Option
			if driver != nil {
				opts = append(opts, driver)
			}
			var m, never *mailbox
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				m, never = datagramPair(t, ctx, "udp")
				return nil
			}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []*mailbox{m, never} {
				if !errors.Is(m.lost, asyncio.ErrLoopClosed) {
					t.Errorf("it was lost with %v", m.lost)
				}
			}
		})
	}
}

func TestTheVirtualClockHasNoDatagrams(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		_, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp4", func() asyncio.DatagramProtocol { return &mailbox{} }, asyncio.WithLocalAddr("127.0.0.1:0"))
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("it gave %v", err)
		}
	})
}

func TestDatagramsWithSocat(t *testing.T) {
	socat, err := exec.LookPath("socat")
	if err != nil {
		t.Skip("socat is not installed")
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := openMailbox(t, ctx, "udp4", asyncio.WithLocalAddr("127.0.0.1:0"))
		server.on = map[string]func(){"data": func() {
			server.transport.SendTo([]byte("got "+server.got[len(server.got)-1]), server.from)
		}}
		address := server.transport.LocalAddr().String()
		answer, err := asyncio.ToThread(ctx, func(ctx context.Context) (string, error) {
			cmd := exec.CommandContext(ctx, socat, "STDIO", "UDP4:"+address)
			in, out := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
			if err := cmd.Start(); err != nil {
				return "", err
			}
			fmt.Fprintln(in, "hello")
			line, err := bufio.NewReader(out).ReadString('\n')
			cmd.Process.Kill() // it does not know that nothing more comes
			cmd.Wait()
			return line, err
		})
		if answer != "got hello\n" {
			t.Errorf("socat said %q, %v", answer, err)
		}
		closeMailboxes(t, ctx, server)
	})
}
