package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/rpc"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func listen(t *testing.T, ctx context.Context, opts ...asyncio.ServerOption) *asyncio.Listener {
	t.Helper()
	ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// net/http's server and client, with their goroutines, over connections of the
// loop.
func TestHTTPServerAndClientOverTheLoopsConnections(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := listen(t, ctx)
		web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Write(bytes.ToUpper(body))
		})}
		served := make(chan error, 1)
		go func() { served <- web.Serve(ln) }()
		transport := &http.Transport{DialContext: asyncio.NewDialer(loopOf(ctx)).DialShared}
		client := &http.Client{Transport: transport}
		big := strings.Repeat("hello ", 50_000)
		err := inThread(t, ctx, func() error {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 3 {
						res, err := client.Post("http://"+ln.Addr().String()+"/", "text/plain", strings.NewReader(big))
						if err != nil {
							t.Error(err)
							return
						}
						body, err := io.ReadAll(res.Body)
						res.Body.Close()
						if string(body) != strings.ToUpper(big) || err != nil {
							t.Errorf("got %d bytes, %v", len(body), err)
						}
					}
				})
			}
			all.Wait()
			transport.CloseIdleConnections()
			return web.Shutdown(context.Background())
		})
		if err != nil {
			t.Error(err)
		}
		if err := inThread(t, ctx, func() error { return <-served }); err != http.ErrServerClosed {
			t.Errorf("Serve gave %v", err)
		}
		shutdown(t, ctx, ln.Server())
	})
}

type Arith struct{}

func (Arith) Double(n int, reply *int) error { *reply = 2 * n; return nil }

func TestRPCOverTheLoopsConnections(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := listen(t, ctx, asyncio.WithTLS(serverTLS()))
		srv := rpc.NewServer()
		srv.Register(Arith{})
		accepting := make(chan struct{})
		go func() {
			defer close(accepting)
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go srv.ServeConn(c)
			}
		}()
		dialer := asyncio.NewDialer(loopOf(ctx), asyncio.WithTLS(clientTLS()))
		inThread(t, ctx, func() error {
			nc, err := dialer.DialShared(context.Background(), "tcp", ln.Addr().String())
			if err != nil {
				t.Error(err)
				return err
			}
			client := rpc.NewClient(nc)
			var doubled int
			if err := client.Call("Arith.Double", 21, &doubled); doubled != 42 || err != nil {
				t.Errorf("got %d, %v", doubled, err)
			}
			client.Close()
			ln.Close()
			<-accepting
			return nil
		})
		shutdown(t, ctx, ln.Server())
	})
}

func TestDialerInATask(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		d := asyncio.NewDialer(loopOf(ctx))
		for name, given := range map[string]context.Context{
			"its own context":    ctx,
			"a foreign context":  context.Background(),
			"one with a foreign": context.WithValue(context.Background(), "key", "value"), //lint:ignore SA1029 a test
		} {
			c, err := d.DialContext(given, "tcp", srv.Addr().String())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			c.Write([]byte("hello"))
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			c.Close()
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := d.DialContext(ended, "tcp", srv.Addr().String()); !errors.Is(err, context.Canceled) {
			t.Errorf("with a foreign context that has ended: %v", err)
		}
		shutdown(t, ctx, srv)

		// A foreign context ends a connect that waits, for a name here.
		slow := asyncio.NewDialer(loopOf(ctx), asyncio.WithResolver(waitingResolver))
		limited, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		for _, dial := range []func() error{
			func() error { _, err := slow.DialContext(limited, "tcp", "host:1"); return err },
			func() error {
				return inThread(t, ctx, func() error { _, err := slow.DialContext(limited, "tcp", "host:1"); return err })
			},
		} {
			if err := dial(); err == nil {
				t.Error("there is a connection")
			}
		}
		loopOf(ctx).CallSoon(func() {
			if _, err := d.DialContext(context.Background(), "tcp", "127.0.0.1:1"); !errors.Is(err, asyncio.ErrNotInTask) {
				t.Errorf("in a callback: %v", err)
			}
		})
		asyncio.Sleep(ctx, 0)
	})
}

