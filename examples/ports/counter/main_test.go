package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// with runs use with a counter and its address, on one loop.
func with(t *testing.T, use func(ctx context.Context, c *counter, address string)) {
	t.Helper()
	asynctest.Run(t, func(ctx context.Context) {
		c := newCounter()
		srv := &asynchttp.Server{Handler: c}
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		use(ctx, c, addr.String())
		for c.users > 0 { // their tasks end when they notice
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}, asynctest.WithRealClock())
}

// A page is the other side of a WebSocket.
type page struct {
	t    *testing.T
	conn net.Conn
	io.ReadWriter
}

func connect(ctx context.Context, t *testing.T, address string) *page {
	t.Helper()
	s, err := asyncio.OpenConnection(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn := s.Conn()
	ahead, _, err := ws.Dialer{}.Upgrade(conn, &url.URL{Scheme: "ws", Host: address, Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	p := &page{t: t, conn: conn, ReadWriter: conn}
	if ahead != nil {
		p.ReadWriter = struct {
			io.Reader
			io.Writer
		}{ahead, conn}
	}
	return p
}

func (p *page) say(message string) {
	p.t.Helper()
	if err := wsutil.WriteClientText(p.conn, []byte(message)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) hears(messages ...string) {
	p.t.Helper()
	for _, want := range messages {
		got, err := wsutil.ReadServerText(p)
		if err != nil || string(got) != want {
			p.t.Fatalf("it hears %s, %v, want %s", got, err, want)
		}
	}
}

func TestAllPagesSeeTheSameNumber(t *testing.T) {
	with(t, func(ctx context.Context, c *counter, address string) {
		a := connect(ctx, t, address)
		a.hears(`{"type":"value","value":0}`, `{"count":1,"type":"users"}`)
		a.say(`{"action":"plus"}`)
		a.hears(`{"type":"value","value":1}`)
		b := connect(ctx, t, address)
		b.hears(`{"type":"value","value":1}`, `{"count":2,"type":"users"}`)
		b.say(`{"action":"jump"}`) // is passed over
		b.say(`{"action":"minus"}`)
		b.hears(`{"type":"value","value":0}`)
		a.hears(`{"count":2,"type":"users"}`, `{"type":"value","value":0}`)
		b.conn.Close()
		a.hears(`{"count":1,"type":"users"}`)
		a.conn.Close()
	})
}

func TestAPageThatDoesNotReadIsCutOff(t *testing.T) {
	with(t, func(ctx context.Context, c *counter, address string) {
		c.patience = 50 * time.Millisecond
		slow := connect(ctx, t, address)
		for c.users == 0 {
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		long := bytes.Repeat([]byte("x"), 1<<20)
		for range 2 * maxBehind { // more than a kernel takes
			_ = c.events.Send(long)
		}
		err := asyncio.Timeout(ctx, 30*time.Second, func(ctx context.Context) error {
			for c.users > 0 {
				if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal("it was never cut off:", err)
		}
		if _, err := io.Copy(io.Discard, slow.conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	})
}
