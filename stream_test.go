package asyncio_test

import (
	"context"
	"io"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestEcho(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			_, err := io.Copy(s, s)
			return err
		})
		if err != nil {
			return err
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		for range 1000 {
			if _, err := s.Write([]byte("hello\n")); err != nil {
				return err
			}
			line, err := s.ReadLine(ctx)
			if err != nil || string(line) != "hello\n" {
				t.Errorf("%q %v", line, err)
			}
		}
		s.WriteEOF()
		if b, err := s.ReadAll(ctx); len(b) != 0 || err != nil {
			t.Error(b, err)
		}
		s.Close()
		return srv.Shutdown(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}
