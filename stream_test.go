package asyncio_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// serve starts a server on loopback that is closed when the test ends.
func serve(t *testing.T, ctx context.Context, handler func(context.Context, *asyncio.Stream) error, opts ...asyncio.ServerOption) *asyncio.Server {
	t.Helper()
	s, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", handler, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, ctx context.Context, addr net.Addr, opts ...asyncio.ConnOption) *asyncio.Stream {
	t.Helper()
	s, err := asyncio.OpenConnection(ctx, addr.Network(), addr.String(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shutdown(t *testing.T, ctx context.Context, s *asyncio.Server) {
	t.Helper()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func echo(_ context.Context, s *asyncio.Stream) error {
	_, err := io.Copy(s, s)
	return err
}

func TestStreamEchoesLines(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		for i := range 100 {
			want := fmt.Sprintf("line %d\n", i)
			if _, err := s.Write([]byte(want)); err != nil {
				t.Fatal(err)
			}
			if got, err := s.ReadLine(ctx); string(got) != want || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		s.Close()
		if err := s.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestStreamOverAUnixSocket(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		path := filepath.Join(t.TempDir(), "s")
		for range 2 { // the second time proves that the node was removed
			srv, err := asyncio.StartServer(ctx, "unix", path, echo)
			if err != nil {
				t.Fatal(err)
			}
			s := dial(t, ctx, srv.Addr())
			s.Write([]byte("hello"))
			s.WriteEOF()
			if got, err := s.ReadAll(ctx); string(got) != "hello" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			s.Close()
			shutdown(t, ctx, srv)
		}
	})
}

func TestStreamOverIPv6(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6 loopback: " + err.Error())
	} else {
		l.Close()
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv, err := asyncio.StartServer(ctx, "tcp", "[::1]:0", echo)
		if err != nil {
			t.Fatal(err)
		}
		s := dial(t, ctx, srv.Addr())
		if a := s.RemoteAddr().(*net.TCPAddr); !a.IP.Equal(net.IPv6loopback) {
			t.Errorf("remote address %v", a)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

// pattern is n bytes that show where they come from.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

func TestBigTransferArrivesWholeInBothDirectionsAtOnce(t *testing.T) {
	const size = 8 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		data := pattern(size)
		sent := asyncio.Go(ctx, func(ctx context.Context) error {
			for chunk := range slicesOf(data, 100_000) {
				if _, err := s.Write(chunk); err != nil {
					return err
				}
			}
			return s.WriteEOF()
		})
		h := sha256.New()
		n, err := io.Copy(h, s)
		if err != nil || n != size || !bytes.Equal(h.Sum(nil), sum(data)) {
			t.Errorf("got %d bytes, %v; the right ones: %v", n, err, bytes.Equal(h.Sum(nil), sum(data)))
		}
		if _, err := sent.Await(ctx); err != nil {
			t.Error(err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func sum(p []byte) []byte { s := sha256.Sum256(p); return s[:] }

func slicesOf(p []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(p) > 0 {
			k := min(n, len(p))
			if !yield(p[:k]) {
				return
			}
			p = p[k:]
		}
	}
}

func TestHalfClosedStreamStillReads(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			all, err := s.ReadAll(ctx) // needs the client's end
			if err != nil {
				return err
			}
			_, err = s.Write(bytes.ToUpper(all))
			return err
		})
		s := dial(t, ctx, srv.Addr())
		s.Write([]byte("shout"))
		if err := s.WriteEOF(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after WriteEOF gave %v", err)
		}
		if got, err := s.ReadAll(ctx); string(got) != "SHOUT" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if !s.AtEOF() {
			t.Error("AtEOF is false at the end")
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestWriterIsHeldUpByAPeerThatDoesNotRead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		release := asyncio.NewFuture[struct{}](must(asyncio.RunningLoop(ctx)))
		var received int64
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			if _, err := release.Await(ctx); err != nil {
				return err
			}
			var err error
			received, err = io.Copy(io.Discard, s)
			return err
		})
		s := dial(t, ctx, srv.Addr())
		s.SetWriteBufferLimits(1000, 100_000)
		chunk := pattern(50_000)
		var sent int64
		writer := asyncio.Go(ctx, func(ctx context.Context) error {
			for range 1000 {
				n, err := s.Write(chunk)
				sent += int64(n)
				if err != nil {
					return err
				}
			}
			return s.WriteEOF()
		})
		// It stands still once two looks in a row, with turns of the loop between, see no more.
		for before := int64(-1); before != sent; {
			before = sent
			for range 1000 {
				asyncio.Sleep(ctx, 0)
			}
		}
		if writer.Done() {
			t.Fatal("the writer was never held up")
		}
		if s.WriteBufferSize() > 150_000 {
			t.Errorf("%d bytes are queued", s.WriteBufferSize())
		}
		release.SetResult(struct{}{})
		if _, err := writer.Await(ctx); err != nil {
			t.Error(err)
		}
		s.ReadAll(ctx)
		s.Close()
		shutdown(t, ctx, srv)
		if received != sent || sent != 50_000_000 {
			t.Errorf("sent %d, received %d", sent, received)
		}
	})
}

// goroutinesMadeBy returns how many goroutines there are that a function has started.
// Their number alone may change for the sake of others, which tests before have left.
func goroutinesMadeBy(function string) int {
	return bytes.Count(allStacks(), []byte(function+" in goroutine"))
}

// goroutines returns the numbers of all goroutines. No number comes again.
func goroutines() map[string]bool {
	all := make(map[string]bool)
	for stack := range bytes.SplitSeq(allStacks(), []byte("\n\n")) {
		number, _, _ := strings.Cut(string(stack), " [")
		all[number] = true
	}
	return all
}

// newGoroutines returns the numbers of those that were not there before.
func newGoroutines(before map[string]bool) []string {
	all := goroutines()
	maps.DeleteFunc(all, func(number string, _ bool) bool { return before[number] })
	return slices.Collect(maps.Keys(all))
}

// allStacks returns the stacks of all goroutines.
func allStacks() []byte {
	stacks := make([]byte, 1<<20)
	return stacks[:runtime.Stack(stacks, true)]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestCancelledReadLosesNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		reader := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return s.ReadExactly(ctx, 10) })
		asyncio.Sleep(ctx, 0)
		s.Write([]byte("01234"))
		reader.CancelCause(errors.New("enough"))
		if _, err := reader.Await(ctx); !asyncio.IsCancelled(err) || !strings.Contains(err.Error(), "enough") {
			t.Errorf("the read gave %v", err)
		}
		s.Write([]byte("56789"))
		if got, err := s.ReadExactly(ctx, 10); string(got) != "0123456789" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestEndOfADerivedContextEndsARead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		short, cancel := context.WithCancel(ctx)
		loop := must(asyncio.RunningLoop(ctx))
		loop.CallSoon(cancel)
		if _, err := s.ReadLine(short); !errors.Is(err, context.Canceled) || asyncio.IsCancelled(err) {
			t.Errorf("ReadLine gave %v", err)
		}
		if _, err := s.ReadLine(short); err != context.Canceled {
			t.Errorf("the next ReadLine gave %v", err)
		}
		s.Write([]byte("still there\n"))
		if got, err := s.ReadLine(ctx); string(got) != "still there\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestSecondReaderGetsAnError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		one := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return s.ReadLine(ctx) })
		asyncio.Sleep(ctx, 0)
		if _, err := s.ReadLine(ctx); !errors.Is(err, asyncio.ErrConcurrentRead) {
			t.Errorf("the second reader got %v", err)
		}
		s.Write([]byte("x\n"))
		if got, err := one.Await(ctx); string(got) != "x\n" || err != nil {
			t.Errorf("the first reader got %q, %v", got, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestATaskMayTakeWhatAnotherOneWaitsToComplete(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		s.Write([]byte("one "))
		if got, err := s.ReadExactly(ctx, 1); string(got) != "o" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		waits := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return s.ReadLine(ctx) })
		asyncio.Sleep(ctx, 0)
		p := make([]byte, 10)
		if n, err := s.Read(p); string(p[:n]) != "ne " || err != nil {
			t.Errorf("got %q, %v", p[:n], err)
		}
		s.Write([]byte("two\n"))
		if got, err := waits.Await(ctx); string(got) != "two\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestCloseEndsARead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		one := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return s.ReadLine(ctx) })
		asyncio.Sleep(ctx, 0)
		s.Close()
		if _, err := one.Await(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the reader got %v", err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close gave %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("the second Close gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestCloseSendsWhatWasWritten(t *testing.T) {
	const size = 4 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			s.SetWriteBufferLimits(-1, 2*size) // nothing holds the writer up
			_, err := s.Write(pattern(size))
			return err // which closes
		})
		s := dial(t, ctx, srv.Addr())
		if n, err := io.Copy(io.Discard, s); n != size || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestAbortResetsThePeer(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			s.ReadLine(ctx) // a connection that ends at once may be no connection for who dials
			s.SetWriteBufferLimits(-1, 1<<30)
			s.Write(pattern(16 << 20)) // more than the system takes
			s.Abort()
			return nil
		})
		s := dial(t, ctx, srv.Addr())
		s.Write([]byte("go\n"))
		if _, err := io.Copy(io.Discard, s); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading gave %v", err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestConnectionRefusedNamesTheAddress(t *testing.T) {
	const addr = "127.0.0.1:1"
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		_, err := asyncio.OpenConnection(ctx, "tcp", addr)
		if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), addr) {
			t.Errorf("OpenConnection gave %v", err)
		}
	})
}

