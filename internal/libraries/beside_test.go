//go:build unix

package libraries

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/user"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"github.com/quic-go/quic-go"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Those here read, write and wait on goroutines of their own. They are run in a
// thread, over connections of their own and over those of the loop.
func besideTheLoop(t *testing.T, f func(t *testing.T, ctx context.Context, dial dialFunc) error) {
	dials := map[string]func(ctx context.Context) dialFunc{
		"net's connections":      func(context.Context) dialFunc { return new(net.Dialer).DialContext },
		"the loop's connections": func(ctx context.Context) dialFunc { return asyncio.NewDialer(loop(ctx)).DialShared },
	}
	for name, dial := range dials {
		t.Run(name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) error {
				dial := dial(ctx)
				return inThread(ctx, func(ctx context.Context) error { return f(t, ctx, dial) })
			})
		})
	}
}

// A natsDialer is a dialer as nats.go wants it.
type natsDialer struct {
	ctx  context.Context
	dial dialFunc
}

func (d natsDialer) Dial(network, address string) (net.Conn, error) {
	return d.dial(d.ctx, network, address)
}

func TestNATSBesideTheLoop(t *testing.T) {
	p := newPlace(t, "")
	p.serve(t, find(t, "nats-server"), "-a", "127.0.0.1", "-p", p.port)
	besideTheLoop(t, func(t *testing.T, ctx context.Context, dial dialFunc) error {
		c, err := nats.Connect("nats://"+p.addr(), nats.SetCustomDialer(natsDialer{ctx, dial}))
		if err != nil {
			return err
		}
		defer c.Close()
		sub, err := c.Subscribe("double", func(m *nats.Msg) { m.Respond(append(m.Data, m.Data...)) })
		if err != nil {
			return err
		}
		for range 20 {
			if m, err := c.RequestWithContext(ctx, "double", []byte("x")); err != nil || string(m.Data) != "xx" {
				return fmt.Errorf("a request: %w", err)
			}
		}
		return sub.Unsubscribe()
	})
}

func TestPahoBesideTheLoop(t *testing.T) {
	p := newPlace(t, "")
	conf := p.file(t, "conf", "listener "+p.port+" 127.0.0.1\nallow_anonymous true\nuser root\n")
	p.serve(t, find(t, "mosquitto"), "-c", conf)
	besideTheLoop(t, func(t *testing.T, ctx context.Context, dial dialFunc) error {
		o := mqtt.NewClientOptions().AddBroker("tcp://" + p.addr()).SetCustomOpenConnectionFn(
			func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) { return dial(ctx, "tcp", u.Host) })
		done := func(token mqtt.Token) error {
			select {
			case <-token.Done():
				return token.Error()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		c := mqtt.NewClient(o)
		if err := done(c.Connect()); err != nil {
			return err
		}
		defer c.Disconnect(100)
		come := make(chan string, 1)
		if err := done(c.Subscribe("topic", 1, func(_ mqtt.Client, m mqtt.Message) { come <- string(m.Payload()) })); err != nil {
			return err
		}
		if err := done(c.Publish("topic", 1, false, "hello")); err != nil {
			return err
		}
		select {
		case text := <-come:
			if text != "hello" {
				t.Error(text)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func TestSSHBesideTheLoop(t *testing.T) {
	server := find(t, "sshd")
	if os.Getuid() == 0 {
		if _, err := os.Stat("/run/sshd"); err != nil { // as its service does
			if err := os.Mkdir("/run/sshd", 0o755); err != nil {
				t.Fatal(err)
			}
			defer os.Remove("/run/sshd")
		}
	}
	p := newPlace(t, "")
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	hostKey := p.file(t, "key", string(pem.EncodeToMemory(block)))
	authorized := p.file(t, "authorized", string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	p.serve(t, server, "-D", "-e", "-f", "/dev/null", "-h", hostKey, "-p", p.port, "-o", "ListenAddress=127.0.0.1",
		"-o", "AuthorizedKeysFile="+authorized, "-o", "StrictModes=no", "-o", "PidFile=none", "-o", "PermitRootLogin=yes")
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ClientConfig{
		User: u.Username, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(signer.PublicKey()),
	}
	besideTheLoop(t, func(t *testing.T, ctx context.Context, dial dialFunc) error {
		nc, err := dial(ctx, "tcp", p.addr())
		if err != nil {
			return err
		}
		c, channels, requests, err := ssh.NewClientConn(nc, p.addr(), config)
		if err != nil {
			return err
		}
		client := ssh.NewClient(c, channels, requests)
		defer client.Close()
		for range 3 {
			s, err := client.NewSession()
			if err != nil {
				return err
			}
			if out, err := s.Output("echo hello"); err != nil || string(out) != "hello\n" {
				t.Errorf("%q, %v", out, err)
			}
			s.Close()
		}
		return nil
	})
}

// onListener runs serve on a goroutine, with the connections of a listener of the
// loop's, and f in a thread meanwhile.
func onListener(ctx context.Context, serve func(net.Listener) error, stop func(), f func(ctx context.Context, addr string) error) error {
	ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- serve(ln) }()
	return inThread(ctx, func(ctx context.Context) error {
		err := f(ctx, ln.Addr().String())
		stop()
		ln.Close()
		return errors.Join(err, <-served)
	})
}

func TestGRPCBesideTheLoop(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		dialer := asyncio.NewDialer(loop(ctx))
		server := grpc.NewServer()
		healthpb.RegisterHealthServer(server, health.NewServer())
		return onListener(ctx, server.Serve, server.Stop, func(ctx context.Context, addr string) error {
			client, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
					return dialer.DialShared(ctx, "tcp", addr)
				}))
			if err != nil {
				return err
			}
			defer client.Close()
			for range 20 {
				r, err := healthpb.NewHealthClient(client).Check(ctx, &healthpb.HealthCheckRequest{})
				if err != nil || r.Status != healthpb.HealthCheckResponse_SERVING {
					return fmt.Errorf("%v: %w", r, err)
				}
			}
			watch, err := healthpb.NewHealthClient(client).Watch(ctx, &healthpb.HealthCheckRequest{})
			if err != nil {
				return err
			}
			_, err = watch.Recv()
			return err
		})
	})
}

func TestXNetHTTP2BesideTheLoop(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		dialer := asyncio.NewDialer(loop(ctx))
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
		serve := func(ln net.Listener) error {
			c, err := ln.Accept()
			if err != nil {
				return err
			}
			new(http2.Server).ServeConn(c, &http2.ServeConnOpts{Handler: h})
			return nil
		}
		tr := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return dialer.DialShared(ctx, network, addr)
		}}
		return onListener(ctx, serve, tr.CloseIdleConnections, func(ctx context.Context, addr string) error {
			client := &http.Client{Transport: tr}
			for range 20 {
				req, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr, io.LimitReader(zeros{}, 100<<10))
				if err != nil {
					return err
				}
				resp, err := client.Do(req)
				if err != nil {
					return err
				}
				n, err := io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if n != 100<<10 || resp.ProtoMajor != 2 || err != nil {
					t.Errorf("%d bytes, %s, %v", n, resp.Proto, err)
				}
			}
			return nil
		})
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// certificates returns the configurations of a server and its client.
func certificates() (server, client *tls.Config) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	client = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName, client.NextProtos = "example.com", []string{"test"}
	return &tls.Config{Certificates: srv.TLS.Certificates, NextProtos: []string{"test"}}, client
}

