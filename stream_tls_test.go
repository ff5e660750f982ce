package asyncio_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// certificate is one for localhost and 127.0.0.1 that signs itself.
var certificate = sync.OnceValue(func() tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}
})

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: []string{"echo"}}
}

func clientTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: roots, NextProtos: []string{"echo"}}
}

func TestTLSEchoesAndTellsWhatWasAgreed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		for range 100 {
			s.Write([]byte("hello\n"))
			if got, err := s.ReadLine(ctx); string(got) != "hello\n" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		if state := s.ConnectionState(); state == nil || !state.HandshakeComplete || state.NegotiatedProtocol != "echo" {
			t.Errorf("the state is %+v", state)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestTLSHalfCloseAndBigTransferInBothDirections(t *testing.T) {
	const size = 4 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		data := pattern(size)
		writer := asyncio.Go(ctx, func(ctx context.Context) error {
			for chunk := range slicesOf(data, 50_000) {
				if _, err := s.Write(chunk); err != nil {
					return err
				}
			}
			return s.WriteEOF()
		})
		got, err := s.ReadAll(ctx)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		if _, err := writer.Await(ctx); err != nil {
			t.Error(err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestTLSCancelledReadLeavesTheConnectionWhole(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		for range 3 {
			reader := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return s.ReadLine(ctx) })
			asyncio.Sleep(ctx, 0)
			asyncio.Sleep(ctx, 0)
			reader.CancelCause(errors.New("later"))
			if _, err := reader.Await(ctx); !asyncio.IsCancelled(err) || err.Error() != (&asyncio.CancelledError{Cause: errors.New("later")}).Error() {
				t.Errorf("the read gave %v", err)
			}
		}
		short, cancel := context.WithCancel(ctx)
		must(asyncio.RunningLoop(ctx)).CallSoon(cancel)
		if _, err := s.ReadLine(short); err != context.Canceled {
			t.Errorf("the read with a context gave %v", err)
		}
		s.Write([]byte("fine\n"))
		if got, err := s.ReadLine(ctx); string(got) != "fine\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestTLSCertificateForAnotherNameIsRefused(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		cfg := clientTLS()
		cfg.ServerName = "other.example"
		_, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String(), asyncio.WithTLS(cfg))
		var name x509.HostnameError
		if !errors.As(err, &name) {
			t.Errorf("OpenConnection gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestTLSHandshakeWithASilentPeerTimesOut(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			_, err := io.Copy(io.Discard, s) // says nothing
			if errors.Is(err, net.ErrClosed) || err == nil {
				return nil
			}
			return nil // the client's abort
		})
		_, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String(),
			asyncio.WithTLS(clientTLS()), asyncio.WithTLSHandshakeTimeout(10*time.Millisecond))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("OpenConnection gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestTLSCancelledHandshakeLeavesNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		accepted := asyncio.NewFuture[struct{}](must(asyncio.RunningLoop(ctx)))
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			accepted.SetResult(struct{}{})
			io.Copy(io.Discard, s)
			return nil
		})
		client := asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Stream, error) {
			return asyncio.OpenConnection(ctx, "tcp", srv.Addr().String(), asyncio.WithTLS(clientTLS()))
		})
		accepted.Await(ctx)
		client.CancelCause(errors.New("stop"))
		if _, err := client.Await(ctx); !asyncio.IsCancelled(errors.Unwrap(err)) {
			t.Errorf("OpenConnection gave %v", err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestTLSTruncationIsAnError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			s.Write([]byte("half"))
			s.Abort() // no close_notify
			return nil
		}, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		if got, err := s.ReadAll(ctx); err == nil {
			t.Errorf("the truncated stream gave %q and no error", got)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestStartTLSOnBothSides(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			if _, err := s.ReadLine(ctx); err != nil {
				return err
			}
			s.Write([]byte("go ahead\n"))
			if err := s.StartServerTLS(ctx, serverTLS()); err != nil {
				return err
			}
			return echo(ctx, s)
		})
		s := dial(t, ctx, srv.Addr())
		if err := s.StartTLS(ctx, clientTLS()); err == nil || !strings.Contains(err.Error(), "ServerName") {
			t.Errorf("StartTLS without a name gave %v", err)
		}
		s.Write([]byte("STARTTLS\n"))
		s.ReadLine(ctx)
		cfg := clientTLS()
		cfg.ServerName = "localhost"
		if err := s.StartTLS(ctx, cfg); err != nil {
			t.Fatal(err)
		}
		s.Write([]byte("secret\n"))
		if got, err := s.ReadLine(ctx); string(got) != "secret\n" || err != nil || s.ConnectionState() == nil {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestGoPeersTalkTLSWithUs(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
			c, err := tls.Dial("tcp", srv.Addr().String(), clientTLS())
			if err != nil {
				return "", err
			}
			defer c.Close()
			c.Write([]byte("from a goroutine"))
			c.CloseWrite()
			all, err := io.ReadAll(c)
			return string(all), err
		})
		if got != "from a goroutine" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestOpenSSLClientTalksTLSWithUs(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed: " + err.Error())
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			line, err := s.ReadLine(ctx)
			if err != nil {
				return err
			}
			_, err = s.Write(bytes.ToUpper(line))
			return err // which closes
		}, asyncio.WithTLS(serverTLS()))
		out, err := asyncio.ToThread(ctx, func(ctx context.Context) (string, error) {
			cmd := exec.CommandContext(ctx, openssl, "s_client", "-quiet", "-connect", srv.Addr().String())
			cmd.Stdin = strings.NewReader("hello openssl\n")
			out, err := cmd.Output()
			return string(out), err
		})
		if !strings.Contains(out, "HELLO OPENSSL") {
			t.Errorf("openssl printed %q, %v", out, err)
		}
		shutdown(t, ctx, srv)
	})
}
