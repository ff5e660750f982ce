package asyncio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/addresstest"
)

func TestServerServesManyClientsAtOnce(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		var clients []*asyncio.Task[struct{}]
		for range 200 {
			clients = append(clients, asyncio.Go(ctx, func(ctx context.Context) error {
				s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
				if err != nil {
					return err
				}
				defer s.Close()
				for range 10 {
					if _, err := s.Write([]byte("ping\n")); err != nil {
						return err
					}
					if _, err := s.ReadLine(ctx); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for _, c := range clients {
			if _, err := c.Await(ctx); err != nil {
				t.Error(err)
			}
		}
		shutdown(t, ctx, srv)
	})
}

// ended returns a context of the task's that has ended.
func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// onOtherLoop runs f with a context of another loop, on its goroutine.
func onOtherLoop(t *testing.T, ctx context.Context, f func(ctx context.Context)) {
	t.Helper()
	_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
		return struct{}{}, asyncio.Run(context.Background(), func(ctx context.Context) error {
			f(ctx)
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAServerThatDoesNotStartClosesItsListener(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for name, start := range map[string]func(asyncio.ServerOption) error{
			"StartServer with an ended context": func(o asyncio.ServerOption) error {
				_, err := asyncio.StartServer(ended(ctx), "", "", echo, o)
				return err
			},
			"CreateServer with an ended context": func(o asyncio.ServerOption) error {
				_, err := l.CreateServer(ended(ctx), "", "", newEcho, o)
				return err
			},
			"StartServer outside of a loop": func(o asyncio.ServerOption) error {
				_, err := asyncio.StartServer(context.Background(), "", "", echo, o) //asyncvet:ignore background the error of an option comes first
				return err
			},
			"CreateServer of another loop": func(o asyncio.ServerOption) (err error) {
				onOtherLoop(t, ctx, func(ctx context.Context) { _, err = l.CreateServer(ctx, "", "", newEcho, o) })
				return err
			},
		} {
			ln := must(net.Listen("tcp", "127.0.0.1:0"))
			if err := start(asyncio.WithListener(ln)); err == nil {
				t.Errorf("%s: it began", name)
			}
			if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: the listener was left open", name)
			}
		}
	})
}

func TestAConnectionThatIsNotMadeClosesTheOneItWasGiven(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		for name, open := range map[string]func(asyncio.ConnOption) error{
			"OpenConnection with an ended context": func(o asyncio.ConnOption) error {
				_, err := asyncio.OpenConnection(ended(ctx), "", "", o)
				return err
			},
			"CreateConnection with an ended context": func(o asyncio.ConnOption) error {
				_, _, err := l.CreateConnection(ended(ctx), "", "", newEcho, o)
				return err
			},
			"CreateConnection of another loop": func(o asyncio.ConnOption) (err error) {
				onOtherLoop(t, ctx, func(ctx context.Context) { _, _, err = l.CreateConnection(ctx, "", "", newEcho, o) })
				return err
			},
		} {
			nc := must(net.Dial("tcp", ln.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
			if err := open(asyncio.WithConn(nc)); err == nil {
				t.Errorf("%s: there is a connection", name)
			}
			if err := nc.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: the connection was left open", name)
			}
		}
	})
}

func TestWhatWasClosedIsNotTakenOver(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		nc := must(net.Dial("tcp", ln.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		pc := must(net.ListenPacket("udp", "127.0.0.1:0"))
		nc.Close()
		ln.Close()
		pc.Close()
		if s, err := asyncio.OpenConnection(ctx, "", "", asyncio.WithConn(nc)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("OpenConnection returned %v, %v", s, err)
		}
		if srv, err := asyncio.StartServer(ctx, "", "", echo, asyncio.WithListener(ln)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("StartServer returned %v, %v", srv, err)
		}
		_, _, err := loopOf(ctx).CreateDatagramEndpoint(ctx, "", func() asyncio.DatagramProtocol { return &mailbox{} }, asyncio.WithPacketConn(pc))
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("CreateDatagramEndpoint returned %v", err)
		}
	})
}

func TestServerCloseRefusesNewClientsAndKeepsTheOldOnes(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		// At an address of this process alone: others take each port that is free.
		srv := must(asyncio.StartServer(ctx, "tcp", net.JoinHostPort(addresstest.Host(), "0"), echo))
		s := dial(t, ctx, srv.Addr())
		s.Write([]byte("a\n"))
		s.ReadLine(ctx) // it is being served now
		srv.Close()
		if srv.IsServing() {
			t.Error("a closed server says that it serves")
		}
		if _, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new client got %v", err)
		}
		s.Write([]byte("b\n"))
		if got, err := s.ReadLine(ctx); string(got) != "b\n" || err != nil {
			t.Errorf("the old client got %q, %v", got, err)
		}
		s.Close()
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestServerShutdownEndsHandlersWhenItsContextEnds(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		var ended error
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			_, ended = s.ReadLine(ctx) // for ever
			return ended
		})
		s := dial(t, ctx, srv.Addr())
		asyncio.Sleep(ctx, 0)
		for len(asyncio.AllTasks(ctx)) < 2 {
			asyncio.Sleep(ctx, 0)
		}
		short, cancel := context.WithCancel(ctx)
		must(asyncio.RunningLoop(ctx)).CallSoon(cancel)
		if err := srv.Shutdown(short); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown gave %v", err)
		}
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if _, err := s.ReadAll(ctx); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client got %v", err)
		}
		if ended == nil {
			t.Error("the handler did not end")
		}
		s.Close()
	})
}

