package asyncio_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

var withSockets = asyncio.LookOptions{Sockets: true}

func TestALookShowsConnectionsFromTheirBeginningToTheirEnd(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		before := asyncio.LookAtParts(l, withSockets)
		server, client := pair(t, ctx)
		tr := client.transport
		local, remote := tr.LocalAddr().String(), tr.RemoteAddr().String()
		w, object := asyncio.Describe(tr)
		if w.Kind != "socket" || w.Detail != "write "+remote || object == nil {
			t.Errorf("%+v of %v", w, object)
		}
		k := asyncio.LookAtParts(l, withSockets)
		if len(k.Sockets) != k.SocketCount || k.SocketCount < before.SocketCount+2 {
			t.Errorf("%d sockets of %d, and %d before", len(k.Sockets), k.SocketCount, before.SocketCount)
		}
		for _, want := range []asyncio.SocketLook{
			{Kind: "connection", State: "open", Local: local, Remote: remote},
			{Kind: "connection", State: "open", Local: remote, Remote: local},
		} {
			if !slices.Contains(k.Sockets, want) {
				t.Errorf("%+v is not in %+v", want, k.Sockets)
			}
		}
		few := asyncio.LookAtParts(l, asyncio.LookOptions{})
		if few.SocketCount != k.SocketCount || few.Sockets != nil {
			t.Errorf("%+v", few)
		}
		server.transport.PauseReading()
		tr.Write(make([]byte, 16<<20)) // more than the kernel takes
		tr.Close()
		k = asyncio.LookAtParts(l, withSockets)
		if want := (asyncio.SocketLook{Kind: "connection", State: "closing", Local: local, Remote: remote}); !slices.Contains(k.Sockets, want) {
			t.Errorf("%+v is not in %+v", want, k.Sockets)
		}
		tr.Abort()
		server.transport.Abort()
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
		if w, again := asyncio.Describe(tr); w.Detail != "write" || again != object {
			t.Errorf("of one that is closed %+v of %v is told", w, again)
		}
		if k := asyncio.LookAtParts(l, withSockets); slices.ContainsFunc(k.Sockets, func(s asyncio.SocketLook) bool { return s.Local == local || s.Remote == local }) {
			t.Errorf("what is closed is shown: %+v", k.Sockets)
		}
	})
}

func TestALookShowsServersOfSeveralAddresses(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(context.Context, *asyncio.Stream) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if w, object := asyncio.Describe(srv); w.Kind != "server" || w.Detail != "the end of "+srv.Addr().String() || object != any(srv) {
			t.Errorf("%+v of %v", w, object)
		}
		want := []asyncio.SocketLook{{Kind: "server", State: "open", Local: srv.Addr().String()}}
		if k := asyncio.LookAtParts(l, withSockets); k.SocketCount != 1 || !slices.Equal(k.Sockets, want) {
			t.Errorf("%+v", k)
		}
		if k := asyncio.LookAtParts(l, asyncio.LookOptions{}); k.SocketCount != 1 || k.Sockets != nil {
			t.Errorf("%+v", k)
		}
		srv.Close()
		srv.WaitClosed(ctx)
		if w, _ := asyncio.Describe(&asyncio.Server{}); w.Kind != "server" || w.Detail != "" {
			t.Errorf("%+v", w)
		}
	})
}

func TestAServerWithClientsIsShownAsClosing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		here := asyncio.NewEvent()
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			here.Set()
			s.WaitClosed(ctx)
			return nil
		})
		addr := srv.Addr().String()
		s := dial(t, ctx, srv.Addr())
		here.Wait(ctx)
		srv.Close()
		k := asyncio.LookAtParts(loopOf(ctx), withSockets)
		for _, x := range k.Sockets {
			if x.Kind == "server" && (x.State != "closing" || x.Local != addr) {
				t.Errorf("%+v", x)
			}
		}
		s.Close()
		srv.AbortClients()
		srv.WaitClosed(ctx)
	})
}

func TestALookShowsDatagramEndpoints(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		server := openPacket(t, ctx, asyncio.WithLocalAddr("127.0.0.1:0"))
		client := openPacket(t, ctx, asyncio.WithRemoteAddr(server.LocalAddr().String()))
		here, there := client.LocalAddr().String(), server.LocalAddr().String()
		want := []asyncio.SocketLook{
			{Kind: "datagram", State: "open", Local: there},
			{Kind: "datagram", State: "open", Local: here, Remote: there},
		}
		k := asyncio.LookAtParts(l, withSockets)
		slices.SortFunc(k.Sockets, func(a, b asyncio.SocketLook) int { return strings.Compare(a.Remote, b.Remote) })
		if k.SocketCount != 2 || !slices.Equal(k.Sockets, want) {
			t.Errorf("%+v", k)
		}
		if k := asyncio.LookAtParts(l, asyncio.LookOptions{}); k.SocketCount != 2 || k.Sockets != nil {
			t.Errorf("%+v", k)
		}
		reader := asyncio.Go(ctx, func(context.Context) error { return errorOf(server.Read(make([]byte, 1))) }, asyncio.WithName("reader"))
		turns(ctx, 2)
		if w := waitOf(t, ctx, "reader"); w.Kind != "socket" || w.Detail != "datagrams "+there || w.Object == "" {
			t.Errorf("%+v", w)
		}
		client.Close()
		server.Close()
		reader.Await(ctx)
		for i, s := range asyncio.LookAtParts(l, withSockets).Sockets {
			if s.State != "closing" {
				t.Errorf("%d: %+v", i, s)
			}
		}
	})
}

// A pair of unix sockets has one name, that of the server.
func TestAUnixSocketIsNamedByWhatItHas(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		name := filepath.Join(t.TempDir(), "s")
		here := asyncio.NewEvent()
		srv, err := asyncio.StartServer(ctx, "unix", name, func(ctx context.Context, s *asyncio.Stream) error {
			here.Set()
			_, err := s.Read(make([]byte, 1))
			return err
		})
		if err != nil {
			t.Skip("no unix sockets here: ", err)
		}
		s, err := asyncio.OpenConnection(ctx, "unix", name)
		if err != nil {
			t.Fatal(err)
		}
		reader := asyncio.Go(ctx, func(context.Context) error { return errorOf(s.Read(make([]byte, 1))) }, asyncio.WithName("reader"))
		here.Wait(ctx)
		turns(ctx, 3)
		n := 0
		for _, task := range look(t, ctx).Tasks {
			if w := task.Waits; w != nil && w.Kind == "socket" && w.Detail == "read "+name {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d tasks read from %s", n, name)
		}
		srv.Close()
		s.Close()
		reader.Await(ctx)
		srv.WaitClosed(ctx)
	})
}

// A connection that is closed is shown without addresses while somebody serves it.
func TestAConnectionThatIsServedBeyondItsEndIsShown(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		here, done := asyncio.NewEvent(), asyncio.NewEvent()
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			s.ReadLine(ctx) // a connection that ends at once may be no connection for who dials
			s.Abort()
			here.Set()
			return done.Wait(ctx)
		})
		s := dial(t, ctx, srv.Addr())
		s.Write([]byte("go\n"))
		here.Wait(ctx)
		if k := asyncio.LookAtParts(loopOf(ctx), withSockets); !slices.Contains(k.Sockets, asyncio.SocketLook{Kind: "connection", State: "closing"}) {
			t.Errorf("%+v", k.Sockets)
		}
		done.Set()
		s.Close()
		srv.Close()
		srv.WaitClosed(ctx)
	})
}