func TestBadAddressesAreErrors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, c := range [][2]string{
			{"tcp", "127.0.0.1"}, {"tcp", "127.0.0.1:http:80"}, {"udp", "127.0.0.1:1"},
			{"tcp6", "127.0.0.1:1"}, {"tcp", "127.0.0.1:99999"}, {"unix", "/no/such/socket"},
		} {
			if s, err := asyncio.OpenConnection(ctx, c[0], c[1]); err == nil {
				t.Errorf("OpenConnection(%q, %q) connected", c[0], c[1])
				s.Close()
			}
			if c[0] == "unix" {
				continue
			}
			if srv, err := asyncio.StartServer(ctx, c[0], c[1], echo); err == nil {
				t.Errorf("StartServer(%q, %q) listens", c[0], c[1])
				srv.Close()
			}
		}
	})
}

func TestNextAddressIsTriedWhenTheFirstIsRefused(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		port := srv.Addr().(*net.TCPAddr).Port
		resolver := func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.0.1")}, nil
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", fmt.Sprintf("two.example:%d", port), asyncio.WithResolver(resolver))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.RemoteAddr().String(); got != srv.Addr().String() {
			t.Errorf("connected to %s", got)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

// silent returns an address that answers no connect: its queue is full.
func silent(t *testing.T) *net.TCPAddr {
	t.Helper()
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0))
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa := must(syscall.Getsockname(fd)).(*syscall.SockaddrInet4)
	addr := &net.TCPAddr{IP: net.IP(sa.Addr[:]), Port: sa.Port}
	for failed := 0; failed < 3; { // one may have failed for want of a processor
		c, err := net.DialTimeout("tcp", addr.String(), 100*time.Millisecond)
		if err != nil {
			failed++
			continue
		}
		failed = 0
		t.Cleanup(func() { c.Close() })
	}
	return addr
}

