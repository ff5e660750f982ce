package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// securePair connects two recorders over TLS.
func securePair(t *testing.T, ctx context.Context) (server, client *recorder) {
	t.Helper()
	server, client = &recorder{}, &recorder{}
	srv := host(t, ctx, func() asyncio.Protocol { return server }, asyncio.WithTLS(serverTLS()))
	join(t, ctx, srv.Addr(), client, asyncio.WithTLS(clientTLS()))
	server.untilCall(ctx, "made")
	srv.Close()
	return server, client
}

func TestTLSProtocolIsToldInOrderAndWhatWasAgreed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := securePair(t, ctx)
		for _, r := range []*recorder{server, client} {
			state := r.transport.ConnectionState()
			if state == nil || !state.HandshakeComplete || state.NegotiatedProtocol != "echo" {
				t.Errorf("the state is %+v", state)
			}
		}
		client.transport.Write([]byte("hello"))
		server.untilData(ctx, 5)
		server.transport.WriteLines([]byte("he"), nil, []byte("llo"))
		client.untilData(ctx, 5)
		client.transport.Close()
		if !client.transport.IsClosing() || client.transport.IsReading() {
			t.Error("it does not say that it closes")
		}
		if _, err := client.transport.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close gave %v", err)
		}
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
		server.check(t, "made", "data", "eof", "lost")
		client.check(t, "made", "data", "lost")
		if string(server.data) != "hello" || string(client.data) != "hello" || server.lost != nil || client.lost != nil {
			t.Errorf("got %q, %q, %v, %v", server.data, client.data, server.lost, client.lost)
		}
	})
}

func TestTLSHalfCloseOfATransport(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := securePair(t, ctx)
		server.keepOpen = true
		client.transport.Write([]byte("question"))
		if err := client.transport.WriteEOF(); err != nil {
			t.Fatal(err)
		}
		server.untilCall(ctx, "eof")
		server.transport.Write([]byte("answer"))
		client.untilData(ctx, 6)
		server.transport.Close()
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
		client.check(t, "made", "data", "eof", "lost")
		server.check(t, "made", "data", "eof", "lost")
	})
}

func TestTLSBigTransferBothWaysWithBackpressure(t *testing.T) {
	const size = 8 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := host(t, ctx, newEcho, asyncio.WithTLS(serverTLS()))
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client, asyncio.WithTLS(clientTLS()))
		data := pattern(size)
		paused, most := false, 0
		client.on = map[string]func(){"pause": func() { paused = true }, "resume": func() { paused = false }}
		for chunk := range slicesOf(data, 100_000) {
			client.until(ctx, func() bool { return !paused })
			tr.Write(chunk)
			most = max(most, tr.WriteBufferSize())
			asyncio.Sleep(ctx, 0)
		}
		client.untilData(ctx, size)
		if !bytes.Equal(client.data, data) {
			t.Error("other bytes came back")
		}
		if most > 64<<10+110_000 {
			t.Errorf("%d bytes were queued", most)
		}
		tr.Close()
		client.untilCall(ctx, "lost")
		shutdown(t, ctx, srv)
	})
}

func TestTLSPausedReadingHoldsDataBack(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := securePair(t, ctx)
		server.transport.PauseReading()
		client.transport.Write(pattern(100_000))
		turns(ctx, 20)
		server.check(t, "made")
		server.transport.ResumeReading()
		server.untilData(ctx, 100_000)
		client.transport.Close()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
	})
}

func TestTLSTruncationIsToldToTheProtocol(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := securePair(t, ctx)
		server.transport.Write([]byte("half"))
		client.untilData(ctx, 4)
		server.transport.Abort() // no close_notify
		client.untilCall(ctx, "lost")
		client.check(t, "made", "data", "lost")
		if !errors.Is(client.lost, asyncio.ErrTruncated) {
			t.Errorf("it was lost with %v", client.lost)
		}
	})
}

