package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// sockPair returns the two ends of a connection that no loop knows of.
//
//asyncvet:ignore blocking both ends are here, so it takes no time
func sockPair(t *testing.T, network string) (a, b asyncio.Socket) {
	t.Helper()
	ln := sockListener(t, network)
	a = must(net.Dial(network, ln.Addr().String())).(asyncio.Socket)
	b = must(ln.Accept()).(asyncio.Socket)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func sockListener(t *testing.T, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	ln := must(net.Listen(network, address))
	t.Cleanup(func() { ln.Close() })
	return ln
}

func TestSockClientTalksToAServer(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		for _, network := range []string{"tcp", "unix"} {
			l := loopOf(ctx)
			a, b := sockPair(t, network)
			echo := asyncio.Go(ctx, func(ctx context.Context) error {
				for p := make([]byte, 1000); ; {
					n, err := l.SockRecvInto(ctx, b, p)
					if err == io.EOF {
						return b.Close()
					}
					if err == nil {
						_, err = l.SockSendall(ctx, b, p[:n])
					}
					if err != nil {
						return err
					}
				}
			})
			if n, err := l.SockSendall(ctx, a, []byte("hello")); n != 5 || err != nil {
				t.Errorf("SockSendall gave %d, %v", n, err)
			}
			if got, err := l.SockRecv(ctx, a, 3); string(got) != "hel" || err != nil {
				t.Errorf("SockRecv gave %q, %v", got, err)
			}
			if got, err := l.SockRecv(ctx, a, 1000); string(got) != "lo" || err != nil {
				t.Errorf("SockRecv gave %q, %v", got, err)
			}
			a.(interface{ CloseWrite() error }).CloseWrite()
			if got, err := l.SockRecv(ctx, a, 1000); len(got) != 0 || err != io.EOF {
				t.Errorf("at the end SockRecv gave %q, %v", got, err)
			}
			if _, err := echo.Await(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSockSendallWaitsForRoom(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		a, b := sockPair(t, "tcp")
		sent := pattern(10 << 20)
		sender := asyncio.Go(ctx, func(ctx context.Context) error {
			n, err := l.SockSendall(ctx, a, sent)
			if n != len(sent) {
				t.Errorf("SockSendall gave %d", n)
			}
			a.Close()
			return err
		})
		var got []byte
		for p := make([]byte, 1<<20); ; {
			n, err := l.SockRecvInto(ctx, b, p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := sender.Await(ctx); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes came, %v", len(got), len(sent), err)
		}
	})
}

func TestSockSendtoAndRecvfromExchangeDatagrams(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		a := must(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
		b := must(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
		defer a.Close()
		defer b.Close()
		p := make([]byte, 100)
		type received struct {
			n    int
			from net.Addr
		}
		waiter := asyncio.CreateTask(ctx, func(ctx context.Context) (received, error) {
			n, from, err := l.SockRecvfrom(ctx, b, p)
			return received{n, from}, err
		})
		asyncio.Sleep(ctx, 0) // it waits
		if err := l.SockSendto(ctx, a, []byte("hello"), b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if r, err := waiter.Await(ctx); err != nil || string(p[:r.n]) != "hello" || r.from.String() != a.LocalAddr().String() {
			t.Errorf("got %q from %v, %v", p[:r.n], r.from, err)
		}
		if err := l.SockSendto(ctx, a, nil, b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if got, err := l.SockRecv(ctx, b, 10); len(got) != 0 || err != nil {
			t.Errorf("an empty datagram was %q, %v", got, err)
		}
		if err := l.SockSendto(ctx, a, make([]byte, 70_000), b.LocalAddr()); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("a datagram too long gave %v", err)
		}
		if err := l.SockSendto(ctx, a, nil, &net.UnixAddr{Name: "x", Net: "unixgram"}); !errors.As(err, new(*net.AddrError)) {
			t.Errorf("an address of another family gave %v", err)
		}
	})
}

func TestDatagramToNobodyEndsSockRecvfrom(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		nobody := must(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
		c := must(net.DialUDP("udp4", nil, nobody.LocalAddr().(*net.UDPAddr))) // later it could have the same port
		defer c.Close()
		nobody.Close()
		if _, err := l.SockSendall(ctx, c, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.SockRecvfrom(ctx, c, make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("it gave %v", err)
		}
	})
}

func TestSockAcceptGivesAConnection(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		for _, network := range []string{"tcp", "unix"} {
			l := loopOf(ctx)
			ln := sockListener(t, network)
			accepted := asyncio.CreateTask(ctx, func(ctx context.Context) (asyncio.Socket, error) {
				return l.SockAccept(ctx, ln.(syscall.Conn))
			})
			asyncio.Sleep(ctx, 0)                                                  // it waits
			client := must(net.Dial(network, ln.Addr().String())).(asyncio.Socket) //asyncvet:ignore blocking the peer is a plain connection, to this machine
			server, err := accepted.Await(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if network == "tcp" && server.RemoteAddr().String() != client.LocalAddr().String() {
				t.Errorf("it is from %v and not from %v", server.RemoteAddr(), client.LocalAddr())
			}
			l.SockSendall(ctx, server, []byte("hello"))
			if got, err := l.SockRecv(ctx, client, 10); string(got) != "hello" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			server.Close()
			client.Close()
		}
	})
}

func TestCancellingASockCallLeavesNoWatchBehind(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		ln := sockListener(t, "tcp")
		a, _ := sockPair(t, "tcp")
		calls := map[syscall.Conn]func(context.Context) error{
			ln.(syscall.Conn): func(ctx context.Context) error { _, err := l.SockAccept(ctx, ln.(syscall.Conn)); return err },
			a:                 func(ctx context.Context) error { _, err := l.SockRecv(ctx, a, 1); return err },
		}
		for c, call := range calls {
			task := asyncio.Go(ctx, call)
			asyncio.Sleep(ctx, 0)
			if err := call(ctx); !errors.Is(err, asyncio.ErrDescriptorInUse) {
				t.Errorf("beside a task that waits it gave %v", err)
			}
			if err := l.AddReader(numberOf(t, c), func() {}); !errors.Is(err, asyncio.ErrDescriptorInUse) {
				t.Errorf("beside a task that waits AddReader gave %v", err)
			}
			if must(l.RemoveReader(numberOf(t, c))) {
				t.Error("RemoveReader removed what a task waits for")
			}
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("the cancelled call gave %v", err)
			}
			if must(l.RemoveReader(numberOf(t, c))) {
				t.Error("a watch was left behind")
			}
			short, end := context.WithTimeout(ctx, time.Millisecond)
			if err := call(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("at the deadline it gave %v", err)
			}
			end()
			if err := l.AddReader(numberOf(t, c), func() {}); err != nil {
				t.Errorf("after that AddReader gave %v", err)
			}
			if err := call(ctx); !errors.Is(err, asyncio.ErrDescriptorInUse) {
				t.Errorf("beside a reader it gave %v", err)
			}
			l.RemoveReader(numberOf(t, c))
		}
	})
}

