package asyncio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// resettable returns a stream and the peer's end of it, which is no loop's.
func resettable(t *testing.T, ctx context.Context, opts ...asyncio.ConnOption) (*asyncio.Stream, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := dial(t, ctx, ln.Addr(), opts...)
	//asyncvet:ignore blocking the other side has connected, or does so at once
	nc, err := ln.Accept() // the connection is in the backlog: this does not wait
	if err != nil {
		t.Fatal(err)
	}
	return s, nc.(*net.TCPConn)
}

func TestResetStreamFailsForGood(t *testing.T) {
	for name, read := range map[string]func(context.Context, *asyncio.Stream) error{
		"Read": func(_ context.Context, s *asyncio.Stream) error {
			_, err := s.Read(make([]byte, 10))
			return err
		},
		"ReadLine": func(ctx context.Context, s *asyncio.Stream) error {
			_, err := s.ReadLine(ctx)
			return err
		},
		"ReadExactly": func(ctx context.Context, s *asyncio.Stream) error {
			_, err := s.ReadExactly(ctx, 10)
			return err
		},
		"ReadAll": func(ctx context.Context, s *asyncio.Stream) error {
			_, err := s.ReadAll(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, ctx context.Context) {
				s, peer := resettable(t, ctx)
				if s.Err() != nil || s.IsClosing() {
					t.Errorf("at the beginning: Err is %v, IsClosing %v", s.Err(), s.IsClosing())
				}
				closed := asyncio.Go(ctx, s.WaitClosed)
				asyncio.Sleep(ctx, 0)
				reset(peer)
				for range 3 {
					if err := read(ctx, s); !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("a read gave %v", err)
					}
				}
				if !errors.Is(s.Err(), syscall.ECONNRESET) {
					t.Errorf("Err is %v", s.Err())
				}
				if !s.IsClosing() {
					t.Error("IsClosing is false")
				}
				if s.AtEOF() {
					t.Error("AtEOF is true: a reset is no end")
				}
				if _, err := closed.Await(ctx); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("WaitClosed gave %v to who waited", err)
				}
				if err := s.WaitClosed(ctx); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("WaitClosed gave %v", err)
				}
				if _, err := s.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("Write gave %v", err)
				}
				if err := s.Drain(ctx); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("Drain gave %v", err)
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close gave %v", err)
				}
			})
		})
	}
}

func TestResetFailsReadsOfWhatIsBuffered(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		peer.Write([]byte("whole\npart"))
		if line, err := s.ReadLine(ctx); string(line) != "whole\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		reset(peer)
		if _, err := s.ReadLine(ctx); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ReadLine gave %v", err)
		}
		if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read gave %d, %v", n, err)
		}
	})
}

// A reset that a write is told of is told to the reads too, after what came.
func TestResetThatAWriteIsToldOf(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		reset(peer)
		var err error
		for err == nil {
			_, err = s.Write([]byte("x"))
			asyncio.Sleep(ctx, 0)
		}
		if !s.IsClosing() {
			t.Error("IsClosing is false after a write has failed")
		}
		if err := s.WaitClosed(ctx); err == nil {
			t.Error("WaitClosed gave no error")
		}
		for range 2 {
			if _, err := s.Read(make([]byte, 10)); err == nil || err == io.EOF {
				t.Errorf("Read gave %v", err)
			}
		}
		if s.Err() == nil {
			t.Error("Err is nil")
		}
		s.Close()
	})
}

func TestCloseWhoseRestIsResetSaysSo(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		s.SetWriteBufferLimits(0, 64<<20)
		s.Write([]byte(strings.Repeat("x", 32<<20))) // more than the kernel takes
		s.Close()
		closed := asyncio.Go(ctx, s.WaitClosed)
		asyncio.Sleep(ctx, 0)
		reset(peer)
		if _, err := closed.Await(ctx); err == nil {
			t.Error("WaitClosed gave no error, and not all was sent")
		}
	})
}

func TestResetUnderTLSFailsForGood(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		accepted := asyncio.CreateTask(ctx, func(ctx context.Context) (*net.TCPConn, error) {
			return asyncio.ToThread(ctx, func(context.Context) (*net.TCPConn, error) {
				nc, err := ln.Accept()
				if err != nil {
					return nil, err
				}
				return nc.(*net.TCPConn), tls.Server(nc, serverTLS()).Handshake()
			})
		})
		s := dial(t, ctx, ln.Addr(), asyncio.WithTLS(clientTLS()))
		peer, err := accepted.Await(ctx)
		if err != nil {
			t.Fatal(err)
		}
		reset(peer)
		for range 2 {
			if _, err := s.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Read gave %v", err)
			}
		}
		if !errors.Is(s.Err(), syscall.ECONNRESET) || !s.IsClosing() {
			t.Errorf("Err is %v, IsClosing %v", s.Err(), s.IsClosing())
		}
		if err := s.WaitClosed(ctx); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("WaitClosed gave %v", err)
		}
	})
}
