package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func namedTLS() *tls.Config {
	cfg := clientTLS()
	cfg.ServerName = "localhost"
	return cfg
}

// After a handshake that failed nobody knows what the other side has understood:
// the connection is of no use, and the peer is not left waiting on it.
func TestStreamWhoseStartTLSFailsIsClosed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ended := asyncio.NewFuture[error](loopOf(ctx))
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			s.Write([]byte("what?\n"))
			_, err := io.Copy(io.Discard, s)
			ended.SetResult(err)
			return nil
		})
		s := dial(t, ctx, srv.Addr())
		var record tls.RecordHeaderError
		if err := s.StartTLS(ctx, namedTLS()); !errors.As(err, &record) {
			t.Errorf("StartTLS gave %v", err)
		}
		if !s.IsClosing() {
			t.Error("the stream is open")
		}
		if _, err := s.Write([]byte("more")); err == nil {
			t.Error("one can still write")
		}
		if _, err := ended.Await(ctx); err != nil { // it is told, at all
			t.Error(err)
		}
		shutdown(t, ctx, srv)
	})
}

func TestStartTLSWantsAConfiguration(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		for _, start := range []func() error{
			func() error { return s.StartTLS(ctx, nil) },
			func() error { return s.StartServerTLS(ctx, nil) },
			func() error { return s.StartTLS(ctx, &tls.Config{}) },
		} {
			if err := start(); err == nil || !strings.Contains(err.Error(), "ServerName") {
				t.Errorf("StartTLS gave %v", err)
			}
		}
		s.Write([]byte("still plain\n"))
		if line, err := s.ReadLine(ctx); string(line) != "still plain\n" || err != nil {
			t.Errorf("read %q, %v", line, err)
		}
		s.Close()
		shutdown(t, ctx, srv)

		_, client := pair(t, ctx)
		for _, server := range []bool{false, true} {
			if _, err := loopOf(ctx).StartTLS(ctx, client.transport, nil, server); err == nil || !strings.Contains(err.Error(), "ServerName") {
				t.Errorf("StartTLS of a transport gave %v", err)
			}
		}
		if client.transport.IsClosing() {
			t.Error("the transport was closed")
		}
		client.transport.Abort()
		client.untilCall(ctx, "lost")
	})
}

func TestStartTLSTwiceIsAnError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		if err := s.StartTLS(ctx, namedTLS()); !errors.Is(err, asyncio.ErrInvalidState) {
			t.Errorf("StartTLS gave %v", err)
		}
		s.Write([]byte("still there\n"))
		if line, err := s.ReadLine(ctx); string(line) != "still there\n" || err != nil {
			t.Errorf("read %q, %v", line, err)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}

// What cannot be told to the peer any more is an error of the one who tells it.
func TestWriteEOFOverTLSIsAnErrorOnceTheStreamIsClosed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(_ context.Context, s *asyncio.Stream) error {
			io.Copy(io.Discard, s) // which is cut off
			return nil
		}, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		if _, err := s.Write(bytes.Repeat([]byte("x"), 100)); err != nil {
			t.Fatal(err)
		}
		s.Abort()
		if err := s.WriteEOF(); err == nil {
			t.Error("WriteEOF of an aborted stream gave no error")
		}
		shutdown(t, ctx, srv)
	})
}