func TestTLSHandshakeThatFailsMakesNoConnection(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := &recorder{}, &recorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return server }, asyncio.WithTLS(serverTLS()))
		cfg := clientTLS()
		cfg.ServerName = "other.example"
		_, _, err := loopOf(ctx).CreateConnection(ctx, "tcp", srv.Addr().String(),
			func() asyncio.Protocol { return client }, asyncio.WithTLS(cfg))
		if err == nil || !strings.Contains(err.Error(), "TLS handshake") {
			t.Errorf("CreateConnection gave %v", err)
		}
		shutdown(t, ctx, srv)
		server.check(t)
		client.check(t)
	})
}

func TestTLSHandshakeOfATransportTimesOut(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		silent := &recorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return silent })
		_, _, err := loopOf(ctx).CreateConnection(ctx, "tcp", srv.Addr().String(), newEcho,
			asyncio.WithTLS(clientTLS()), asyncio.WithTLSHandshakeTimeout(5*time.Millisecond))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("CreateConnection gave %v", err)
		}
		shutdown(t, ctx, srv)

		served := &recorder{}
		srv = host(t, ctx, func() asyncio.Protocol { return served },
			asyncio.WithTLS(serverTLS()), asyncio.WithTLSHandshakeTimeout(5*time.Millisecond))
		plain := &recorder{}
		join(t, ctx, srv.Addr(), plain) // says nothing
		plain.untilCall(ctx, "lost")
		served.check(t)
		shutdown(t, ctx, srv)
	})
}

func TestTLSHandshakeThatIsCancelledOrAbortedLeavesNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		silent := &recorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return silent })
		client := &recorder{}
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, _, err := loopOf(ctx).CreateConnection(ctx, "tcp", srv.Addr().String(),
				func() asyncio.Protocol { return client }, asyncio.WithTLS(clientTLS()))
			return err
		})
		silent.untilCall(ctx, "data")
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("CreateConnection gave %v", err)
		}
		client.check(t)
		shutdown(t, ctx, srv)

		srv = host(t, ctx, newEcho, asyncio.WithTLS(serverTLS()))
		plain := &recorder{}
		tr := join(t, ctx, srv.Addr(), plain)
		turns(ctx, 5)
		tr.Write([]byte{22, 3, 1}) // the beginning of a record
		turns(ctx, 5)
		srv.Close()
		srv.AbortClients()
		plain.untilCall(ctx, "lost")
		shutdown(t, ctx, srv)
	})
}

func TestTLSShutdownTimesOutWhenThePeerDoesNotAnswer(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &recorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return server },
			asyncio.WithTLS(serverTLS()), asyncio.WithTLSShutdownTimeout(5*time.Millisecond))
		peer := must(net.Dial("tcp", srv.Addr().String())) //asyncvet:ignore blocking the peer is a plain connection, to this machine
		defer peer.Close()
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			return 0, tls.Client(peer, &tls.Config{InsecureSkipVerify: true}).Handshake()
		})
		if err != nil {
			t.Fatal(err)
		}
		server.untilCall(ctx, "made")
		server.transport.Close()
		server.untilCall(ctx, "lost")
		if !errors.Is(server.lost, context.DeadlineExceeded) {
			t.Errorf("it was lost with %v", server.lost)
		}
		shutdown(t, ctx, srv)
	})
}