// A library whose task waits for an answer dials once more, on a goroutine of its own,
// to have the question withdrawn, and speaks over that connection there.
func TestWhoDialsOnAGoroutineReadsAndWritesThere(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		d := asyncio.NewDialer(loopOf(ctx))
		c, err := d.DialContext(ctx, "tcp", srv.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		inThread(t, ctx, func() error {
			if _, err := c.Write([]byte("x")); !errors.Is(err, asyncio.ErrWrongGoroutine) {
				t.Errorf("a write on a goroutine to what a task has dialed gave %v", err)
			}
			second, err := d.DialContext(context.Background(), "tcp", srv.Addr().String())
			if err != nil {
				t.Error(err)
				return nil
			}
			defer second.Close()
			second.Write([]byte("hello"))
			if _, err := io.ReadFull(second, make([]byte, 5)); err != nil {
				t.Errorf("a read of what was dialed on that goroutine gave %v", err)
			}
			return nil
		})
		c.Close()
		shutdown(t, ctx, srv)
	})
}

func TestListenerHandsStreamsToTasks(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := listen(t, ctx)
		const n = 300 // more than the listener holds
		clients := make([]*asyncio.Stream, n)
		for i := range clients {
			clients[i] = dial(t, ctx, ln.Addr())
		}
		for range 20 {
			asyncio.Sleep(ctx, 0)
		}
		if held := ln.Held(); held == 0 || held > 200 {
			t.Errorf("%d connections are held", held)
		}
		for range n {
			s, err := ln.AcceptStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			s.Write([]byte("x"))
			s.Close()
		}
		for _, c := range clients {
			if all, err := c.ReadAll(ctx); string(all) != "x" || err != nil {
				t.Fatalf("got %q, %v", all, err)
			}
			c.Close()
		}
		waiting := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := ln.Accept()
			return err
		})
		asyncio.Sleep(ctx, 0)
		ln.Close()
		if _, err := waiting.Await(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept gave %v", err)
		}
		if _, err := ln.AcceptStream(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("AcceptStream gave %v", err)
		}
		shutdown(t, ctx, ln.Server())
	})
}

func TestClosedListenerClosesWhatNobodyHasTaken(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := listen(t, ctx)
		taken, left := dial(t, ctx, ln.Addr()), dial(t, ctx, ln.Addr())
		s, err := ln.AcceptStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for ln.Held() == 0 {
			asyncio.Sleep(ctx, 0)
		}
		inThread(t, ctx, ln.Close)
		if _, err := left.Read(make([]byte, 1)); err == nil {
			t.Error("what nobody took is open")
		}
		s.Write([]byte("x"))
		if _, err := taken.Read(make([]byte, 1)); err != nil {
			t.Errorf("what was taken is closed: %v", err)
		}
		for _, s := range []*asyncio.Stream{s, taken, left} {
			s.Close()
		}
		shutdown(t, ctx, ln.Server())
	})
}

func TestSharedConnInGoroutines(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		c := dial(t, ctx, srv.Addr()).SharedConn()
		const size = 4 << 20
		inThread(t, ctx, func() error {
			var both sync.WaitGroup
			both.Go(func() {
				for range size / 1024 {
					if _, err := c.Write(pattern(1024)); err != nil {
						t.Error(err)
						return
					}
				}
				if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			both.Go(func() {
				if n, err := io.Copy(io.Discard, c); n != size || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
			})
			both.Wait()
			return nil
		})
		c.Close()

		// The same connection serves a task, and a goroutine's deadline.
		c = dial(t, ctx, srv.Addr()).SharedConn()
		c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		inThread(t, ctx, func() error {
			c.SetReadDeadline(longPast)
			_, err := c.Read(make([]byte, 1))
			var e *net.OpError
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &e) || !e.Timeout() {
				t.Errorf("a late read gave %v", err)
			}
			c.SetReadDeadline(noTime)
			var readers sync.WaitGroup
			for range 3 { // one after another
				readers.Go(func() {
					if _, err := c.Read(make([]byte, 1)); err != nil {
						t.Error(err)
					}
				})
			}
			c.Write([]byte("xyz"))
			readers.Wait()
			return c.Close()
		})
		shutdown(t, ctx, srv)
	})
}

func TestSharedConnOfALoopThatHasClosed(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			var c net.Conn
			read := make(chan error, 1)
			asyncio.Run(t.Context(), func(ctx context.Context) error {
				srv := serve(t, ctx, echo)
				c = dial(t, ctx, srv.Addr()).SharedConn()
				go func() {
					_, err := c.Read(make([]byte, 1))
					read <- err
				}()
				return nil
			}, driver)
			if err := <-read; err == nil {
				t.Error("the read that waited gave no error")
			}
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("Read gave no error")
			}
			if err := c.SetDeadline(noTime); !errors.Is(err, net.ErrClosed) {
				t.Errorf("SetDeadline gave %v", err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("Close gave %v", err)
			}
		})
	}
}

// waitingResolver is one that has no answer before its context ends.
func waitingResolver(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
