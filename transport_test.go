package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A recorder is a protocol that notes what it is told.
type recorder struct {
	transport asyncio.Transport
	calls     []string
	data      []byte
	lost      error
	keepOpen  bool
	on        map[string]func() // what else a callback does
	news      *asyncio.Future[struct{}]
}

func (r *recorder) note(call string) {
	if n := len(r.calls); call != "data" || n == 0 || r.calls[n-1] != "data" {
		r.calls = append(r.calls, call)
	}
	if r.news != nil && !r.news.Done() {
		r.news.SetResult(struct{}{})
	}
	if f := r.on[call]; f != nil {
		f()
	}
}

func (r *recorder) ConnectionMade(t asyncio.Transport) { r.transport = t; r.note("made") }
func (r *recorder) DataReceived(p []byte)              { r.data = append(r.data, p...); r.note("data") }
func (r *recorder) EOFReceived() bool                  { r.note("eof"); return r.keepOpen }
func (r *recorder) ConnectionLost(err error)           { r.lost = err; r.note("lost") }
func (r *recorder) PauseWriting()                      { r.note("pause") }
func (r *recorder) ResumeWriting()                     { r.note("resume") }

// until waits until the recorder was told what makes cond true.
func (r *recorder) until(ctx context.Context, cond func() bool) {
	for !cond() {
		r.news = asyncio.NewFuture[struct{}](must(asyncio.RunningLoop(ctx)))
		if _, err := r.news.Await(ctx); err != nil {
			panic(err)
		}
	}
}

func (r *recorder) untilCall(ctx context.Context, call string) {
	r.until(ctx, func() bool { return slices.Contains(r.calls, call) })
}

func (r *recorder) untilData(ctx context.Context, n int) {
	r.until(ctx, func() bool { return len(r.data) >= n })
}

func (r *recorder) check(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(r.calls, want) {
		t.Errorf("the calls were %v, and not %v", r.calls, want)
	}
}

// echoProtocol sends back what it is sent.
type echoProtocol struct {
	asyncio.BaseProtocol
	transport asyncio.Transport
}

func (p *echoProtocol) ConnectionMade(t asyncio.Transport) { p.transport = t }
func (p *echoProtocol) DataReceived(data []byte)           { p.transport.Write(data) }
func (p *echoProtocol) PauseWriting()                      { p.transport.PauseReading() }
func (p *echoProtocol) ResumeWriting()                     { p.transport.ResumeReading() }

func newEcho() asyncio.Protocol { return &echoProtocol{} }

// host serves protocols on loopback.
func host(t *testing.T, ctx context.Context, factory func() asyncio.Protocol, opts ...asyncio.ServerOption) *asyncio.Server {
	t.Helper()
	s, err := loopOf(ctx).CreateServer(ctx, "tcp", "127.0.0.1:0", factory, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// join connects p.
func join(t *testing.T, ctx context.Context, addr net.Addr, p asyncio.Protocol, opts ...asyncio.ConnOption) asyncio.Transport {
	t.Helper()
	tr, got, err := loopOf(ctx).CreateConnection(ctx, addr.Network(), addr.String(), func() asyncio.Protocol { return p }, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if got != p {
		t.Errorf("CreateConnection gave the protocol %v", got)
	}
	return tr
}

// pair connects two recorders over TCP: the server's and the client's.
func pair(t *testing.T, ctx context.Context) (server, client *recorder) {
	t.Helper()
	server, client = &recorder{}, &recorder{}
	srv := host(t, ctx, func() asyncio.Protocol { return server })
	join(t, ctx, srv.Addr(), client)
	server.untilCall(ctx, "made")
	srv.Close()
	return server, client
}

func TestProtocolIsToldInOrder(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		client.transport.Write([]byte("hello"))
		server.untilData(ctx, 5)
		client.transport.Close()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
		server.check(t, "made", "data", "eof", "lost")
		client.check(t, "made", "lost")
		if string(server.data) != "hello" || server.lost != nil || client.lost != nil {
			t.Errorf("got %q, %v, %v", server.data, server.lost, client.lost)
		}
	})
}

func TestNoDataComesBeforeCreateConnectionReturns(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		greeter := &recorder{}
		greeter.on = map[string]func(){"made": func() { greeter.transport.Write([]byte("hello")) }}
		srv := host(t, ctx, func() asyncio.Protocol { return greeter })
		client := &recorder{}
		join(t, ctx, srv.Addr(), client)
		client.check(t, "made")
		client.untilData(ctx, 5)
		client.transport.Close()
		shutdown(t, ctx, srv)
	})
}

