package sim_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
	"github.com/asyncio-go/asyncio/sim"
)

const socketName = "/tmp/app.sock"

// A postbox is a datagram endpoint that keeps what it is sent.
type postbox struct {
	asyncio.BaseDatagramProtocol
	got *asyncio.Queue[string]
}

func (p *postbox) DatagramReceived(data []byte, _ net.Addr) { _ = p.got.PutNowait(string(data)) }

func TestUnixDatagramsComeAllAndInOrder(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Go(func(ctx context.Context) error {
			l, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return err
			}
			box := &postbox{got: asyncio.NewQueue[string](0)}
			server, _, err := l.CreateDatagramEndpoint(ctx, "unixgram", func() asyncio.DatagramProtocol { return box }, asyncio.WithLocalAddr(socketName))
			if err != nil {
				return err
			}
			defer server.Close()
			client, _, err := l.CreateDatagramEndpoint(ctx, "unixgram", func() asyncio.DatagramProtocol { return &postbox{} }, asyncio.WithRemoteAddr(socketName))
			if err != nil {
				return err
			}
			defer client.Close()
			for i := range 100 {
				if err := client.SendTo(fmt.Append(nil, i), nil); err != nil {
					return err
				}
			}
			for i := range 100 {
				if got, err := box.got.Get(ctx); err != nil || got != fmt.Sprint(i) {
					return fmt.Errorf("datagram %d is %q, %w", i, got, err)
				}
			}
			return nil
		})
	}, sim.Seeds(50))
}

// TestTheNodeOfASocketOutlivesItsHost has a client find the node that a crash has left,
// at which nobody listens; the next server takes its place.
func TestTheNodeOfASocketOutlivesItsHost(t *testing.T) {
	seen := make(map[string]int)
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		serve := func(ctx context.Context) error {
			s, err := asyncio.StartServer(ctx, "unix", socketName, func(ctx context.Context, s *asyncio.Stream) error { return s.Close() })
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		}
		starts := 0
		h.Serve(func(ctx context.Context) error {
			if starts++; starts > 1 {
				s, err := asyncio.OpenConnection(ctx, "unix", socketName)
				switch {
				case err == nil:
					return errors.Join(s.Close(), errors.New("somebody listens after a crash"))
				case errors.Is(err, fs.ErrNotExist):
					seen["gone"]++ // nobody has synced the directory
				case errors.Is(err, syscall.ECONNREFUSED):
					seen["dead"]++
					if info, err := asyncfile.Stat(ctx, socketName); err != nil || info.Mode()&fs.ModeSocket == 0 {
						return fmt.Errorf("the node is %v, %w", info, err)
					}
					if _, err := asyncfile.ReadFile(ctx, socketName); !errors.Is(err, syscall.ENXIO) {
						return fmt.Errorf("reading it gave %w", err)
					}
				default:
					return err
				}
			}
			return serve(ctx)
		})
		w.At(time.Second, h.Restart)
		w.At(2*time.Second, func() {
			h.Go(func(ctx context.Context) error {
				s, err := asyncio.OpenConnection(ctx, "unix", socketName)
				if err != nil {
					return err
				}
				return s.Close()
			})
		})
		w.Host("clock").Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, 3*time.Second) })
	}, sim.Seeds(50))
	if seen["gone"] == 0 || seen["dead"] == 0 {
		t.Errorf("after a crash: %v", seen)
	}
}

func TestTheEndOfAServerRemovesItsNode(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		w.Host("h").Go(func(ctx context.Context) error {
			s, err := asyncio.StartServer(ctx, "unix", socketName, func(context.Context, *asyncio.Stream) error { return nil })
			if err != nil {
				return err
			}
			if _, err := asyncio.StartServer(ctx, "unix", "/no/such/directory/s", func(context.Context, *asyncio.Stream) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("a directory that is not there gave %w", err)
			}
			if err := asyncfile.WriteFile(ctx, "/tmp/file", []byte("precious"), 0o600); err != nil {
				return err
			}
			if _, err := asyncio.StartServer(ctx, "unix", "/tmp/file", func(context.Context, *asyncio.Stream) error { return nil }); !errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("the place of a file gave %w", err)
			}
			s.Close()
			if err := s.WaitClosed(ctx); err != nil {
				return err
			}
			if _, err := asyncfile.Stat(ctx, socketName); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("the node is still there: %w", err)
			}
			return nil
		})
	}, sim.Seeds(5))
}

// TestAPeersCredentialsNameItsProcess has two processes of a host connect to a third.
func TestAPeersCredentialsNameItsProcess(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		h.Program("client", func(p *sim.Process) int {
			s, err := asyncio.OpenConnection(p.Context(), "unix", socketName)
			if err != nil {
				return 1
			}
			_, _ = s.Read(make([]byte, 1))
			_ = s.Close()
			return 0
		})
		h.Go(func(ctx context.Context) error {
			l, err := asyncio.RunningLoop(ctx)
			if err != nil {
				return err
			}
			var pids []int
			server, err := l.CreateServer(ctx, "unix", socketName, func() asyncio.Protocol {
				return &teller{tell: func(c *asyncio.Credentials, err error) {
					if err != nil || c.UID != os.Getuid() || c.GID != os.Getgid() {
						w.Failf("the credentials are %+v, %v", c, err)
						return
					}
					pids = append(pids, c.PID)
				}}
			})
			if err != nil {
				return err
			}
			defer server.Close()
			var want []int
			for range 2 {
				p, err := asyncio.CreateSubprocessExec(ctx, "client", nil)
				if err != nil {
					return err
				}
				want = append(want, p.Pid())
				if code, err := p.Wait(ctx); err != nil || code != 0 {
					return fmt.Errorf("it ended with %d, %w", code, err)
				}
			}
			if !slices.Equal(pids, want) || want[0] == want[1] {
				w.Failf("the peers were %v, and the processes %v", pids, want)
			}
			return nil
		})
	}, sim.Seeds(5))
}

// A teller asks who has connected, and hangs up.
type teller struct {
	asyncio.BaseProtocol
	tell func(*asyncio.Credentials, error)
}

func (p *teller) ConnectionMade(t asyncio.Transport) {
	p.tell(t.PeerCredentials())
	t.Close()
}

// TestAHostRunsOutOfDescriptors bounds what a server may have open: it accepts again when
// it has closed something.
func TestAHostRunsOutOfDescriptors(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		server, client := w.Host("server"), w.Host("client")
		server.Descriptors(3)
		most, now := 0, 0
		server.Serve(func(ctx context.Context) error {
			s, err := asyncio.StartServer(ctx, "tcp", ":7", func(ctx context.Context, s *asyncio.Stream) error {
				now++
				most = max(most, now)
				defer func() { now--; _ = s.Close() }()
				_, err := s.Read(make([]byte, 1))
				return err
			})
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		for range 6 {
			client.Go(func(ctx context.Context) error {
				if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
				s, err := asyncio.OpenConnection(ctx, "tcp", "server:7")
				if err != nil {
					return err
				}
				defer s.Close()
				if err := asyncio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if _, err := s.Write([]byte("x")); err != nil {
					return err
				}
				_, err = s.Read(make([]byte, 1))
				if errors.Is(err, syscall.ECONNRESET) || err == nil {
					return errors.New("it was not served")
				}
				return nil
			})
		}
		w.Host("judge").Go(func(ctx context.Context) error {
			if err := asyncio.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			if most != 2 || now != 0 {
				return fmt.Errorf("%d were served at once, and %d are", most, now)
			}
			return nil
		})
	}, sim.Seeds(10))
}
