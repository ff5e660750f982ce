package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/sim"
)

func TestWhatLeadsOutOfTheWorldIsNamed(t *testing.T) {
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer wr.Close()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := os.Open("fence_test.go")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, use := range map[string]func(ctx context.Context, l *asyncio.Loop) error{
		"WrapFuture": func(ctx context.Context, l *asyncio.Loop) error {
			_, err := asyncio.WrapFuture(l, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
			return err
		},
		"WrapChan": func(ctx context.Context, l *asyncio.Loop) error {
			_, err := asyncio.WrapChan(l, make(chan int)).Await(ctx)
			return err
		},
		"Select over a channel": func(ctx context.Context, l *asyncio.Loop) error {
			_, err := asyncio.Select(ctx, asyncio.OnTimeout(time.Second), asyncio.OnReceive(make(chan int), nil))
			return err
		},
		"AddReader": func(_ context.Context, l *asyncio.Loop) error { return l.AddReader(r.Fd(), func() {}) },
		"AddWriter": func(_ context.Context, l *asyncio.Loop) error { return l.AddWriter(wr.Fd(), func() {}) },
		"SockRecv":  func(ctx context.Context, l *asyncio.Loop) error { _, err := l.SockRecv(ctx, udp, 1); return err },
		"SockSendall": func(ctx context.Context, l *asyncio.Loop) error {
			_, err := l.SockSendall(ctx, udp, []byte("x"))
			return err
		},
		"SockSendto": func(ctx context.Context, l *asyncio.Loop) error {
			return l.SockSendto(ctx, udp, []byte("x"), udp.LocalAddr())
		},
		"SockRecvfrom": func(ctx context.Context, l *asyncio.Loop) error {
			_, _, err := l.SockRecvfrom(ctx, udp, make([]byte, 1))
			return err
		},
		"SockConnect": func(ctx context.Context, l *asyncio.Loop) error { return l.SockConnect(ctx, udp, udp.LocalAddr()) },
		"SockAccept":  func(ctx context.Context, l *asyncio.Loop) error { _, err := l.SockAccept(ctx, ln); return err },
		"SockSendfile": func(ctx context.Context, l *asyncio.Loop) error {
			_, err := l.SockSendfile(ctx, udp, file, 0, -1)
			return err
		},
		"WithConn": func(ctx context.Context, _ *asyncio.Loop) error {
			a, b := net.Pipe()
			defer b.Close()
			_, err := asyncio.OpenConnection(ctx, "", "", asyncio.WithConn(a))
			return err
		},
		"WithListener": func(ctx context.Context, _ *asyncio.Loop) error {
			_, err := asyncio.StartServer(ctx, "", "", func(context.Context, *asyncio.Stream) error { return nil }, asyncio.WithListener(ln))
			return err
		},
		"WithPacketConn": func(ctx context.Context, l *asyncio.Loop) error {
			_, _, err := l.CreateDatagramEndpoint(ctx, "", func() asyncio.DatagramProtocol { return &postbox{} }, asyncio.WithPacketConn(udp))
			return err
		},
		"a process with a file": func(ctx context.Context, _ *asyncio.Loop) error {
			_, err := asyncio.CreateSubprocessExec(ctx, "cat", nil, asyncio.WithStdin(asyncio.UseFile(file)))
			return err
		},
		"ConnectReadPipe": func(ctx context.Context, l *asyncio.Loop) error {
			p, q, err := os.Pipe()
			if err != nil {
				return err
			}
			defer q.Close()
			_, _, err = l.ConnectReadPipe(ctx, func() asyncio.Protocol { return &asyncio.BaseProtocol{} }, p)
			return err
		},
	} {
		var got error
		rep := sim.Run(func(w *sim.World) {
			w.Host("h").Go(func(ctx context.Context) error {
				l, err := asyncio.RunningLoop(ctx)
				if err != nil {
					return err
				}
				got = use(ctx, l)
				return nil
			})
		}, sim.Seeds(1))
		if !errors.Is(got, sim.ErrEscaped) || !errors.Is(rep.Err, sim.ErrEscaped) || !strings.Contains(rep.Err.Error(), "fence_test.go") {
			t.Errorf("%s: it returned %v, and the world %v", name, got, rep.Err)
		}
	}
}

// TestSendfileGoesByReadingAndWriting sends a real file, which the program has opened, on
// a stream and on a transport of the world.
func TestSendfileGoesByReadingAndWriting(t *testing.T) {
	want, err := os.ReadFile("fence_test.go")
	if err != nil {
		t.Fatal(err)
	}
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Serve(func(ctx context.Context) error {
			s, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, s *asyncio.Stream) error {
				defer s.Close()
				f, err := os.Open("fence_test.go")
				if err != nil {
					return err
				}
				defer f.Close()
				if n, err := s.Sendfile(ctx, f, 10, -1); err != nil || n != int64(len(want)-10) {
					return fmt.Errorf("sent %d of %d bytes: %w", n, len(want), err)
				}
				return nil
			})
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		client.Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
				return err
			}
			s, err := asyncio.OpenConnection(ctx, "tcp", "server:7")
			if err != nil {
				return err
			}
			defer s.Close()
			got, err := io.ReadAll(s.Conn())
			if err != nil || !bytes.Equal(got, want[10:]) {
				return fmt.Errorf("got %d bytes, or others: %w", len(got), err)
			}
			return nil
		})
	}, sim.Seeds(20))
}

// TestASimulatedSocketHasNoDescriptor asks for one: nothing escapes, and the error says
// why there is none.
func TestASimulatedSocketHasNoDescriptor(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server := w.Host("server")
		server.Serve(echo)
		w.Host("client").Go(func(ctx context.Context) error {
			set := func(_, _ string, c syscall.RawConn) error { return c.Control(func(uintptr) {}) }
			_, err := connect(ctx, "server:7", asyncio.WithControl(set))
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "a simulated socket has no descriptor") {
				return fmt.Errorf("WithControl gave %w", err)
			}
			return nil
		})
	}, sim.Seeds(1))
}