func TestProtocolEchoOverUnixSocketAndItsCredentials(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		path := filepath.Join(t.TempDir(), "s")
		server := &recorder{}
		srv, err := loopOf(ctx).CreateServer(ctx, "unix", path, func() asyncio.Protocol { return server })
		if err != nil {
			t.Fatal(err)
		}
		client := &recorder{}
		join(t, ctx, srv.Addr(), client)
		server.untilCall(ctx, "made")
		for _, tr := range []asyncio.Transport{server.transport, client.transport} {
			c, err := tr.PeerCredentials()
			if errors.Is(err, errors.ErrUnsupported) {
				t.Log(err)
			} else if err != nil || c.PID != os.Getpid() || c.UID != os.Getuid() || c.GID != os.Getgid() {
				t.Errorf("the credentials are %+v, %v", c, err)
			}
		}
		client.transport.Close()
		shutdown(t, ctx, srv)
		tcp, _ := pair(t, ctx)
		if _, err := tcp.transport.PeerCredentials(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("over TCP PeerCredentials gave %v", err)
		}
		tcp.transport.Abort()
	})
}

func TestTransportTellsItsAddresses(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		if a, b := server.transport.RemoteAddr(), client.transport.LocalAddr(); a.String() != b.String() {
			t.Errorf("the client is %v for the server and %v for itself", a, b)
		}
		if a, b := server.transport.LocalAddr(), client.transport.RemoteAddr(); a.String() != b.String() {
			t.Errorf("the server is %v for itself and %v for the client", a, b)
		}
		if client.transport.ConnectionState() != nil {
			t.Error("a plain connection has a TLS state")
		}
		raw, err := client.transport.SyscallConn()
		if err != nil || raw.Control(func(uintptr) {}) != nil {
			t.Errorf("SyscallConn gave %v", err)
		}
		if client.transport.Loop() != loopOf(ctx) {
			t.Error("Loop gave another loop")
		}
		client.transport.Close()
		server.untilCall(ctx, "lost")
		if a := server.transport.RemoteAddr(); a == nil || a.String() != client.transport.LocalAddr().String() {
			t.Errorf("after the end the client is %v", a)
		}
	})
}

func TestHalfCloseKeepsTheOtherHalfOpenWhenTheProtocolSaysSo(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		server.keepOpen = true
		client.transport.Write([]byte("question"))
		if !client.transport.CanWriteEOF() {
			t.Fatal("CanWriteEOF says false")
		}
		if err := client.transport.WriteEOF(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.transport.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after WriteEOF gave %v", err)
		}
		server.untilCall(ctx, "eof")
		if server.transport.IsClosing() || server.transport.IsReading() {
			t.Error("the half that was kept open closes, or reads")
		}
		server.transport.Write([]byte("answer"))
		client.untilData(ctx, 6)
		server.transport.Close()
		client.untilCall(ctx, "lost")
		client.check(t, "made", "data", "eof", "lost")
		server.check(t, "made", "data", "eof", "lost")
	})
}

