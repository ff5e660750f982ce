package main

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A nameServer answers over UDP and TCP. It loses the first question, sends what nobody
// asked for before each answer, and cuts what is longer than 100 bytes.
type nameServer struct {
	t                *testing.T
	overUDP, overTCP int
}

func startNameServer(ctx context.Context, t *testing.T) (s *nameServer, address string, stop func()) {
	t.Helper()
	s = &nameServer{t: t}
	srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", s.tcp)
	if err != nil {
		t.Fatal(err)
	}
	address = srv.Addr().String()
	conn, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr(address))
	if err != nil {
		t.Fatal(err)
	}
	reader := asyncio.Go(ctx, func(ctx context.Context) error { return s.udp(conn) })
	return s, address, func() {
		conn.Close()
		srv.Close()
		reader.Cancel()
		if _, err := reader.Await(ctx); err == nil {
			t.Error("the name server has ended by itself")
		}
	}
}

func (s *nameServer) udp(conn asyncio.PacketConn) error {
	packet := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(packet)
		if err != nil {
			return err
		}
		if s.overUDP++; s.overUDP == 1 {
			continue
		}
		answer := s.answer(packet[:n], 100)
		other := slices.Clone(answer)
		other[0]++ // the number of another question
		for _, p := range [][]byte{{1, 2, 3}, other, answer} {
			if _, err := conn.WriteTo(p, from); err != nil {
				return err
			}
		}
	}
}

func (s *nameServer) tcp(ctx context.Context, c *asyncio.Stream) error {
	head, err := c.ReadExactly(ctx, 2)
	if err != nil {
		return err
	}
	packet, err := c.ReadExactly(ctx, int(binary.BigEndian.Uint16(head)))
	if err != nil {
		return err
	}
	s.overTCP++
	answer := s.answer(packet, 64<<10)
	_, err = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

func (s *nameServer) answer(packet []byte, limit int) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		s.t.Error(err)
	}
	m.Response = true
	add := func(name string, body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 60}, Body: body,
		})
	}
	question := m.Questions[0]
	switch name := question.Name.String(); {
	case name == "www.example.com." && question.Type == dnsmessage.TypeA:
		add(name, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("example.com.")})
		add("Example.com.", &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})
		add("unasked.com.", &dnsmessage.AResource{A: [4]byte{192, 0, 2, 9}})
	case name == "www.example.com." && question.Type == dnsmessage.TypeTXT:
		add(name, &dnsmessage.TXTResource{TXT: []string{strings.Repeat("long ", 40)}})
	case name == "broken.example.com.":
		m.RCode = dnsmessage.RCodeServerFailure
	case !strings.HasSuffix(name, ".example.com."):
		m.RCode = dnsmessage.RCodeNameError
	}
	p, err := m.Pack()
	if err != nil {
		s.t.Error(err)
	}
	if len(p) > limit {
		m.Truncated, m.Answers = true, nil
		if p, err = m.Pack(); err != nil {
			s.t.Error(err)
		}
	}
	return p
}

func TestAnswers(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		s, address, stop := startNameServer(ctx, t)
		defer stop()
		s.overUDP = 1 // the first is not lost here
		r := &resolver{servers: []string{address}, patience: 10 * time.Second, lifetime: 10 * time.Second}
		got, err := r.resolve(ctx, "www.example.com", dnsmessage.TypeA)
		if err != nil || !slices.Equal(got, []string{"192.0.2.1"}) {
			t.Errorf("%q, %v", got, err)
		}
		if s.overTCP != 0 {
			t.Error("it has used TCP")
		}
		got, err = r.resolve(ctx, "www.example.com.", dnsmessage.TypeTXT)
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "long long") || s.overTCP != 1 {
			t.Errorf("%q, %v, %d by TCP", got, err, s.overTCP)
		}
		if _, err := r.resolve(ctx, "www.example.com", dnsmessage.TypeMX); !errors.Is(err, errNoAnswer) {
			t.Error(err)
		}
		if _, err := r.resolve(ctx, "example.org", dnsmessage.TypeA); !errors.Is(err, errNoName) {
			t.Error(err)
		}
	}, asynctest.WithRealClock())
}

func TestTheNextServerIsAskedWhereOneFails(t *testing.T) {
	asynctest.Run(t, func(ctx context.Context) {
		_, address, stop := startNameServer(ctx, t)
		defer stop()
		closed, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		down := closed.LocalAddr().String()
		closed.Close()
		r := &resolver{servers: []string{down, address}, patience: 100 * time.Millisecond, lifetime: 10 * time.Second}
		if got, err := r.resolve(ctx, "www.example.com", dnsmessage.TypeA); err != nil || len(got) != 1 {
			t.Errorf("%q, %v", got, err) // after a while: the first question is lost
		}
		r.lifetime = time.Second
		_, err = r.resolve(ctx, "broken.example.com", dnsmessage.TypeA)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), address+": it answers") && !strings.Contains(err.Error(), "refused") {
			t.Error(err)
		}
	}, asynctest.WithRealClock())
}
