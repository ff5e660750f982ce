package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // clients go on purpose
	goleak.VerifyTestMain(m)
}

// with runs use with a broker and its address.
func with(t *testing.T, use func(ctx context.Context, b *broker, address string)) {
	t.Helper()
	asynctest.Run(t, func(ctx context.Context) {
		b := newBroker()
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", b.serve)
		if err != nil {
			t.Fatal(err)
		}
		use(ctx, b, srv.Addr().String())
		srv.Close()
		srv.CloseClients()
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if len(b.clients) > 0 {
			t.Errorf("%d clients are left", len(b.clients))
		}
	}, asynctest.WithRealClock())
}

// A peer is the other side of a connection.
type peer struct {
	ctx context.Context
	t   *testing.T
	*asyncio.Stream
}

func (p *peer) say(kind, flags byte, payload ...byte) {
	p.t.Helper()
	if _, err := p.Write(appendPacket(nil, kind, flags, payload)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) hear(kind, flags byte, payload ...byte) {
	p.t.Helper()
	gotKind, gotFlags, got, err := readPacket(p.ctx, p.Stream)
	if err != nil || gotKind != kind || gotFlags != flags || !bytes.Equal(got, payload) {
		p.t.Fatalf("packet %d, flags %d: %q, %v; want %d, %d: %q", gotKind, gotFlags, got, err, kind, flags, payload)
	}
}

// gone wants the connection to end.
func (p *peer) gone() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.Stream); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Error(err)
	}
}