func TestTLSClientCertificateIsAskedForAndShown(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		cfg := serverTLS()
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		cfg.ClientCAs = clientTLS().RootCAs
		server := &recorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return server }, asyncio.WithTLS(cfg))
		with := clientTLS()
		with.Certificates = []tls.Certificate{certificate()}
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client, asyncio.WithTLS(with))
		server.untilCall(ctx, "made")
		if certs := server.transport.ConnectionState().PeerCertificates; len(certs) != 1 || certs[0].Subject.CommonName != "localhost" {
			t.Errorf("the server was shown %v", certs)
		}
		tr.Close()
		server.untilCall(ctx, "lost")

		// In TLS 1.3 a client learns after its handshake that it was refused.
		server.calls = nil
		without := &recorder{}
		_, _, err := loopOf(ctx).CreateConnection(ctx, "tcp", srv.Addr().String(), func() asyncio.Protocol { return without }, asyncio.WithTLS(clientTLS()))
		if err == nil {
			without.untilCall(ctx, "lost")
			err = without.lost
		}
		if err == nil || !strings.Contains(err.Error(), "certificate") && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("without a certificate the connection ended with %v", err)
		}
		server.check(t)
		shutdown(t, ctx, srv)
	})
}

func TestTLSOfABufferedProtocol(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &bufferedRecorder{buf: make([]byte, 100)}
		srv := host(t, ctx, func() asyncio.Protocol { return server }, asyncio.WithTLS(serverTLS()))
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client, asyncio.WithTLS(clientTLS()))
		data := pattern(50_000)
		tr.Write(data)
		server.untilData(ctx, len(data))
		if !bytes.Equal(server.data, data) {
			t.Error("other bytes came")
		}
		tr.Close()
		server.untilCall(ctx, "lost")
		shutdown(t, ctx, srv)
	})
}

func TestStartTLSOnBothSidesOfTransports(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		server, client := pair(t, ctx)
		cfg := clientTLS()
		if _, err := l.StartTLS(ctx, client.transport, cfg, false); err == nil || !strings.Contains(err.Error(), "ServerName") {
			t.Errorf("without a name it gave %v", err)
		}
		cfg.ServerName = "localhost"
		var upgraded *asyncio.Task[struct{}]
		server.on = map[string]func(){"data": func() {
			if string(server.data) != "STARTTLS\n" {
				return
			}
			server.transport.PauseReading()
			server.transport.Write([]byte("go ahead\n"))
			upgraded = asyncio.Go(ctx, func(ctx context.Context) error {
				tr, err := l.StartTLS(ctx, server.transport, serverTLS(), true)
				if err == nil && tr != server.transport {
					t.Error("it gave another transport")
				}
				return err
			})
		}}
		client.transport.Write([]byte("STARTTLS\n"))
		client.untilData(ctx, len("go ahead\n"))
		shaking := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := l.StartTLS(ctx, client.transport, cfg, false)
			return err
		})
		asyncio.Sleep(ctx, 0)
		if _, err := client.transport.Write([]byte("x")); !errors.Is(err, asyncio.ErrInvalidState) {
			t.Errorf("a write during the handshake gave %v", err)
		}
		if client.transport.ConnectionState() != nil {
			t.Error("there is a state during the handshake")
		}
		if _, err := shaking.Await(ctx); err != nil {
			t.Fatal(err)
		}
		client.transport.Write([]byte("secret\n"))
		server.untilData(ctx, len("STARTTLS\nsecret\n"))
		if _, err := upgraded.Await(ctx); err != nil {
			t.Error(err)
		}
		if server.transport.ConnectionState() == nil {
			t.Error("there is no TLS")
		}
		if _, err := l.StartTLS(ctx, client.transport, cfg, false); !errors.Is(err, asyncio.ErrInvalidState) {
			t.Errorf("a second StartTLS gave %v", err)
		}
		client.transport.Close()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
		server.check(t, "made", "data", "eof", "lost")
		client.check(t, "made", "data", "lost")
	})
}

func TestStartTLSThatFailsLosesTheConnection(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		server.on = map[string]func(){"data": func() { server.transport.Write([]byte("what?\n")); server.on = nil }}
		cfg := clientTLS()
		cfg.ServerName = "localhost"
		_, err := loopOf(ctx).StartTLS(ctx, client.transport, cfg, false)
		var record tls.RecordHeaderError
		if !errors.As(err, &record) {
			t.Errorf("StartTLS gave %v", err)
		}
		client.untilCall(ctx, "lost")
		if !errors.As(client.lost, &record) {
			t.Errorf("it was lost with %v", client.lost)
		}
		if _, err := loopOf(ctx).StartTLS(ctx, client.transport, cfg, false); !errors.As(err, &record) {
			t.Errorf("StartTLS on what is closed gave %v", err)
		}
		server.untilCall(ctx, "lost")
	})
}

