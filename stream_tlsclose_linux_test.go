package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

// setReceiveBuffer makes the receive buffer of c small.
func setReceiveBuffer(c syscall.RawConn) error {
	var err error
	cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	return errors.Join(err, cerr)
}

// untilArrived waits until the system at the other end has all that was sent.
func untilArrived(nc net.Conn) {
	for left := 1; left > 0; runtime.Gosched() {
		must(nc.(*net.TCPConn).SyscallConn()).Control(func(fd uintptr) { left = must(unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)) })
	}
}

// smallWindow listens for connections whose receive buffers are small, so that
// what is sent to them stays with the sender until it is read.
func smallWindow(t *testing.T) net.Listener {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return setReceiveBuffer(c) }}
	ln, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// TestTLSCloseWithoutReadingSendsAllThatWasWritten closes when tickets for later
// sessions have come, which are of no use to anybody. The system answers a close
// before they are read with a reset.
func TestTLSCloseWithoutReadingSendsAllThatWasWritten(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := smallWindow(t)
		defer ln.Close()
		ready, closed, got := make(chan error, 1), make(chan struct{}), make(chan []byte, 1)
		go func() {
			nc, err := ln.Accept()
			if err != nil {
				ready <- err
				return
			}
			defer nc.Close()
			cfg := serverTLS()
			cfg.ClientAuth = tls.RequestClientCert // or the tickets come in the midst of the handshake
			c := tls.Server(nc, cfg)
			err = c.Handshake()
			untilArrived(nc)
			ready <- err
			<-closed
			all, err := io.ReadAll(c)
			if err != nil {
				t.Errorf("the peer's read gave %v", err)
			}
			got <- all
		}()
		cfg := clientTLS()
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1) // or there are no tickets
		s := dial(t, ctx, ln.Addr(), asyncio.WithTLS(cfg))
		if err, terr := asyncio.ToThread(ctx, func(context.Context) (error, error) { return <-ready, nil }); err != nil || terr != nil {
			t.Fatal(err, terr)
		}
		s.SetWriteBufferLimits(1<<20, 1<<20)
		data := pattern(300_000)
		s.Write(data)
		s.Close()
		close(closed)
		all, _ := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) { return <-got, nil })
		if !bytes.Equal(all, data) {
			t.Errorf("the peer got %d bytes of %d", len(all), len(data))
		}
	})
}

// TestTLSAnswerThatEndsTheConnectionArrivesWhole closes while more comes from the
// peer than is read.
func TestTLSAnswerThatEndsTheConnectionArrivesWhole(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		data := pattern(300_000)
		asked, sent, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			if _, err := s.ReadLine(ctx); err != nil {
				return err
			}
			close(asked)
			<-sent // the loop does not look meanwhile
			s.SetWriteBufferLimits(1<<20, 1<<20)
			s.Write(data)
			s.Close()
			close(closed)
			return nil
		}, asyncio.WithTLS(serverTLS()))
		all, err := asyncio.ToThread(ctx, func(context.Context) ([]byte, error) {
			dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { return setReceiveBuffer(c) }}
			nc, err := dialer.Dial("tcp", srv.Addr().String())
			if err != nil {
				return nil, err
			}
			defer nc.Close()
			cfg := clientTLS()
			cfg.ServerName = "localhost"
			c := tls.Client(nc, cfg)
			if _, err := c.Write([]byte("please\n")); err != nil {
				return nil, err
			}
			<-asked
			c.Write(pattern(3000))
			untilArrived(nc)
			close(sent)
			<-closed
			return io.ReadAll(c)
		})
		if !bytes.Equal(all, data) || err != nil {
			t.Errorf("the peer got %d bytes of %d, %v", len(all), len(data), err)
		}
		shutdown(t, ctx, srv)
	})
}