func TestServeForeverEndsWhenCancelled(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		forever := asyncio.Go(ctx, srv.ServeForever)
		asyncio.Sleep(ctx, 0)
		forever.Cancel()
		if _, err := forever.Await(ctx); !asyncio.IsCancelled(err) || srv.IsServing() {
			t.Errorf("it gave %v and serves: %v", err, srv.IsServing())
		}
	})
}

func TestPanicInAHandlerClosesItsConnectionAndIsReported(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var told []asyncio.ExceptionContext
			opts := []asyncio.Option{asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				told = append(told, c)
			})}
			if driver != nil {
				opts = append(opts, driver)
			}
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				srv := serve(t, ctx, func(_ context.Context, s *asyncio.Stream) error {
					panic("oh")
				})
				for range 2 { // the server goes on
					s := dial(t, ctx, srv.Addr())
					if _, err := s.ReadAll(ctx); err != nil && !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("the client got %v", err)
					}
					s.Close()
				}
				return srv.Shutdown(ctx)
			}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			var p *asyncio.PanicError
			if len(told) != 2 || !errors.As(told[0].Err, &p) || !strings.Contains(string(p.Stack), "server_test.go") {
				t.Errorf("told: %+v", told)
			}
		})
	}
}

func TestLoopCloseClosesWhatIsOpen(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			before := descriptors()
			var opts []asyncio.Option
			if driver != nil {
				opts = append(opts, driver)
			}
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				srv := serve(t, ctx, echo)
				for range 10 {
					dial(t, ctx, srv.Addr())
				}
				return nil // and nobody closes anything
			}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if after := descriptors(); after > before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

func TestNetConnViewServesStandardCode(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(_ context.Context, s *asyncio.Stream) error {
			c := s.Conn()
			_, err := io.Copy(c, c)
			return err
		})
		c := dial(t, ctx, srv.Addr()).Conn()
		defer c.Close()
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
		shutdown(t, ctx, srv)
	})
}

func TestNetConnDeadlines(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		c := dial(t, ctx, srv.Addr()).Conn()
		for range 2 {
			if err := c.SetReadDeadline(timeSoon()); err != nil {
				t.Fatal(err)
			}
			_, err := c.Read(make([]byte, 1))
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("Read gave %v", err)
			}
			if _, again := c.Read(make([]byte, 1)); again == nil || again.Error() != err.Error() {
				t.Errorf("the next Read gave %v", again)
			}
		}
		c.SetDeadline(noTime)
		c.Write([]byte("x"))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("without a deadline Read gave %v", err)
		}
		c.Close()
		if err := c.SetDeadline(noTime); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline after Close gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestNetConnDeadlineEndsAReadThatWaits(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		c := dial(t, ctx, srv.Addr()).Conn()
		reader := asyncio.Go(ctx, func(context.Context) error {
			_, err := c.Read(make([]byte, 1))
			return err
		})
		asyncio.Sleep(ctx, 0)
		if err := c.SetReadDeadline(timeSoon()); err != nil {
			t.Fatal(err)
		}
		if _, err := reader.Await(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the reader got %v", err)
		}
		c.Close()
		shutdown(t, ctx, srv)
	})
}

func TestNetConnDeadlineEndsAllWritesThatAreHeldUp(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		leave := asyncio.NewEvent()
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			return leave.Wait(ctx) // and read nothing
		})
		c := dial(t, ctx, srv.Addr()).Conn()
		var writers []*asyncio.Task[struct{}]
		for range 2 {
			writers = append(writers, asyncio.Go(ctx, func(context.Context) error {
				for {
					if _, err := c.Write(make([]byte, 1<<20)); err != nil {
						return err
					}
				}
			}))
		}
		asyncio.Sleep(ctx, 0)
		if err := c.SetWriteDeadline(timeSoon()); err != nil {
			t.Fatal(err)
		}
		for _, w := range writers {
			if _, err := w.Await(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a writer got %v", err)
			}
		}
		leave.Set()
		c.Close()
		shutdown(t, ctx, srv)
	})
}