// connect connects a peer, which may have a will.
func connect(ctx context.Context, t *testing.T, address, name string, keepAlive byte, will ...string) *peer {
	t.Helper()
	s, err := asyncio.OpenConnection(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{ctx, t, s}
	flags := byte(2)
	if will != nil {
		flags |= flagWill
	}
	payload := appendText(append(appendText(nil, "MQTT"), protocolLevel, flags, 0, keepAlive), name)
	for _, text := range will {
		payload = appendText(payload, text)
	}
	p.say(packetConnect, 0, payload...)
	p.hear(packetConnAck, 0, 0, 0)
	return p
}

func (p *peer) subscribe(filter string, qos, want byte) {
	p.t.Helper()
	p.say(packetSubscribe, 2, append(appendText([]byte{0, 7}, filter), qos)...)
	p.hear(packetSubAck, 0, 0, 7, want)
}

func TestMessagesReachWhoHasSubscribed(t *testing.T) {
	with(t, func(ctx context.Context, b *broker, address string) {
		one, all := connect(ctx, t, address, "one", 0), connect(ctx, t, address, "all", 0)
		one.subscribe("a/+", 1, 1)
		one.subscribe("a/b", 0, 0) // each message comes once
		all.subscribe("#", 2, 1)
		all.subscribe("a#", 0, subscribeFailure)
		all.say(packetPublish, 2, append(appendText(nil, "a/b"), 0, 9, 'x')...)
		one.hear(packetPublish, 2, append(appendText(nil, "a/b"), 0, 1, 'x')...)
		all.hear(packetPublish, 2, append(appendText(nil, "a/b"), 0, 1, 'x')...)
		all.hear(packetPubAck, 0, 0, 9)
		one.say(packetUnsubscribe, 2, appendText([]byte{0, 8}, "a/+")...)
		one.hear(packetUnsubAck, 0, 0, 8)
		all.say(packetPublish, 0, append(appendText(nil, "a/c"), 'y')...)
		all.hear(packetPublish, 0, append(appendText(nil, "a/c"), 'y')...)
		one.say(packetPingReq, 0)
		one.hear(packetPingResp, 0)
	})
}

func TestWhatIsRetainedAndWills(t *testing.T) {
	with(t, func(ctx context.Context, b *broker, address string) {
		a := connect(ctx, t, address, "a", 0, "will", "gone")
		a.say(packetPublish, 1, append(appendText(nil, "t"), '1')...)
		a.say(packetPublish, 1, append(appendText(nil, "u"), '2')...)
		a.say(packetPublish, 1, appendText(nil, "u")...) // which takes it back
		a.say(packetPingReq, 0)
		a.hear(packetPingResp, 0)
		w := connect(ctx, t, address, "", 0)
		w.subscribe("+", 0, 0)
		w.hear(packetPublish, 1, append(appendText(nil, "t"), '1')...)
		a.Close()
		w.hear(packetPublish, 0, append(appendText(nil, "will"), "gone"...)...)

		polite := connect(ctx, t, address, "polite", 0, "will", "no")
		polite.say(packetDisconnect, 0)
		polite.gone()
		second := connect(ctx, t, address, "second", 0, "will", "taken over")
		connect(ctx, t, address, "second", 0)
		second.gone()
		w.hear(packetPublish, 0, append(appendText(nil, "will"), "taken over"...)...)
	})
}

func TestWhoIsSilentHasGone(t *testing.T) {
	with(t, func(ctx context.Context, b *broker, address string) {
		began := time.Now()
		p := connect(ctx, t, address, "silent", 1)
		p.gone()
		if took := time.Since(began); took < time.Second {
			t.Error(took)
		}
	})
}

func TestWhatIsMalformedEndsTheConnection(t *testing.T) {
	with(t, func(ctx context.Context, b *broker, address string) {
		for _, packet := range [][]byte{
			{packetPublish << 4, 1, 0},                   // before CONNECT
			{packetConnect << 4, 0xff, 0xff, 0xff, 0xff}, // too large
			append([]byte{packetConnect << 4, 9, 0, 4}, "HTTP\x04\x00\x00"...),
			append([]byte{packetConnect << 4, 12, 0, 4}, "MQTT\x09\x02\x00\x00\x00\x00"...),
			append([]byte{packetConnect << 4, 12, 0, 4}, "MQTT\x04\x02\x00\x00\x00\x09"...),
		} {
			s, err := asyncio.OpenConnection(ctx, "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			p := &peer{ctx, t, s}
			if _, err := s.Write(packet); err != nil {
				t.Fatal(err)
			}
			p.gone()
		}
		for _, packet := range [][]byte{
			{packetSubscribe << 4, 2, 0, 1}, {packetPublish << 4, 3, 0, 1, '+'}, {packetPublish<<4 | 4, 3, 0, 1, 'a'},
			{packetUnsubscribe << 4, 3, 0, 1, 9}, {0, 0},
		} {
			p := connect(ctx, t, address, "bad", 0)
			if _, err := p.Write(packet); err != nil {
				t.Fatal(err)
			}
			p.gone()
		}
	})
}

func TestFilters(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a/b", false}, {"a/b", "a", false}, {"+", "a", true}, {"+", "a/b", false},
		{"a/+/c", "a/b/c", true}, {"a/+", "a/", true}, {"#", "a/b", true}, {"a/#", "a", true}, {"a/#", "a/b/c", true}, {"a/#", "b", false},
		{"#", "$SYS/x", false}, {"+/x", "$SYS/x", false}, {"$SYS/#", "$SYS/x", true}, {"/", "/", true}, {"+/+", "/", true},
	} {
		if got := matches(c.filter, c.topic); got != c.want {
			t.Errorf("%s and %s: %v", c.filter, c.topic, got)
		}
	}
	for filter, want := range map[string]bool{"": false, "a+": false, "#/a": false, "a/#": true, "+/+/#": true} {
		if got := validFilter(filter); got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
}

// The clients are those of another broker.
func TestClientsOfMosquitto(t *testing.T) {
	for _, name := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(name, "is not there")
		}
	}
	with(t, func(ctx context.Context, b *broker, address string) {
		_, port, _ := strings.Cut(address, ":")
		sub, err := asyncio.CreateSubprocessExec(ctx, "mosquitto_sub", []string{"-p", port, "-t", "a/+", "-q", "1", "-C", "2", "-F", "%t %p"}, asyncio.WithStdout(asyncio.Pipe))
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		for subscribed := false; !subscribed; {
			for _, c := range b.clients {
				subscribed = len(c.subscriptions) > 0
			}
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range []string{"one", "two"} {
			pub, err := asyncio.CreateSubprocessExec(ctx, "mosquitto_pub", []string{"-p", port, "-t", "a/b", "-q", "1", "-m", text})
			if err != nil {
				t.Fatal(err)
			}
			if code, err := pub.Wait(ctx); code != 0 || err != nil {
				t.Error(code, err)
			}
		}
		out, err := sub.Stdout.ReadAll(ctx)
		if string(out) != "a/b one\na/b two\n" || err != nil {
			t.Errorf("%q, %v", out, err)
		}
	})
}
