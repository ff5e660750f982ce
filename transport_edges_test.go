package asyncio_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A queue that is as long as the high-water mark is not above it.
func TestWritingIsPausedAboveTheHighWaterMarkAndNotAtIt(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		server.transport.PauseReading()
		tr := client.transport
		tr.SetWriteBufferLimits(0, 1<<30)
		tr.Write(make([]byte, 16<<20)) // more than the kernel takes
		for _, c := range []struct {
			above int
			call  string // the last that is told
		}{{0, "made"}, {-1, "pause"}, {0, "resume"}, {1, "resume"}} {
			n := tr.WriteBufferSize() // it may become less, but not nothing
			tr.SetWriteBufferLimits(0, n+c.above)
			turns(ctx, 3)
			if last := client.calls[len(client.calls)-1]; last != c.call || n == 0 {
				t.Errorf("with %d bytes queued and a mark of %d the last call was %s, want %s", n, n+c.above, last, c.call)
			}
		}
		tr.Abort()
		server.transport.Abort()
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
	})
}

func TestWriteLinesThatFailsIsTheEndOfWriting(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		s := dial(t, ctx, ln.Addr())
		reset(must(ln.Accept())) //asyncvet:ignore blocking the other side has connected, or does so at once
		var failure error
		for failure == nil {
			_, failure = s.WriteLines([]byte("x"), []byte("y"))
			asyncio.Sleep(ctx, 0)
		}
		if err := s.Drain(ctx); err == nil {
			t.Error("Drain gave no error")
		}
		for name, write := range map[string]func() (int, error){
			"Write":      func() (int, error) { return s.Write([]byte("z")) },
			"WriteLines": func() (int, error) { return s.WriteLines([]byte("z")) },
		} {
			if n, err := write(); n != 0 || err == nil {
				t.Errorf("%s gave %d, %v", name, n, err)
			}
		}
		s.Abort()

		client := &recorder{}
		join(t, ctx, ln.Addr(), client)
		nc := must(ln.Accept()) //asyncvet:ignore blocking the other side has connected, or does so at once
		client.transport.PauseReading()
		reset(nc)
		for !client.transport.IsClosing() {
			client.transport.WriteLines([]byte("x"), []byte("y"))
			asyncio.Sleep(ctx, 0)
		}
		client.untilCall(ctx, "lost")
		if client.lost == nil {
			t.Error("it was lost for no reason")
		}
	})
}

func TestSendfileOfATransportByCopyingIsHeldUpToo(t *testing.T) {
	const size = 24 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, nil)
		f.Truncate(size)
		loopOf(ctx).SetDefaultExecutor(asyncio.NewThreadPoolExecutor(1)) // so that each job waits for a read
		server, client := securePair(t, ctx)
		server.transport.PauseReading()
		sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			return loopOf(ctx).Sendfile(ctx, client.transport, f, 0, -1)
		})
		client.untilCall(ctx, "pause")
		most := 0
		for i := 0; i < 300 && most <= 1<<20; i++ {
			most = max(most, client.transport.WriteBufferSize())
			asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil })
		}
		if most > 1<<20 || sent.Done() {
			t.Errorf("%d bytes are queued, and Sendfile is done: %t", most, sent.Done())
		}
		client.transport.Abort()
		if _, err := sent.Await(ctx); err == nil {
			t.Error("Sendfile of a connection that was aborted gave no error")
		}
		server.transport.ResumeReading()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
	})
}

// The configuration is the user's, and may serve for other connections at the
// same time.
func TestConnectingLeavesTheTLSConfigurationAsItIs(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		cfg := clientTLS()
		dial(t, ctx, srv.Addr(), asyncio.WithTLS(cfg)).Close()
		if cfg.ServerName != "" {
			t.Errorf("its ServerName is %q now", cfg.ServerName)
		}
		cfg.ServerName = "localhost" // which counts before the address
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(cfg))
		if name := s.ConnectionState().ServerName; name != "localhost" {
			t.Errorf("it has asked for %q", name)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestDatagramTransportIsNotClosedFromAForeignGoroutine(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		m := &mailbox{}
		tr, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { return m },
			asyncio.WithLocalAddr("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		asyncio.ToThread(ctx, func(context.Context) (int, error) { tr.Close(); tr.Abort(); return 0, nil })
		if tr.IsClosing() {
			t.Error("it was closed")
		}
		tr.SendTo([]byte("to myself"), tr.LocalAddr())
		m.until(ctx, func() bool { return len(m.got) > 0 })
		tr.Close()
		tr.Close()
		m.until(ctx, func() bool { return m.calls[len(m.calls)-1] == "lost" })
		if m.lost != nil {
			t.Errorf("it was lost with %v", m.lost)
		}
	})
}

func TestDatagramEndpointSaysWhyItCannotBeOpened(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		factory := func() asyncio.DatagramProtocol { return &mailbox{} }
		var unknown *net.DNSError
		for name, opt := range map[string]asyncio.DatagramOption{
			"to":   asyncio.WithRemoteAddr("127.0.0.1:no-such-service"),
			"from": asyncio.WithLocalAddr("127.0.0.1:no-such-service"),
		} {
			tr, p, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp", factory, opt)
			if !errors.As(err, &unknown) || tr != nil || p != nil {
				t.Errorf("%s an unknown service: %v, %v, %v", name, tr, p, err)
			}
		}
		if _, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "tcp", factory); !errors.As(err, new(net.UnknownNetworkError)) {
			t.Errorf("another network: %v", err)
		}
		// What it was to take over belongs to it, also when that fails.
		pc := must(net.ListenPacket("udp", "127.0.0.1:0"))
		_, _, err := loopOf(ctx).CreateDatagramEndpoint(context.Background(), "udp", factory, asyncio.WithPacketConn(pc))
		if !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Errorf("outside of a loop: %v", err)
		}
		if _, err := pc.WriteTo([]byte("x"), pc.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it was not closed: %v", err)
		}
	})
}

