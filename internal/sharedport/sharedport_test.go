package sharedport_test

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/asyncio-go/asyncio/internal/sharedport"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// serve answers each connection with the name, until ln is closed.
func serve(ln net.Listener, name string) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(nc, name)
			_ = nc.Close()
		}
	}()
	return done
}

// ask connects and returns the name of who answers.
func ask(t *testing.T, addr net.Addr) string {
	t.Helper()
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return string(must(io.ReadAll(nc)))
}

func addressOn(t *testing.T, network string) string {
	if network == "unix" {
		return filepath.Join(t.TempDir(), "s")
	}
	return "127.0.0.1:0"
}

func listens(addr net.Addr) bool {
	nc, err := net.Dial(addr.Network(), addr.String())
	if err == nil {
		_ = nc.Close()
	}
	return err == nil
}

func TestMembersListenOnOneAddress(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			ports := sharedport.New(3)
			defer ports.Close()
			address := addressOn(t, network)
			var addr net.Addr
			for i := range 3 {
				ln, err := ports.Member(i).Listen(network, address)
				if err != nil {
					t.Fatal(err)
				}
				if addr != nil && ln.Addr().String() != addr.String() {
					t.Errorf("member %d listens on %v, the first on %v", i, ln.Addr(), addr)
				}
				addr = ln.Addr()
				served := serve(ln, "x")
				defer func() { <-served }()
				defer ln.Close()
			}
			for range 30 {
				if got := ask(t, addr); got != "x" {
					t.Errorf("the answer is %q", got)
				}
			}
		})
	}
}

func TestASecondCallListensOnAnotherPort(t *testing.T) {
	ports := sharedport.New(2)
	defer ports.Close()
	one, two := ports.Member(0), ports.Member(1)
	var addrs [2][2]string
	for i, m := range []*sharedport.Member{one, two} {
		for call := range 2 {
			ln, err := m.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			addrs[call][i] = ln.Addr().String()
		}
	}
	if addrs[0][0] != addrs[0][1] || addrs[1][0] != addrs[1][1] || addrs[0][0] == addrs[1][0] {
		t.Errorf("the addresses of both calls are %v", addrs)
	}
}

func TestCloseClosesWhatNobodyHasTaken(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			ports := sharedport.New(3)
			ln, err := ports.Member(1).Listen(network, addressOn(t, network))
			if err != nil {
				t.Fatal(err)
			}
			addr := ln.Addr()
			ports.Close()
			_ = ln.Close()
			if listens(addr) {
				t.Error("somebody still listens")
			}
			if _, err := ports.Member(0).Listen(network, addr.String()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Listen after Close returned %v", err)
			}
		})
	}
}

func TestAllMembersGetTheError(t *testing.T) {
	taken := must(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	ports := sharedport.New(2)
	defer ports.Close()
	for i := range 2 {
		if _, err := ports.Member(i).Listen("tcp", taken.Addr().String()); err == nil {
			t.Errorf("member %d listens where another does", i)
		}
	}
}

func TestDealerDealsConnectionsOutInTurn(t *testing.T) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	hands := sharedport.Deal(ln, 2)
	names := []string{"a", "b"}
	var done [2]chan struct{}
	for i, hand := range hands {
		done[i] = serve(hand, names[i])
	}
	seen := make(map[string]int)
	for i := 0; (seen["a"] == 0 || seen["b"] == 0) && i < 10_000; i++ { // each, once it has begun
		seen[ask(t, ln.Addr())]++
	}
	if seen["a"] == 0 || seen["b"] == 0 {
		t.Errorf("they served %v", seen)
	}
	_ = hands[0].Close()
	<-done[0]
	for range 10 {
		if got := ask(t, ln.Addr()); got != "b" {
			t.Errorf("when the other one served alone, %q answered", got)
		}
	}
	if err := hands[1].Close(); err != nil {
		t.Error(err)
	}
	<-done[1]
	if listens(ln.Addr()) {
		t.Error("the listener is still there")
	}
}

func TestAHandThatIsClosedGivesErrClosed(t *testing.T) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	hands := sharedport.Deal(ln, 2)
	for _, h := range hands {
		for range 2 { // a second time does nothing
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := h.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept returned %v", err)
		}
	}
}

func TestThereIsAListenerForEachMember(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, n := range []int{1, 3} {
			all, err := sharedport.Listen(network, addressOn(t, network), n)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != n {
				t.Errorf("%s: %d listeners for %d members", network, len(all), n)
			}
			addr := all[0].Addr()
			for i, ln := range all[1:] { // each is one of its own
				if err := ln.Close(); err != nil {
					t.Error(i+1, err)
				}
			}
			if !listens(addr) {
				t.Errorf("%s: the first one went with the others", network)
			}
			all[0].Close()
			if listens(addr) {
				t.Errorf("%s: somebody still listens", network)
			}
		}
	}
}

func TestWhereASocketCannotBeMadeThereIsNoneForAnybody(t *testing.T) {
	for network, address := range map[string]string{"unix": filepath.Join(t.TempDir(), "no", "s"), "tcp": "256.0.0.1:0"} {
		all, err := sharedport.Listen(network, address, 3)
		if err == nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", network, all, err)
		}
	}
}