func TestPanicInATLSConfigurationEndsItsConnectionOnly(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				cfg := serverTLS()
				first := true
				cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
					if first {
						first = false
						panic("oh")
					}
					return nil, nil
				}
				srv := host(t, ctx, newEcho, asyncio.WithTLS(cfg))
				if _, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String(), asyncio.WithTLS(clientTLS())); err == nil {
					t.Error("the first connection stands")
				}
				s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
				s.Write([]byte("hello\n"))
				if got, err := s.ReadLine(ctx); string(got) != "hello\n" || err != nil {
					t.Errorf("the second got %q, %v", got, err)
				}
				s.Close()
				return srv.Shutdown(ctx)
			}, options(driver)...)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestGoexitInATLSConfigurationEndsItsConnection(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			r := must(asyncio.NewRunner(options(driver)...))
			var client *asyncio.Task[*asyncio.Stream]
			returned := onOwnGoroutine(func() {
				_ = r.Run(t.Context(), func(ctx context.Context) error {
					cfg := serverTLS()
					cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
						runtime.Goexit()
						return nil, nil
					}
					srv := host(t, ctx, newEcho, asyncio.WithTLS(cfg))
					client = asyncio.CreateTask(ctx, func(ctx context.Context) (*asyncio.Stream, error) {
						return asyncio.OpenConnection(ctx, "tcp", srv.Addr().String(), asyncio.WithTLS(clientTLS()))
					})
					return asyncio.Sleep(ctx, time.Hour)
				})
			})
			if returned {
				t.Error("Run returned")
			}
			err := r.Run(t.Context(), func(ctx context.Context) error {
				if _, err := client.Await(ctx); err == nil {
					t.Error("the connection stands")
				}
				return nil
			})
			if err := errors.Join(err, r.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// options is those of a loop on the driver.
func options(driver asyncio.Option, more ...asyncio.Option) []asyncio.Option {
	if driver != nil {
		more = append(more, driver)
	}
	return more
}

// slowConn gives what is read from it in small pieces, however it came.
type slowConn struct{ net.Conn }

func (c slowConn) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 3)]) }

func TestTLSRecordsMayComeInPieces(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		if !strings.HasSuffix(t.Name(), "/portable") {
			t.Skip("the connection is a foreign one, which only the portable driver takes")
		}
		srv := host(t, ctx, newEcho, asyncio.WithTLS(serverTLS()))
		nc := slowConn{must(net.Dial("tcp", srv.Addr().String()))} //asyncvet:ignore blocking the peer is a plain connection, to this machine
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client, asyncio.WithTLS(clientTLS()), asyncio.WithConn(nc))
		data := pattern(5000)
		tr.Write(data)
		client.untilData(ctx, len(data))
		srv.CloseClients()
		client.untilCall(ctx, "lost")
		if !bytes.Equal(client.data, data) || client.lost != nil || slices.Contains(client.calls, "pause") {
			t.Errorf("%d bytes, lost with %v, %v", len(client.data), client.lost, client.calls)
		}
		shutdown(t, ctx, srv)
	})
}

