package asyncio_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestServerThatIsNotServingKeepsClientsWaiting(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &recorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return server }, asyncio.WithoutServing())
		if srv.IsServing() {
			t.Error("IsServing says true")
		}
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client)
		turns(ctx, 20)
		server.check(t)
		for range 2 {
			if err := srv.StartServing(); err != nil || !srv.IsServing() {
				t.Errorf("StartServing gave %v", err)
			}
		}
		server.untilCall(ctx, "made")
		tr.Close()
		shutdown(t, ctx, srv)
		if err := srv.StartServing(); !errors.Is(err, net.ErrClosed) || srv.IsServing() {
			t.Errorf("StartServing after Close gave %v", err)
		}
		if err := srv.ServeForever(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ServeForever after Close gave %v", err)
		}
	})
}

func TestServeForeverBeginsToServeAndServesOnce(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := host(t, ctx, newEcho, asyncio.WithoutServing())
		forever := asyncio.Go(ctx, srv.ServeForever)
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client)
		tr.Write([]byte("x"))
		client.untilData(ctx, 1)
		if err := srv.ServeForever(ctx); !errors.Is(err, asyncio.ErrInvalidState) {
			t.Errorf("a second ServeForever gave %v", err)
		}
		forever.Cancel()
		if _, err := forever.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("ServeForever gave %v", err)
		}
		client.untilCall(ctx, "lost") // the clients are closed too
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
	})
}

// hosted is a server and some clients, which it serves.
func hosted(t *testing.T, ctx context.Context, n int) (srv *asyncio.Server, servers, clients []*recorder) {
	srv = host(t, ctx, func() asyncio.Protocol {
		r := &recorder{}
		servers = append(servers, r)
		return r
	})
	for range n {
		c := &recorder{}
		join(t, ctx, srv.Addr(), c)
		clients = append(clients, c)
	}
	for len(servers) < n || !slices.Contains(servers[n-1].calls, "made") {
		asyncio.Sleep(ctx, 0)
	}
	return srv, servers, clients
}

func TestCloseOfAServerLeavesItsConnectionsAndWaitClosedWaitsForThem(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv, servers, clients := hosted(t, ctx, 3)
		srv.Close()
		srv.Close()
		waiting := asyncio.Go(ctx, srv.WaitClosed)
		for i, c := range clients {
			turns(ctx, 5)
			if waiting.Done() {
				t.Fatal("WaitClosed does not wait")
			}
			c.transport.Write([]byte("still there?"))
			servers[i].untilData(ctx, 12)
			c.transport.Close()
			servers[i].untilCall(ctx, "lost")
		}
		if _, err := waiting.Await(ctx); err != nil {
			t.Error(err)
		}
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseClientsFlushesAndAbortClientsDoesNot(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		const size = 8 << 20
		for _, abort := range []bool{false, true} {
			srv, servers, clients := hosted(t, ctx, 3)
			for i := range servers {
				clients[i].transport.PauseReading()
				servers[i].transport.Write(pattern(size))
			}
			srv.Close()
			if abort {
				srv.AbortClients()
			} else {
				srv.CloseClients()
			}
			for _, c := range clients {
				c.transport.ResumeReading()
				c.untilCall(ctx, "lost")
				if whole := len(c.data) == size; whole == abort {
					t.Errorf("abort %v: %d bytes came", abort, len(c.data))
				}
			}
			if err := srv.WaitClosed(ctx); err != nil {
				t.Error(err)
			}
			for _, s := range servers {
				if !legal(s.calls) || s.calls[len(s.calls)-1] != "lost" {
					t.Errorf("the calls were %v", s.calls)
				}
			}
		}
	})
}

func TestShutdownAbortsProtocolsWhenItsContextEnds(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv, servers, clients := hosted(t, ctx, 3)
		short, cancel := context.WithCancel(ctx)
		loopOf(ctx).CallSoon(cancel)
		if err := srv.Shutdown(short); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown gave %v", err)
		}
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		for i := range clients {
			clients[i].untilCall(ctx, "lost")
			servers[i].check(t, "made", "lost")
		}
	})
}

func TestClosedServerIsNotServedByWhatWasAcceptedBefore(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		var srv *asyncio.Server
		made := 0
		srv = host(t, ctx, func() asyncio.Protocol {
			r := &recorder{}
			r.on = map[string]func(){"made": func() {
				made++
				srv.Close()
				srv.AbortClients() // some of which have not been told yet that they are there
			}}
			return r
		})
		var conns []net.Conn
		for range 10 { // they are accepted in one batch
			conns = append(conns, must(net.Dial("tcp", srv.Addr().String()))) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		}
		for made == 0 {
			asyncio.Sleep(ctx, 0)
		}
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if made != 1 {
			t.Errorf("%d protocols were told of a connection", made)
		}
		for _, nc := range conns {
			nc.Close()
		}
	})
}

func TestLoopCloseTellsProtocolsThatTheirConnectionsAreLost(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			before := descriptors()
			var all []*recorder
			for _, secure := range []bool{false, true} {
				err := asyncio.Run(t.Context(), func(ctx context.Context) error {
					connect := pair
					if secure {
						connect = securePair
					}
					server, client := connect(t, ctx)
					all = append(all, server, client)
					return nil // and nobody closes anything
				}, options(driver)...)
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range all {
				r.check(t, "made", "lost")
				if !errors.Is(r.lost, asyncio.ErrLoopClosed) {
					t.Errorf("it was lost with %v", r.lost)
				}
			}
			if after := descriptors(); after > before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

func TestLoopCloseEndsAHandshake(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				srv := host(t, ctx, newEcho, asyncio.WithTLS(serverTLS()))
				plain := &recorder{}
				tr := join(t, ctx, srv.Addr(), plain)
				tr.Write([]byte{22, 3, 1})
				return asyncio.Sleep(ctx, 1<<20)
			}, options(driver)...)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