func TestLookupsThatAreCancelledSaySo(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for name, look := range map[string]func(context.Context) error{
			"Getnameinfo": func(ctx context.Context) error {
				return errorOf3(l.Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:80")))
			},
			"Getaddrinfo": func(ctx context.Context) error { return errorOf(l.Getaddrinfo(ctx, "tcp", "localhost", "80")) },
		} {
			task := asyncio.Go(ctx, look)
			asyncio.Sleep(ctx, 0)
			if task.Done() {
				continue // it needed nobody else
			}
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("%s gave %v", name, err)
			}
		}
	})
}

// Who waits on a connection that is aborted is told that it is closed.
func TestAbortEndsAllThatWaitOnAStream(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			s.WaitClosed(ctx) // it reads nothing
			return nil
		})
		s := dial(t, ctx, srv.Addr())
		reader := asyncio.Go(ctx, func(ctx context.Context) error { return errorOf(s.ReadLine(ctx)) })
		writer := asyncio.Go(ctx, func(context.Context) error { return errorOf(s.Write(make([]byte, 8<<20))) })
		turns(ctx, 3)
		drainer := asyncio.Go(ctx, s.Drain)
		closer := asyncio.Go(ctx, s.WaitClosed)
		s.Conn().SetDeadline(time.Now().Add(time.Hour))
		turns(ctx, 3)
		if reader.Done() || writer.Done() || drainer.Done() || closer.Done() {
			t.Fatal("they do not wait")
		}
		timers := loopOf(ctx).Stats().Timers
		s.Abort()
		for name, task := range map[string]*asyncio.Task[struct{}]{"the reader": reader, "the writer": writer, "who drains": drainer} {
			if _, err := task.Await(ctx); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s was told %v", name, err)
			}
		}
		if _, err := closer.Await(ctx); err != nil {
			t.Errorf("who waits for the end was told %v", err)
		}
		if n := loopOf(ctx).Stats().Timers; n != timers-2 {
			t.Errorf("%d timers are set, and were %d with two deadlines", n, timers)
		}
		srv.Close()
		srv.AbortClients()
		srv.WaitClosed(ctx)
	})
}

func TestNoDatagramIsReceivedAfterClose(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		m := &mailbox{}
		m.on = map[string]func(){"data": func() { m.transport.Close() }}
		tr, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "udp", func() asyncio.DatagramProtocol { return m },
			asyncio.WithLocalAddr("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			tr.SendTo([]byte("x"), tr.LocalAddr())
		}
		m.until(ctx, func() bool { return m.calls[len(m.calls)-1] == "lost" })
		turns(ctx, 3)
		if len(m.got) != 1 || len(m.errs) != 0 || m.calls[len(m.calls)-1] != "lost" {
			t.Errorf("%d datagrams and the errors %v; the calls were %v", len(m.got), m.errs, m.calls)
		}
	})
}

// Of the marks that are not given one follows from the other.
func TestWaterMarksFollowFromEachOther(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		for _, c := range [][4]int{
			{-1, -1, 16 << 10, 64 << 10}, {0, -1, 0, 0}, {1, -1, 1, 4}, {100, -1, 100, 400},
			{-1, 0, 0, 0}, {-1, 100, 25, 100}, {0, 100, 0, 100}, {100, 100, 100, 100}, {101, 100, 25, 100},
		} {
			client.transport.SetWriteBufferLimits(c[0], c[1])
			if low, high := client.transport.WriteBufferLimits(); low != c[2] || high != c[3] {
				t.Errorf("%d and %d stand for %d and %d, want %d and %d", c[0], c[1], low, high, c[2], c[3])
			}
		}
		client.transport.Abort()
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
	})
}

// An address that does not answer holds the next one up for as long as is said.
func TestTheDelayBetweenAddressesIsTheOneThatIsGiven(t *testing.T) {
	addr := silent(t)
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(addr.Port)))
	if err != nil {
		t.Skip("no second address here: ", err)
	}
	defer ln.Close()
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		resolver := asyncio.WithResolver(func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{addr.AddrPort().Addr().Unmap(), netip.MustParseAddr("127.0.0.2")}, nil
		})
		name := net.JoinHostPort("some.example", strconv.Itoa(addr.Port))
		// Longer than the delay is that there is where none is given.
		_, err := asyncio.OpenConnection(ctx, "tcp", name, resolver, asyncio.WithHappyEyeballsDelay(time.Hour), asyncio.WithConnectTimeout(300*time.Millisecond))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second address did not wait: %v", err)
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", name, resolver, asyncio.WithHappyEyeballsDelay(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	})
}

// Of several addresses that fail each is named with its error; one alone fails with
// its own.
func TestEveryAddressThatFailsIsNamed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for n, want := range map[int]string{1: "", 2: "all 2 addresses failed", 3: "all 3 addresses failed"} {
			var addrs []netip.Addr
			for i := range n {
				addrs = append(addrs, netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}))
			}
			resolver := asyncio.WithResolver(func(context.Context, string, string) ([]netip.Addr, error) { return addrs, nil })
			_, err := asyncio.OpenConnection(ctx, "tcp", "some.example:1", resolver)
			if err == nil || !strings.Contains(err.Error(), want) || n == 1 && strings.Contains(err.Error(), "addresses") {
				t.Fatalf("%d addresses: %v", n, err)
			}
			for _, a := range addrs {
				if n > 1 && !strings.Contains(err.Error(), a.String()+":1: ") {
					t.Errorf("%v is not named: %v", a, err)
				}
			}
		}
	})
}