func TestPausedReadingHoldsDataBack(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		server.transport.PauseReading()
		server.transport.PauseReading()
		if server.transport.IsReading() {
			t.Error("IsReading says true")
		}
		client.transport.Write([]byte("hello"))
		client.transport.WriteEOF()
		probe, other := pair(t, ctx) // what goes round trip after it shows that time has passed
		other.transport.Write([]byte("x"))
		probe.untilData(ctx, 1)
		server.check(t, "made")
		server.transport.ResumeReading()
		server.transport.ResumeReading()
		server.untilCall(ctx, "lost")
		server.check(t, "made", "data", "eof", "lost")
		other.transport.Abort()
		probe.untilCall(ctx, "lost")
		client.transport.Close()
		client.untilCall(ctx, "lost")
	})
}

func TestWriterIsPausedAndResumedAtTheWaterMarks(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		server.transport.PauseReading()
		tr := client.transport
		if low, high := tr.WriteBufferLimits(); low != 16<<10 || high != 64<<10 {
			t.Errorf("the limits are %d and %d", low, high)
		}
		for _, c := range []struct{ low, high, wantLow, wantHigh int }{
			{-1, -1, 16 << 10, 64 << 10}, {100, -1, 100, 400}, {-1, 400, 100, 400}, {0, 0, 0, 0}, {10, 20, 10, 20},
		} {
			tr.SetWriteBufferLimits(c.low, c.high)
			if low, high := tr.WriteBufferLimits(); low != c.wantLow || high != c.wantHigh {
				t.Errorf("limits of %d and %d are %d and %d", c.low, c.high, low, high)
			}
		}
		tr.SetWriteBufferLimits(-1, -1)
		sent, chunk := 0, pattern(32<<10)
		for tr.WriteBufferSize() <= 64<<10 { // the kernel's buffers fill up first
			tr.Write(chunk)
			sent += len(chunk)
			asyncio.Sleep(ctx, 0)
		}
		if len(client.calls) > 1 && client.calls[1] == "pause" && client.calls[len(client.calls)-1] != "pause" {
			t.Error(client.calls)
		}
		client.untilCall(ctx, "pause")
		server.transport.ResumeReading()
		client.untilCall(ctx, "resume")
		if n := tr.WriteBufferSize(); n > 16<<10 {
			t.Errorf("it was resumed with %d bytes queued", n)
		}
		tr.Close()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
		if len(server.data) != sent {
			t.Errorf("%d of %d bytes came", len(server.data), sent)
		}
	})
}

func TestCloseSendsWhatWasWrittenAndAbortDropsIt(t *testing.T) {
	const size = 4 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		data := pattern(size)
		server, client := pair(t, ctx)
		client.transport.Write(data)
		client.transport.Close()
		client.transport.Close()
		if !client.transport.IsClosing() {
			t.Error("IsClosing says false")
		}
		if _, err := client.transport.Write(data); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close gave %v", err)
		}
		server.untilCall(ctx, "lost")
		if !bytes.Equal(server.data, data) {
			t.Errorf("after Close %d bytes came", len(server.data))
		}

		server, client = pair(t, ctx)
		server.transport.PauseReading()
		client.transport.Write(data)
		client.transport.Abort()
		client.untilCall(ctx, "lost")
		if client.transport.WriteBufferSize() != 0 {
			t.Error("after Abort something is queued")
		}
		server.transport.ResumeReading()
		server.untilCall(ctx, "lost")
		if len(server.data) == len(data) || !errors.Is(server.lost, syscall.ECONNRESET) || client.lost != nil {
			t.Errorf("after Abort %d bytes came, and %v, %v", len(server.data), server.lost, client.lost)
		}
	})
}

func TestWriteLinesWritesAllInOrder(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		var want []byte
		for i := range 40 { // more than the kernel takes at once
			lines := [][]byte{[]byte(fmt.Sprint(i, "\n")), pattern(i * 5000), nil, []byte("end\n")}
			want = append(want, slices.Concat(lines...)...)
			n, err := client.transport.WriteLines(lines...)
			if n != len(slices.Concat(lines...)) || err != nil {
				t.Fatalf("WriteLines gave %d, %v", n, err)
			}
		}
		client.transport.Close()
		server.untilCall(ctx, "lost")
		if !bytes.Equal(server.data, want) {
			t.Errorf("%d bytes came of %d, or other ones", len(server.data), len(want))
		}
	})
}

