//go:build linux || darwin

package asyncio_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Two tasks that write on a crypto/tls connection of their own making share its lock,
// and that stops the loop for good; so this is tried in a process of its own.
func TestAHangInCryptoTLSIsNamed(t *testing.T) {
	if role() == "hang" {
		hangInCryptoTLS()
		return
	}
	in, out, wait := again(t, "hang")
	defer wait()
	defer in.Close()
	text := ""
	for !strings.Contains(text, "stands still") || !strings.Contains(text, "crypto/tls.(*Conn).Write") { // a handshake may take long, too
		line, err := out.ReadString('\n')
		if err != nil {
			break
		}
		text += line
	}
	if !strings.Contains(text, "crypto/tls.(*Conn).Write") || !strings.Contains(text, "inspect_stall_unix_test.go:") {
		t.Errorf("it wrote %s", text)
	}
}

// hangInCryptoTLS hangs until its standard input ends.
func hangInCryptoTLS() {
	defer os.Exit(0)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			c := tls.Server(s.Conn(), serverTLS())
			if err := c.HandshakeContext(ctx); err != nil {
				return err
			}
			return asyncio.Sleep(ctx, time.Hour) // it never reads
		})
		if err != nil {
			return err
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		cfg := clientTLS()
		cfg.ServerName = "localhost"
		c := tls.Client(s.Conn(), cfg)
		if err := c.HandshakeContext(ctx); err != nil {
			return err
		}
		write := func(context.Context) error {
			for {
				if _, err := c.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		}
		asyncio.Go(ctx, write)
		asyncio.Go(ctx, write)
		return asyncio.Sleep(ctx, time.Hour)
	}, asyncio.WithStallWatch(200*time.Millisecond), asyncio.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))))
	fmt.Println("it did not hang:", err)
}
