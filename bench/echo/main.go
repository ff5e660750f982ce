// Command echo is an echo server on the loop, to be measured beside others:
//
//	echo PORT streams
//
// It serves until it is killed.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if len(os.Args) != 3 || os.Args[2] != "streams" {
		fmt.Fprintln(os.Stderr, "usage: echo PORT streams")
		os.Exit(2)
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:"+os.Args[1], streams)
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func streams(_ context.Context, s *asyncio.Stream) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		if err != nil {
			return nil
		}
		if _, err := s.Write(buf[:n]); err != nil {
			return nil
		}
	}
}
