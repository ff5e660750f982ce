// Command proxy passes TCP connections on, byte by byte, in both directions. When
// one side has sent all it had, the other is told, and may go on to answer.
//
//	proxy ADDRESS TARGET
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/asyncio-go/asyncio"
)

func main() {
	asyncio.Main(func(ctx context.Context) error {
		if len(os.Args) != 3 {
			return errors.New("usage: proxy ADDRESS TARGET")
		}
		srv, err := asyncio.StartServer(ctx, "tcp", os.Args[1], func(ctx context.Context, s *asyncio.Stream) error {
			if err := proxy(ctx, s, os.Args[2]); err != nil && !asyncio.IsCancelled(err) {
				fmt.Printf("%v: %v\n", s.RemoteAddr(), err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Println("listening at", srv.Addr())
		return srv.ServeForever(ctx)
	})
}

// proxy joins a client with the target. An error in one direction ends both: the
// group cancels the other task, and both streams are closed.
func proxy(ctx context.Context, client *asyncio.Stream, target string) error {
	server, err := asyncio.OpenConnection(ctx, "tcp", target)
	if err != nil {
		return err
	}
	defer server.Close()
	return asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
		g.Go(func(context.Context) error { return pass(server, client) })
		g.Go(func(context.Context) error { return pass(client, server) })
		return nil
	})
}

// pass copies until the end, and passes the end on, too. It waits when to is slower.
func pass(to, from *asyncio.Stream) error {
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return to.WriteEOF()
}