func TestSockReadsAndWritesAtTheSameTime(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		a, b := sockPair(t, "tcp")
		data := pattern(4 << 20)
		transfer := func(from, to asyncio.Socket) *asyncio.Task[struct{}] {
			asyncio.Go(ctx, func(ctx context.Context) error { _, err := l.SockSendall(ctx, from, data); return err })
			return asyncio.Go(ctx, func(ctx context.Context) error {
				var got []byte
				for p := make([]byte, 64<<10); len(got) < len(data); {
					n, err := l.SockRecvInto(ctx, to, p)
					if err != nil {
						return err
					}
					got = append(got, p[:n]...)
				}
				if !bytes.Equal(got, data) {
					t.Error("what came is not what was sent")
				}
				return nil
			})
		}
		for _, task := range []*asyncio.Task[struct{}]{transfer(a, b), transfer(b, a)} {
			if _, err := task.Await(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSockCallsRefuseWhatTheyCannot(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		a, _ := sockPair(t, "tcp")
		a.Close()
		if _, err := l.SockRecv(ctx, a, 1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed socket gave %v", err)
		}
		in, _ := watchedPipe(t)
		if _, err := l.SockRecv(ctx, in, 1); !errors.Is(err, syscall.ENOTSOCK) {
			t.Errorf("a pipe gave %v", err)
		}
		if _, err := l.SockRecv(t.Context(), in, 1); !errors.Is(err, asyncio.ErrNoRunningLoop) {
			t.Errorf("without a loop it gave %v", err)
		}
		f := must(os.CreateTemp(t.TempDir(), ""))
		defer f.Close()
		if _, err := l.SockAccept(ctx, f); err == nil {
			t.Error("a file was accepted from")
		}
	})
}

func TestSockSendfileSendsAFile(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		data := pattern(5 << 20)
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f := must(os.Open(name))
		defer f.Close()
		for _, c := range []struct{ offset, count, want int64 }{
			{0, -1, 5 << 20}, {1 << 20, 1000, 1000}, {5<<20 - 10, 1000, 10}, {6 << 20, -1, 0}, {0, 0, 0},
		} {
			a, b := sockPair(t, "tcp")
			sender := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
				defer a.Close()
				return l.SockSendfile(ctx, a, f, c.offset, c.count)
			})
			var got []byte
			for p := make([]byte, 64<<10); ; {
				n, err := l.SockRecvInto(ctx, b, p)
				if err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					break
				}
				got = append(got, p[:n]...)
			}
			want := data[min(c.offset, int64(len(data))):][:c.want]
			if n, err := sender.Await(ctx); n != c.want || err != nil || !bytes.Equal(got, want) {
				t.Errorf("%+v gave %d, %v, and %d bytes", c, n, err, len(got))
			}
		}
		a, _ := sockPair(t, "tcp")
		if _, err := l.SockSendfile(ctx, a, f, -1, 1); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("a negative offset gave %v", err)
		}
		in, _ := watchedPipe(t)
		if _, err := l.SockSendfile(ctx, a, in, 0, 1); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("a pipe gave %v", err)
		}
	})
}

func TestSockRecvInTheTurnAfterAnotherWasCancelled(t *testing.T) {
	onWatchers(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		a, b := sockPair(t, "tcp")
		recv := func(ctx context.Context) error {
			_, err := l.SockRecv(ctx, a, 10)
			return err
		}
		first := asyncio.Go(ctx, recv)
		asyncio.Sleep(ctx, 0)
		first.Cancel() // it will run, and give the descriptor up, after this task
		l.CallSoon(func() { b.Write([]byte("data")) })
		if p, err := l.SockRecv(ctx, a, 10); string(p) != "data" || err != nil {
			t.Errorf("it got %q, %v", p, err)
		}
		if !first.Cancelled() {
			t.Error("the first was not cancelled")
		}
		third := asyncio.Go(ctx, recv) // what was left of the first does no harm
		asyncio.Sleep(ctx, 0)
		b.Write([]byte("more"))
		if _, err := third.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}
