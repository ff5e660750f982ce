//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// The program at the beginning of the README, but for the port.
func init() {
	testPrograms["visitors"] = func() {
		visitors := 0
		serve := func(_ context.Context, s *asyncio.Stream) error {
			visitors++
			fmt.Fprintf(s, "You are visitor %d.\n", visitors)
			_, err := io.Copy(s, s)
			return err
		}
		err := asyncio.Run(context.Background(), func(ctx context.Context) error {
			srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", serve)
			if err != nil {
				return err
			}
			fmt.Println(srv.Addr())
			return srv.ServeForever(ctx)
		})
		fmt.Println(err)
	}
}

func TestAServerThatIsInterruptedLogsNothing(t *testing.T) {
	runOn(t, nil, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, []asyncio.ProcessOption{
			asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe),
			asyncio.WithEnv(append(os.Environ(), "ASYNCIO_TEST_PROGRAM=visitors")...),
		}, os.Args[0])
		address := readLine(t, ctx, p.Stdout)
		c, err := asyncio.OpenConnection(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Abort()
		if line, err := c.ReadLine(ctx); err != nil || !bytes.HasPrefix(line, []byte("You are visitor 1")) {
			t.Fatalf("got %q, %v", line, err)
		}
		must(t, p.SendSignal(os.Interrupt))
		if rest, err := p.Stderr.ReadAll(ctx); len(rest) != 0 || err != nil {
			t.Errorf("it logs %q, %v", rest, err)
		}
		if _, err := p.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}