func TestConnectTimeout(t *testing.T) {
	addr := silent(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		_, err := asyncio.OpenConnection(ctx, "tcp", addr.String(), asyncio.WithConnectTimeout(20*time.Millisecond))
		var timeout *asyncio.TimeoutError
		if !errors.As(err, &timeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("OpenConnection gave %v", err)
		}
	})
}

func TestCancelledConnectLeavesNothing(t *testing.T) {
	addr := silent(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Stream, error) {
			return asyncio.OpenConnection(ctx, "tcp", addr.String())
		})
		asyncio.Sleep(ctx, 0)
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("OpenConnection gave %v", err)
		}
	})
}

func TestHappyEyeballsDoesNotWaitForAnAddressThatIsSilent(t *testing.T) {
	addr := silent(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv, err := asyncio.StartServer(ctx, "tcp", fmt.Sprintf("127.0.0.2:%d", addr.Port), echo)
		if err != nil {
			t.Fatal(err)
		}
		resolver := func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}, nil
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", fmt.Sprintf("two.example:%d", addr.Port),
			asyncio.WithResolver(resolver), asyncio.WithHappyEyeballsDelay(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.RemoteAddr().String(); got != srv.Addr().String() {
			t.Errorf("connected to %s", got)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestUsedFromAForeignGoroutineStreamsGiveAnError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		errs := must(asyncio.ToThread(ctx, func(context.Context) ([]error, error) {
			_, read := s.Read(make([]byte, 1))
			_, write := s.Write([]byte("x"))
			_, line := s.ReadLine(ctx)
			_, view := s.Conn().Read(make([]byte, 1))
			_, open := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
			return []error{read, write, line, s.Close(), s.WriteEOF(), s.Drain(ctx), open, view}, nil
		}))
		for i, err := range errs {
			if !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("%d: %v", i, err)
			}
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestSeveralTasksMayDrainAndAreToldOfFailure(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		accepted := asyncio.NewFuture[*asyncio.Stream](loopOf(ctx))
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			accepted.SetResult(s)
			return s.WaitClosed(ctx)
		})
		for _, fails := range []bool{false, true} {
			s := dial(t, ctx, srv.Addr())
			peer := must(accepted.Await(ctx))
			accepted = asyncio.NewFuture[*asyncio.Stream](loopOf(ctx))
			writer := asyncio.Go(ctx, func(ctx context.Context) error {
				_, err := s.Write(pattern(16 << 20))
				return err
			})
			asyncio.Sleep(ctx, 0)
			var drainers []*asyncio.Task[struct{}]
			for range 3 {
				drainers = append(drainers, asyncio.Go(ctx, s.Drain))
			}
			turns(ctx, 5)
			if fails {
				peer.Abort()
			} else {
				asyncio.Go(ctx, func(ctx context.Context) error { _, err := io.Copy(io.Discard, peer); peer.Close(); return err })
			}
			for _, d := range append(drainers, writer) {
				if _, err := d.Await(ctx); (err != nil) != fails {
					t.Errorf("fails %v: a wait gave %v", fails, err)
				}
			}
			s.Close()
		}
		shutdown(t, ctx, srv)
	})
}