func TestGoTLSPeersTalkWithTransports(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := host(t, ctx, newEcho, asyncio.WithTLS(serverTLS()))
		got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
			c, err := tls.Dial("tcp", srv.Addr().String(), clientTLS())
			if err != nil {
				return "", err
			}
			defer c.Close()
			c.Write([]byte("from a goroutine"))
			buf := make([]byte, 16)
			n, err := io.ReadFull(c, buf)
			return string(buf[:n]), err
		})
		if got != "from a goroutine" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		shutdown(t, ctx, srv)

		ln := must(tls.Listen("tcp", "127.0.0.1:0", serverTLS()))
		peer := asyncio.RunInExecutor(loopOf(ctx), nil, func(context.Context) (int64, error) {
			c, err := ln.Accept()
			if err != nil {
				return 0, err
			}
			n, err := io.Copy(c, c)
			c.Close()
			return n, err
		})
		client := &recorder{}
		tr := join(t, ctx, ln.Addr(), client, asyncio.WithTLS(clientTLS()))
		tr.Write([]byte("hello"))
		client.untilData(ctx, 5)
		tr.WriteEOF()
		client.untilCall(ctx, "lost")
		client.check(t, "made", "data", "eof", "lost")
		if n, err := peer.Await(ctx); n != 5 || err != nil {
			t.Errorf("the peer copied %d, %v", n, err)
		}
		ln.Close()
	})
}

func TestTLSCloseSendsWhatWasWritten(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := securePair(t, ctx)
		data := pattern(4 << 20)
		server.transport.Write([]byte("what a client that closes reads no more"))
		client.transport.Write(data)
		client.transport.Close()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
		if !bytes.Equal(server.data, data) || server.lost != nil || client.lost != nil {
			t.Errorf("%d bytes came, lost with %v and %v", len(server.data), server.lost, client.lost)
		}
	})
}

func TestCloseDuringATLSHandshakeAborts(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &recorder{}
		srv := host(t, ctx, func() asyncio.Protocol { return server }, asyncio.WithTLS(serverTLS()))
		plain := &recorder{}
		tr := join(t, ctx, srv.Addr(), plain)
		tr.Write([]byte{22, 3, 1})
		for !slices.Contains(plain.calls, "lost") {
			srv.CloseClients()
			asyncio.Sleep(ctx, 0)
		}
		shutdown(t, ctx, srv)
		server.check(t)
	})
}

func TestStartTLSOfABufferedProtocol(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server := &bufferedRecorder{buf: make([]byte, 7)}
		srv := host(t, ctx, func() asyncio.Protocol { return server })
		client := &recorder{}
		tr := join(t, ctx, srv.Addr(), client)
		server.untilCall(ctx, "made")
		upgraded := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := loopOf(ctx).StartTLS(ctx, server.transport, serverTLS(), true)
			return err
		})
		cfg := clientTLS()
		cfg.ServerName = "localhost"
		if _, err := loopOf(ctx).StartTLS(ctx, tr, cfg, false); err != nil {
			t.Fatal(err)
		}
		if _, err := upgraded.Await(ctx); err != nil {
			t.Fatal(err)
		}
		data := pattern(5000)
		tr.Write(data)
		server.untilData(ctx, len(data))
		if !bytes.Equal(server.data, data) {
			t.Error("other bytes came")
		}
		tr.Close()
		shutdown(t, ctx, srv)
	})
}

func TestStartTLSThatIsCancelledClosesTheConnection(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		server, client := pair(t, ctx)
		cfg := clientTLS()
		cfg.ServerName = "localhost"
		shaking := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := loopOf(ctx).StartTLS(ctx, client.transport, cfg, false)
			return err
		})
		server.untilCall(ctx, "data") // the hello, which nobody answers
		shaking.Cancel()
		if _, err := shaking.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("StartTLS gave %v", err)
		}
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
	})
}

// foreignTransport is not one of this package's.
type foreignTransport struct{ asyncio.Transport }

func TestForeignTransportsAreRefused(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		if _, err := l.StartTLS(ctx, foreignTransport{}, serverTLS(), true); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("StartTLS gave %v", err)
		}
		if _, err := l.Sendfile(ctx, foreignTransport{}, fileOf(t, nil), 0, -1); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Sendfile gave %v", err)
		}
	})
}