func TestQUICBesideTheLoop(t *testing.T) {
	serverTLS, clientTLS := certificates()
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		open := func() (asyncio.PacketConn, error) {
			return asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr("127.0.0.1:0"))
		}
		here, err := open()
		if err != nil {
			return err
		}
		defer here.Close()
		there, err := open()
		if err != nil {
			return err
		}
		defer there.Close()
		return inThread(ctx, func(ctx context.Context) error {
			server := &quic.Transport{Conn: here.Shared()}
			defer server.Close()
			client := &quic.Transport{Conn: there.Shared()}
			defer client.Close()
			ln, err := server.Listen(serverTLS, nil)
			if err != nil {
				return err
			}
			served := make(chan error, 1)
			go func() {
				served <- func() error {
					c, err := ln.Accept(ctx)
					if err != nil {
						return err
					}
					s, err := c.AcceptStream(ctx)
					if err != nil {
						return err
					}
					if _, err := io.Copy(s, s); err != nil {
						return err
					}
					return s.Close()
				}()
			}()
			c, err := client.Dial(ctx, here.LocalAddr(), clientTLS, nil)
			if err != nil {
				return err
			}
			s, err := c.OpenStreamSync(ctx)
			if err != nil {
				return err
			}
			const size = 1 << 20
			sent := make(chan error, 1)
			go func() {
				_, err := io.Copy(s, io.LimitReader(zeros{}, size))
				sent <- errors.Join(err, s.Close())
			}()
			n, err := io.Copy(io.Discard, s)
			if n != size {
				t.Errorf("%d bytes came back", n)
			}
			return errors.Join(err, <-sent, <-served, c.CloseWithError(0, ""))
		})
	})
}

// crypto/tls over a connection of the loop's, in a task.
func TestTLSOfOnesOwnOnTheLoop(t *testing.T) {
	serverTLS, clientTLS := certificates()
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(_ context.Context, s *asyncio.Stream) error {
			c := tls.Server(s.Conn(), serverTLS)
			_, err := io.Copy(c, c)
			return errors.Join(err, c.Close())
		})
		if err != nil {
			return err
		}
		defer srv.Close()
		dial := asyncio.NewDialer(loop(ctx)).DialContext
		err = together(ctx, 5, func(ctx context.Context, _ int) error {
			nc, err := dial(ctx, "tcp", srv.Addr().String())
			if err != nil {
				return err
			}
			defer nc.Close()
			c := tls.Client(nc, clientTLS)
			if err := c.HandshakeContext(ctx); err != nil {
				return err
			}
			for range 3 {
				if _, err := c.Write([]byte("hello")); err != nil {
					return err
				}
				if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
					return err
				}
			}
			return c.Close()
		})
		if err != nil {
			return err
		}
		nc, err := dial(ctx, "tcp", silent(t))
		if err != nil {
			return err
		}
		defer nc.Close()
		err = endsInTime(t, ctx, "a handshake with a silent peer", func(ctx context.Context) error {
			return tls.Client(nc, clientTLS).HandshakeContext(ctx)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		return asyncio.Sleep(ctx, time.Millisecond)
	})
}