func TestSetProtocolGivesTheRestToAnother(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		client.transport.Write([]byte("a"))
		server.untilData(ctx, 1)
		second := &recorder{}
		server.transport.SetProtocol(second)
		if server.transport.Protocol() != asyncio.Protocol(second) {
			t.Error("Protocol gave another one")
		}
		client.transport.Write([]byte("b"))
		second.untilData(ctx, 1)
		client.transport.Close()
		second.untilCall(ctx, "lost")
		server.check(t, "made", "data")
		second.check(t, "data", "eof", "lost")
	})
}

// bufferedRecorder is a recorder with a buffer of its own.
type bufferedRecorder struct {
	recorder
	buf   []byte
	hints []int
}

func (b *bufferedRecorder) GetBuffer(hint int) []byte { b.hints = append(b.hints, hint); return b.buf }
func (b *bufferedRecorder) BufferUpdated(n int)       { b.DataReceived(b.buf[:n]) }

func TestBufferedProtocolIsReadIntoItsOwnBuffer(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &bufferedRecorder{buf: make([]byte, 10)}
		srv := host(t, ctx, func() asyncio.Protocol { return server })
		client := &recorder{}
		join(t, ctx, srv.Addr(), client)
		data := pattern(1000)
		client.transport.Write(data)
		server.untilData(ctx, len(data))
		client.transport.Close()
		server.untilCall(ctx, "lost")
		server.check(t, "made", "data", "eof", "lost")
		if !bytes.Equal(server.data, data) {
			t.Errorf("got %d bytes, or other ones", len(server.data))
		}
		if slices.Max(server.hints) != -1 {
			t.Errorf("the hints were %v", server.hints)
		}
		shutdown(t, ctx, srv)
	})
}

func TestProtocolMayChangeToABufferedOneAndBack(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		buffered := &bufferedRecorder{buf: make([]byte, 4)}
		server.transport.SetProtocol(buffered)
		client.transport.Write([]byte("one"))
		buffered.untilData(ctx, 3)
		server.transport.SetProtocol(server)
		client.transport.Write([]byte("two"))
		server.untilData(ctx, 3)
		client.transport.Close()
		server.untilCall(ctx, "lost")
		if string(buffered.data) != "one" || string(server.data) != "two" {
			t.Errorf("got %q and %q", buffered.data, server.data)
		}
	})
}

func TestEmptyBufferOfABufferedProtocolEndsTheConnection(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &bufferedRecorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return server })
		client := &recorder{}
		join(t, ctx, srv.Addr(), client)
		client.transport.Write([]byte("x"))
		server.untilCall(ctx, "lost")
		if server.lost == nil || !strings.Contains(server.lost.Error(), "GetBuffer") {
			t.Errorf("it was lost with %v", server.lost)
		}
		client.untilCall(ctx, "lost")
		shutdown(t, ctx, srv)
	})
}