func TestCloseWithSomethingUnreadSendsWhatWasWritten(t *testing.T) {
	const size = 1 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, secure := range []bool{false, true} {
			var sopts []asyncio.ServerOption
			var copts []asyncio.ConnOption
			if secure {
				sopts = append(sopts, asyncio.WithTLS(serverTLS()))
				copts = append(copts, asyncio.WithTLS(clientTLS()))
			}
			got := asyncio.NewFuture[int](loopOf(ctx))
			srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
				s.Write([]byte("one\ntwo\n")) // before it reads
				all, _ := s.ReadAll(ctx)      // without TLS it may be told of a reset
				return got.SetResult(len(all))
			}, sopts...)
			s := dial(t, ctx, srv.Addr(), copts...)
			if line, err := s.ReadLine(ctx); string(line) != "one\n" || err != nil {
				t.Errorf("got %q, %v", line, err)
			}
			s.Write(pattern(size))
			s.Close()
			if err := s.WaitClosed(ctx); err != nil {
				t.Error(err)
			}
			if n, err := got.Await(ctx); n != size || err != nil {
				t.Errorf("secure %v: %d bytes came, %v", secure, n, err)
			}
			shutdown(t, ctx, srv)
		}
	})
}

func TestAResetThatAWriteIsToldOfIsNoEndForReads(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		s := dial(t, ctx, ln.Addr())
		reset(must(ln.Accept())) //asyncvet:ignore blocking the other side has connected, or does so at once
		for range 1000 {
			if _, err := s.Write([]byte("x")); err != nil {
				break
			}
			asyncio.Sleep(ctx, 0)
		}
		if n, err := s.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read gave %d, %v", n, err)
		}
		s.Abort()
	})
}

func TestReadAllTakesNoMoreThanTheLimitAtOnce(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		r := asyncio.NewStreamReader(loopOf(ctx), 8)
		loopOf(ctx).CallSoon(func() {
			r.FeedData([]byte("0123456789"))
			r.SetError(errBoom)
			r.FeedEOF()
		})
		if all, err := r.ReadAll(ctx); string(all) != "01234567" || err != errBoom {
			t.Errorf("got %q, %v", all, err)
		}
		if r.AtEOF() {
			t.Error("what came behind the limit is gone")
		}
	})
}