func TestCreateConnectionSaysWhyItFailed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		const addr = "127.0.0.1:1"
		l := loopOf(ctx)
		if _, _, err := l.CreateConnection(ctx, "tcp", addr, newEcho); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a refused connection gave %v", err)
		}
		if _, _, err := l.CreateConnection(ctx, "udp", addr, newEcho); !errors.As(err, new(net.UnknownNetworkError)) {
			t.Errorf("network udp gave %v", err)
		}
		if _, _, err := l.CreateConnection(t.Context(), "tcp", addr, newEcho); !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Errorf("without a loop it gave %v", err)
		}
		srv := host(t, ctx, newEcho)
		if _, _, err := l.CreateConnection(ctx, "tcp", srv.Addr().String(), func() asyncio.Protocol { return nil }); err == nil || !strings.Contains(err.Error(), "factory") {
			t.Errorf("a factory that gives nothing gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestExistingConnectionsAndListenersAreTakenOver(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, network := range []string{"tcp", "unix"} {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			ln := must(net.Listen(network, address))
			srv, err := loopOf(ctx).CreateServer(ctx, "", "", newEcho, asyncio.WithListener(ln))
			if err != nil {
				t.Fatal(err)
			}
			if srv.Addr().String() != ln.Addr().String() {
				t.Errorf("the server is at %v", srv.Addr())
			}
			nc := must(net.Dial(network, ln.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
			local := nc.LocalAddr().String()
			client := &recorder{}
			tr := join(t, ctx, ln.Addr(), client, asyncio.WithConn(nc))
			if tr.LocalAddr().String() != local {
				t.Errorf("the connection comes from %v and not %v", tr.LocalAddr(), local)
			}
			tr.Write([]byte("hello"))
			client.untilData(ctx, 5)
			//asyncvet:ignore blocking the peer is a plain connection, to this machine
			s, err := asyncio.OpenConnection(ctx, "", "", asyncio.WithConn(must(net.Dial(network, ln.Addr().String()))))
			if err != nil {
				t.Fatal(err)
			}
			s.Write([]byte("hi\n"))
			if got, err := s.ReadLine(ctx); string(got) != "hi\n" || err != nil {
				t.Errorf("the stream got %q, %v", got, err)
			}
			s.Close()
			tr.Close()
			shutdown(t, ctx, srv)
			if _, err := net.Dial(network, ln.Addr().String()); err == nil { //asyncvet:ignore blocking the peer is a plain connection, to this machine
				t.Error("the listener is still there")
			}
		}
	})
}

func TestConnectAcceptedSocketServesIt(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, opts := range [][]asyncio.StreamOption{nil, {asyncio.WithTLS(serverTLS())}} {
			ln := must(net.Listen("tcp", "127.0.0.1:0"))
			var copts []asyncio.ConnOption
			if opts != nil {
				copts = append(copts, asyncio.WithTLS(clientTLS()))
			}
			dialled := asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Stream, error) {
				return asyncio.OpenConnection(ctx, "tcp", ln.Addr().String(), copts...)
			})
			nc, err := asyncio.ToThread(ctx, func(context.Context) (net.Conn, error) { return ln.Accept() })
			if err != nil {
				t.Fatal(err)
			}
			tr, p, err := loopOf(ctx).ConnectAcceptedSocket(ctx, nc, newEcho, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if p.(*echoProtocol).transport != tr {
				t.Error("the protocol has another transport")
			}
			s := must(dialled.Await(ctx))
			s.Write([]byte("hello\n"))
			if got, err := s.ReadLine(ctx); string(got) != "hello\n" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			s.Close()
			if _, err := s.ReadAll(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			ln.Close()
			tr.Abort()
		}
	})
}

func TestForeignConnectionsAreForThePortableDriver(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		near, far := net.Pipe()
		defer far.Close()
		tr, _, err := loopOf(ctx).ConnectAcceptedSocket(ctx, near, newEcho)
		if strings.HasSuffix(t.Name(), "/portable") {
			if err != nil {
				t.Fatal(err)
			}
			tr.Close()
		} else if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("ConnectAcceptedSocket gave %v", err)
		}
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return far.Read(make([]byte, 1)) }); err != io.EOF {
			t.Errorf("the other end got %v", err)
		}
	})
}

func TestCreateConnectionComesFromTheLocalAddressItIsGiven(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := host(t, ctx, newEcho)
		free := must(net.Listen("tcp", "127.0.0.1:0"))
		local := free.Addr().String()
		l := loopOf(ctx)
		resolver := func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.IPv6Loopback(), netip.MustParseAddr("127.0.0.1")}, nil
		}
		connect := func(address string) (asyncio.Transport, error) {
			tr, _, err := l.CreateConnection(ctx, "tcp", srv.Addr().String(), newEcho,
				asyncio.WithLocalAddr(address), asyncio.WithResolver(resolver))
			return tr, err
		}
		if _, err := connect(local); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("an address that is in use gave %v", err)
		}
		free.Close()
		tr, err := connect(local)
		if err != nil || tr.LocalAddr().String() != local {
			t.Fatalf("the connection comes from %v, %v", tr, err)
		}
		tr.Abort()
		for _, address := range []string{":0", "a.name:0"} {
			tr, err := connect(address)
			if err != nil || tr.LocalAddr().(*net.TCPAddr).IP.String() != "127.0.0.1" {
				t.Fatalf("%s: the connection comes from %v, %v", address, tr, err)
			}
			tr.Abort()
		}
		for _, address := range []string{"[::1]:0", "127.0.0.1", "127.0.0.1:no such port"} {
			if _, err := connect(address); err == nil {
				t.Errorf("%s was taken", address)
			}
		}
		shutdown(t, ctx, srv)
	})
}

func TestCreateServerOnAnAddressInUseSaysSo(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := host(t, ctx, newEcho)
		_, err := loopOf(ctx).CreateServer(ctx, "tcp", srv.Addr().String(), newEcho)
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), srv.Addr().String()) {
			t.Errorf("CreateServer gave %v", err)
		}
		if _, err := loopOf(ctx).CreateServer(ctx, "unix", filepath.Join(t.TempDir(), "no", "such"), newEcho); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a path that cannot be gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestServerOnAllAddressesTakesBothFamilies(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6 loopback: " + err.Error())
	} else {
		l.Close()
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv, err := loopOf(ctx).CreateServer(ctx, "tcp", ":0", newEcho)
		if err != nil {
			t.Fatal(err)
		}
		port := srv.Addr().(*net.TCPAddr).Port
		for _, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} {
			client := &recorder{}
			tr := join(t, ctx, &net.TCPAddr{IP: ip, Port: port}, client)
			tr.Write([]byte("x"))
			client.untilData(ctx, 1)
			tr.Close()
		}
		shutdown(t, ctx, srv)
	})
}

func TestWhatAClosedTransportStillTells(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, connect := range []func(*testing.T, context.Context) (*recorder, *recorder){pair, securePair} {
			server, client := connect(t, ctx)
			client.transport.Close()
			client.untilCall(ctx, "lost")
			server.untilCall(ctx, "lost")
			tr := client.transport
			if tr.LocalAddr() == nil || tr.RemoteAddr() == nil || tr.WriteBufferSize() != 0 || !tr.IsClosing() || tr.IsReading() {
				t.Errorf("it says %v, %v, %d, %v, %v", tr.LocalAddr(), tr.RemoteAddr(), tr.WriteBufferSize(), tr.IsClosing(), tr.IsReading())
			}
			if raw, err := tr.SyscallConn(); err == nil && raw.Control(func(uintptr) {}) == nil {
				t.Error("it gives access to a descriptor")
			}
			if err := tr.WriteEOF(); err != nil && !errors.Is(err, net.ErrClosed) { // over TLS it was done by Close
				t.Errorf("WriteEOF gave %v", err)
			}
			if _, err := tr.WriteLines([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("WriteLines gave %v", err)
			}
			tr.ResumeReading()
			tr.Close()
			tr.Abort()
			turns(ctx, 3)
			client.check(t, "made", "lost")
		}
	})
}

func TestTransportOnAForeignGoroutineRefuses(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			client.transport.Close()
			client.transport.Abort()
			client.transport.PauseReading()
			return client.transport.Write([]byte("x"))
		})
		if !errors.Is(err, asyncio.ErrWrongGoroutine) || client.transport.IsClosing() || !client.transport.IsReading() {
			t.Errorf("Write gave %v", err)
		}
		client.transport.Close()
		server.untilCall(ctx, "lost")
	})
}
